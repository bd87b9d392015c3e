#include "reward/code_answer.h"

#include <gtest/gtest.h>

namespace minke {
namespace {

std::string blocks_of(std::string_view text) {
  std::string all;
  for (const FencedBlock& b : fenced_blocks(text)) all += "[" + b.tag + "|" + b.text + (b.closed ? "]" : "…");
  return all;
}

TEST(FencedBlocks, AreFound) {
  EXPECT_EQ(blocks_of(""), "");
  EXPECT_EQ(blocks_of("words ```x``` words\n"), "");
  EXPECT_EQ(blocks_of("```python\na\n\nb\n```\nwords\n~~~\nc\n~~~"), "[python|a\n\nb\n][|c\n]");
  EXPECT_EQ(blocks_of("  ``` cpp \na\n  ```  \n"), "[cpp|a\n]");
  EXPECT_EQ(blocks_of("    ```\na\n"), "");                               // indented by four: no fence
  EXPECT_EQ(blocks_of("````\n```\na\n```\n````\n"), "[|```\na\n```\n]");  // a longer fence holds shorter ones
  EXPECT_EQ(blocks_of("```\na\n~~~\n``\n"), "[|a\n~~~\n``\n…");
  EXPECT_EQ(blocks_of("```\r\na\r\n```\r\n"), "[|a\r\n]");
  EXPECT_EQ(blocks_of("```x`y\na\n"), "");  // a tag holds no `
}

TEST(FencedBlocks, TakeLinearTime) {
  std::string many;
  for (int i = 0; i < 200'000; ++i) many += "```\n";
  EXPECT_EQ(fenced_blocks(many).size(), 100'000u);
  EXPECT_EQ(fenced_blocks(std::string(5'000'000, '`')).size(), 1u);
}

TEST(CodeTags, NameLanguages) {
  for (const char* tag : {"python", "Python", "py", "python3", "python {linenos}"})
    EXPECT_TRUE(tag_names(tag, CodeLanguage::python)) << tag;
  for (const char* tag : {"cpp", "C++", "cc"}) EXPECT_TRUE(tag_names(tag, CodeLanguage::cpp)) << tag;
  for (const char* tag : {"", "c", "pythonic", "text", "cpp"})
    EXPECT_FALSE(tag_names(tag, CodeLanguage::python)) << tag;
}

TEST(CodeIn, ABlockStandsBehindOrContinuesThePrompt) {
  const std::string prompt = "import re\ndef f(x):\n";
  const auto lenient = [&](std::string_view text) {
    return code_in(text, CodeLanguage::python, prompt, "f").lenient.value_or("-");
  };
  EXPECT_EQ(lenient("```python\ndef f(x):\n    return x\n```"),
            "import re\ndef f(x):\n\n    pass\n\ndef f(x):\n    return x\n\n");
  EXPECT_EQ(lenient("```python\n    return x\n```"), "import re\ndef f(x):\n    return x\n\n");
  EXPECT_EQ(lenient("```python\ndef f2(x):\n    return x\n```"), "import re\ndef f(x):\ndef f2(x):\n    return x\n\n");
  EXPECT_EQ(lenient("    return x\n\n    # more\nprint(1)\n"), "import re\ndef f(x):\n    return x\n\n    # more\n\n");
  EXPECT_EQ(code_in("    return x\nprint(1)\n", CodeLanguage::python, prompt, "f").strict,
            "import re\ndef f(x):\n    return x\nprint(1)\n\n");
}

}  // namespace
}  // namespace minke
