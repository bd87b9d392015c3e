#include "reward/code_lines.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "sandbox/hostile.h"

namespace minke {
namespace {

class CodeLines : public test::SandboxTest {};

TEST_F(CodeLines, HoldTheTaskInTheAnswerOrThemselves) {
  const std::vector<NumberedLine> lines{
      {R"({"prompt": "Add.<think>", "response": "easy</think><answer>def f(a):\n    return a + 1</answer>", "answer": {"entry_point": "f", "test": "assert f(1) == 2"}})",
       "line 1"},
      {R"({"task_id": "x", "prompt": "def f(a):\n", "response": "    return a + 2\n", "entry_point": "f", "test": "def check(c):\n    assert c(1) == 2\n", "n": 1.0000000000000000001})",
       "line 2"},
      {R"({"response": "```python\ndef f(a): return 2\n```", "answer": {"entry_point": "f", "test": "assert f(1) == 2"}, "strict": 0})",
       "line 3"}};
  const std::vector<GradedLine> graded = grade_code_lines(sandbox(), lines, 2);
  ASSERT_EQ(graded.size(), 3u);
  EXPECT_EQ(graded[0].grade.strict, 1) << graded[0].grade.reason;
  EXPECT_EQ(graded[1].grade.lenient, 0);
  EXPECT_NE(
      graded[1].line.find(
          R"("n": 1.0000000000000000001,"strict":0.0,"lenient":0.0,"reason":"AssertionError at: assert c(1) == 2"})"),
      std::string::npos)
      << graded[1].line;
  EXPECT_EQ(Json::parse(graded[2].line).at("strict"), 1);
}

TEST_F(CodeLines, MistakesNameTheLine) {
  for (const char* text : {"5", R"({"response": 5})", R"({"answer": {}})", R"({"response": "x"})",
                           R"({"response": "x", "answer": "y"})"}) {
    const std::vector<NumberedLine> lines{{text, "f.jsonl, line 9"}};
    try {
      grade_code_lines(sandbox(), lines, 1);
      FAIL() << text;
    } catch (const UserError& e) {
      EXPECT_TRUE(std::string(e.what()).starts_with("f.jsonl, line 9: ")) << e.what();
    }
  }
}

}  // namespace
}  // namespace minke
