// The tokenizer of a GGUF file gives the ids of the folder that the file was made from.
#include "tokenize/from_gguf.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "formats/gguf_writer.h"
#include "support/gguf_fixture.h"
#include "support/shared_files.h"
#include "tokenize/chat_template.h"
#include "tokenize/fixtures.h"
#include "tokenize/pretokenizer.h"

namespace minke {
namespace {

using nlohmann::json;

class FromGguf : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  // The folder's tokenizer by way of a GGUF file without tensors.
  Tokenizer through_gguf(const fs::path& folder, std::string_view pre, int64_t vocab_size = 0) const {
    GgufMetadataToWrite keys;
    test::add_tokenizer_keys(keys, folder, pre, vocab_size);
    write_gguf(folder_ / "t.gguf", keys, {});
    return Tokenizer::load(folder_ / "t.gguf");
  }
  static void expect_same(const Tokenizer& a, const Tokenizer& b) {
    EXPECT_EQ(a.bos_id(), b.bos_id());
    EXPECT_EQ(a.eos_id(), b.eos_id());
    EXPECT_EQ(a.num_merges(), b.num_merges());
    EXPECT_EQ(a.pretokenizer_name(), b.pretokenizer_name());
    ASSERT_EQ(a.vocab_size(), b.vocab_size());
    for (int32_t id = 0; id < a.vocab_size(); ++id) {
      ASSERT_EQ(a.token_bytes(id), b.token_bytes(id)) << id;
      ASSERT_EQ(a.is_special(id), b.is_special(id)) << id;
    }
    Rng rng{{15, 2}};
    for (int i = 0; i < 300; ++i) {
      const std::string text = test::random_text(rng, 40, i % 2 == 0);
      ASSERT_EQ(a.encode(text), b.encode(text)) << text;
      ASSERT_EQ(a.encode(text, {.parse_special = false}), b.encode(text, {.parse_special = false})) << text;
    }
  }
  static void expect_golden_ids(const Tokenizer& t, const fs::path& golden, size_t count) {
    std::ifstream lines(golden);
    size_t cases = 0;
    for (std::string line; std::getline(lines, line); ++cases) {
      const json one = json::parse(line);
      ASSERT_EQ(t.encode(one["text"].get<std::string>()), one["ids"].get<std::vector<int32_t>>()) << line;
    }
    EXPECT_EQ(cases, count);
  }
  fs::path folder_ = fs::temp_directory_path() / fmt::format("minke-from-gguf-{}", ::getpid());
};

// What stands in a file; as it should be read by default.
GgufTokenizer small(std::string_view pre) {
  GgufTokenizer t;
  t.model = "gpt2", t.pre = pre;
  t.tokens = {"<s>", "a", "b", "ab", "1", "12", "<think>", "[PAD7]", "</s>"};
  using enum GgufTokenType;
  t.types = {control, normal, normal, normal, normal, normal, user_defined, unused, normal};
  t.merges = {"a b"};
  t.bos = 0, t.eos = 8;
  return t;
}

std::string message(const GgufTokenizer& t) {
  try {
    tokenizer_texts(t, "x.gguf");
  } catch (const UserError& e) {
    return e.what();
  }
  return "no error";
}

TEST_F(FromGguf, EachRuleIsThatOfThePublishedTokenizer) {
  constexpr const char* kRules[][2] = {{"deepseek-v3", "deepseek_v3"},
                                       {"deepseek-llm", "deepseek_llm"},
                                       {"deepseek-coder", "deepseek_coder"},
                                       {"deepseek-r1-qwen", "qwen2"},
                                       {"qwen2", "qwen2"},
                                       {"llama-bpe", "llama3"},
                                       {"llama3", "llama3"},
                                       {"llama-v3", "llama3"},
                                       {"smollm", "smollm"},
                                       {"gpt-2", "gpt2"}};
  const std::string text = test::training_text();
  const std::string_view views[] = {text};
  for (const auto& [pre, pretokenizer] : kRules) {
    SCOPED_TRACE(pre);
    const Tokenizer trained = train_bpe(views, {.vocab_size = 500, .pretokenizer = pretokenizer});
    trained.save(folder_);
    const Tokenizer read = through_gguf(folder_, pre);
    expect_same(read, trained);
    EXPECT_EQ(read.note(), "");
    EXPECT_EQ(read.json_text().find("\"ignore_merges\": true") != std::string::npos,
              std::string_view(pretokenizer) == "llama3");
  }
}

TEST_F(FromGguf, DeepSeekV3) {
  const fs::path own = test::source_file("tests/golden/tokenizer-deepseek-v3");
  const Tokenizer small = through_gguf(own, "deepseek-v3", 800);
  expect_same(small, Tokenizer::load(own));
  expect_golden_ids(small, own / "cases.jsonl", 200);
  const auto folder = test::shared_file("data/tokenizer-deepseek-v3");
  if (!folder) return;
  const Tokenizer published = through_gguf(*folder, "deepseek-v3", 129280);
  expect_same(published, Tokenizer::load(*folder));
  expect_golden_ids(published, test::shared_file("goldens/tokenizer-deepseek-v3.jsonl").value(), 300);
}

TEST_F(FromGguf, TypesOfTokens) {
  const TokenizerTexts texts = tokenizer_texts(small("deepseek-v3"), "x.gguf");
  const Tokenizer t = Tokenizer::from_json_text(texts.tokenizer_json, "x.gguf", texts.tokenizer_config_json);
  EXPECT_EQ(t.vocab_size(), 9);
  EXPECT_EQ(t.bos_id(), 0);
  EXPECT_EQ(t.eos_id(), 8);
  EXPECT_TRUE(t.is_special(0));
  EXPECT_TRUE(t.is_special(8)) << "the end of text, though the file calls it normal";
  EXPECT_FALSE(t.is_special(6));
  EXPECT_FALSE(t.has_token(7));
  EXPECT_EQ(t.encode("<s>ab<think>"), (std::vector<int32_t>{0, 3, 6}));
  EXPECT_EQ(t.decode(std::vector<int32_t>{0, 3, 6}, true), "ab<think>");
  // The Hugging Face library gives added tokens that are not in the vocabulary the ids behind it.
  const json file = json::parse(texts.tokenizer_json);
  EXPECT_EQ(file["model"]["vocab"].size(), 7u) << "6 is behind the last normal one, 8 behind a hole";
  EXPECT_FALSE(file["model"]["vocab"].contains("<think>"));
}

TEST_F(FromGguf, BosOnlyWhereTheFileSaysSo) {
  GgufTokenizer t = small("qwen2");
  EXPECT_FALSE(tokenizer_texts(t, "x").adds_bos);
  t.pre = "llama-bpe";
  EXPECT_TRUE(tokenizer_texts(t, "x").adds_bos);
  t.add_bos = false;
  EXPECT_FALSE(tokenizer_texts(t, "x").adds_bos);
  t.pre = "qwen2", t.add_bos = true;
  EXPECT_TRUE(tokenizer_texts(t, "x").adds_bos);
  t.bos.reset();
  EXPECT_FALSE(tokenizer_texts(t, "x").adds_bos);
}

TEST_F(FromGguf, TemplatesAndRoles) {
  GgufTokenizer t = small("qwen2");
  t.padding = 7, t.chat_template = "{{ x }}";
  json config = json::parse(tokenizer_texts(t, "x").tokenizer_config_json);
  EXPECT_EQ(config["bos_token"], "<s>");
  EXPECT_EQ(config["eos_token"], "</s>");
  EXPECT_EQ(config["pad_token"], "[PAD7]");
  EXPECT_TRUE(config["unk_token"].is_null());
  EXPECT_EQ(config["chat_template"], "{{ x }}");
  EXPECT_EQ(config["tokenizer_class"], "Qwen2Tokenizer");
  t.named_templates = {{"tool_use", "{{ y }}"}};
  config = json::parse(tokenizer_texts(t, "x").tokenizer_config_json);
  EXPECT_EQ(
      config["chat_template"],
      json::parse(R"([{"name": "default", "template": "{{ x }}"}, {"name": "tool_use", "template": "{{ y }}"}])"));
}

TEST_F(FromGguf, TheChatTemplateIsThatOfTheFolder) {
  test::small_tokenizer().save(folder_);
  json config = json::parse(std::ifstream(folder_ / "tokenizer_config.json"));
  config["chat_template"] = "{{ bos_token }}{{ messages[0].content }}";
  write_file_atomic(folder_ / "tokenizer_config.json", config.dump());
  through_gguf(folder_, "deepseek-v3");
  ChatInputs inputs;
  inputs.messages = {{{"role", "user"}, {"content", "hi"}}};
  for (const fs::path& path : {folder_, folder_ / "t.gguf"})
    EXPECT_EQ(ChatTemplate::load(path).value().render(inputs), "<｜begin▁of▁sentence｜>hi");
}

TEST_F(FromGguf, LlamaCppsDefaultIsSaid) {
  const TokenizerTexts texts = tokenizer_texts(small("default"), "x.gguf");
  EXPECT_NE(texts.note.find("x.gguf does not say by which rule"), std::string::npos);
  // Digits in threes, punctuation in runs.
  const Pretokenizer split(json::parse(texts.tokenizer_json)["pre_tokenizer"], "x");
  Pieces pieces;
  split.split("Hi 12345 ..!a", pieces);
  std::vector<std::string> parts;
  for (const Match& m : pieces.spans) parts.emplace_back(pieces.text.substr(m.first, m.end - m.first));
  EXPECT_EQ(parts, (std::vector<std::string>{"Hi", " ", "123", "45", " ", "..!", "a"}));
}

TEST_F(FromGguf, WhatIsNotReadIsNamed) {
  EXPECT_EQ(message(small("deepseek-v3")), "no error");
  EXPECT_NE(message(small("tekken")).find("x.gguf: tokenizer.ggml.pre is \"tekken\""), std::string::npos);
  EXPECT_NE(message(small("tekken")).find("known are deepseek-v3, deepseek-llm"), std::string::npos);
  GgufTokenizer t = small("default");
  t.model = "llama";
  EXPECT_NE(message(t).find("tokenizer.ggml.model is \"llama\" (SentencePiece)"), std::string::npos);
}

}  // namespace
}  // namespace minke
