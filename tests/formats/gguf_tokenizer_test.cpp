#include "formats/gguf_tokenizer.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "formats/gguf_bytes.h"
#include "support/shared_files.h"

namespace minke {
namespace {
using test::GgufBytes;

GgufBytes base(std::initializer_list<std::string> tokens = {"<s>", "a", "b", "\xc4\xa0"}) {
  GgufBytes g;
  std::string list;
  for (const std::string& token : tokens) list += GgufBytes::text(token);
  g.key("tokenizer.ggml.model", "gpt2").list("tokenizer.ggml.tokens", GgufType::text, tokens.size(), list);
  return g;
}
GgufFile parsed(const std::string& bytes) { return GgufFile::parse(test::bytes_of(bytes), "x.gguf"); }

TEST(GgufTokenizer, ReadsAllItSays) {
  GgufBytes g = base();
  const auto n = [](int x) { return GgufBytes::number(x); };
  g.key("tokenizer.ggml.pre", "qwen2");
  g.list("tokenizer.ggml.token_type", GgufType::i32, 4, n(3) + n(1) + n(6) + n(4));
  g.list("tokenizer.ggml.merges", GgufType::text, 2, GgufBytes::text("a b") + GgufBytes::text("  c"));
  g.key("tokenizer.ggml.bos_token_id", 0u)
      .key("tokenizer.ggml.eos_token_id", 3u)
      .key("tokenizer.ggml.eot_token_id", 2u);
  g.key("tokenizer.ggml.add_bos_token", GgufType::boolean, GgufBytes::number(false));
  g.key("tokenizer.chat_template", "{{ x }}").key("tokenizer.chat_template.tool_use", "{{ y }}");
  const std::string bytes = g.build();
  const GgufFile file = parsed(bytes);
  const GgufTokenizer t = read_tokenizer(file.metadata());
  EXPECT_EQ(t.model, "gpt2");
  EXPECT_EQ(t.pre, "qwen2");
  EXPECT_EQ(t.tokens.size(), 4u);
  EXPECT_EQ(t.tokens[3], "\xc4\xa0");
  EXPECT_EQ(t.types[0], GgufTokenType::control);
  EXPECT_EQ(t.types[2], GgufTokenType::byte);
  EXPECT_EQ(t.merges, (std::vector<std::string_view>{"a b", "  c"}));
  EXPECT_EQ(t.bos, 0);
  EXPECT_EQ(t.eos, 3);
  EXPECT_EQ(t.eot, 2);
  EXPECT_EQ(t.unknown, std::nullopt);
  EXPECT_EQ(t.add_bos, false);
  EXPECT_EQ(t.add_eos, std::nullopt);
  EXPECT_EQ(t.chat_template, "{{ x }}");
  ASSERT_EQ(t.named_templates.size(), 1u);
  EXPECT_EQ(t.named_templates[0].first, "tool_use");
  EXPECT_EQ(t.named_templates[0].second, "{{ y }}");
}

TEST(GgufTokenizer, DefaultsAndContradictions) {
  const std::string bytes = base().build();
  const GgufFile plain = parsed(bytes);
  const GgufTokenizer t = read_tokenizer(plain.metadata());
  EXPECT_EQ(t.pre, "default");
  EXPECT_EQ(t.types, std::vector<GgufTokenType>(4, GgufTokenType::normal));

  const auto refused = [](GgufBytes g, const char* named) {
    const std::string file = g.build();
    const GgufFile parsed_file = parsed(file);
    try {
      read_tokenizer(parsed_file.metadata());
      ADD_FAILURE() << named;
    } catch (const UserError& e) {
      EXPECT_NE(std::string(e.what()).find(named), std::string::npos) << e.what();
    }
  };
  const auto n = [](int x) { return GgufBytes::number(x); };
  refused(GgufBytes(), "has no tokenizer");
  refused(base({}), "has no tokenizer");
  refused(base({"a", "\xff"}), "not UTF-8");
  refused(base({"\xc0\x80"}), "not UTF-8");
  refused(base({"\xed\xa0\x80"}), "not UTF-8");
  refused(base({"\xf4\x90\x80\x80"}), "not UTF-8");
  refused(base({"\xe2\x82"}), "not UTF-8");
  refused(base().list("tokenizer.ggml.token_type", GgufType::i32, 1, n(1)), "has 1 elements, but there are 4 tokens");
  refused(base().list("tokenizer.ggml.token_type", GgufType::i32, 4, n(1) + n(1) + n(0) + n(1)), "token_type has 0");
  refused(base().list("tokenizer.ggml.scores", GgufType::f32, 1, n(1)), "scores has 1 elements");
  refused(base().list("tokenizer.ggml.merges", GgufType::text, 1, GgufBytes::text("ab")), "merges has \"ab\"");
  refused(base().list("tokenizer.ggml.merges", GgufType::text, 1, GgufBytes::text(" b")), "merges has \" b\"");
  refused(base().list("tokenizer.ggml.merges", GgufType::text, 1, GgufBytes::text("a ")), "merges has \"a \"");
  refused(base().key("tokenizer.ggml.bos_token_id", 4u), "bos_token_id is 4, but there are 4 tokens");
  refused(base().key("tokenizer.ggml.eos_token_id", GgufType::i32, n(-1)), "eos_token_id is -1");
  refused(base().key("tokenizer.chat_template", 3u), "chat_template is u32");
}

TEST(GgufTokenizer, OfAPublishedFile) {
  const auto path = test::shared_file("data/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
  if (!path) GTEST_SKIP() << "not in MINKE_SHARED";
  const Gguf file = Gguf::open(*path);
  const GgufTokenizer t = read_tokenizer(file.metadata());
  EXPECT_EQ(t.model, "gpt2");
  EXPECT_EQ(t.pre, "smollm");
  EXPECT_EQ(t.tokens.size(), 49152u);
  EXPECT_EQ(t.tokens[1], "<|im_start|>");
  EXPECT_EQ(t.types[1], GgufTokenType::control);
  EXPECT_EQ(t.merges.size(), 48900u);
  EXPECT_EQ(t.bos, 1);
  EXPECT_EQ(t.eos, 2);
  EXPECT_EQ(t.add_bos, false);
  ASSERT_TRUE(t.chat_template);
  EXPECT_NE(t.chat_template->find("<|im_start|>"), std::string_view::npos);
}

}  // namespace
}  // namespace minke
