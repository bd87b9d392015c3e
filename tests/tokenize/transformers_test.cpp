#include "tokenize/transformers.h"

#include <gtest/gtest.h>

namespace minke {
namespace {

std::string note(std::string_view model, std::string_view declared, std::string_view pretokenizer,
                 std::string_view normalizer = "") {
  const std::string config = model.empty() ? "" : "{\"model_type\": \"" + std::string(model) + "\"}";
  const std::string tokenizer = declared.empty() ? "{}" : "{\"tokenizer_class\": \"" + std::string(declared) + "\"}";
  return transformers_note({.model_config = config,
                            .tokenizer_config = tokenizer,
                            .pretokenizer = pretokenizer,
                            .normalizer = normalizer,
                            .file = "f/tokenizer.json"});
}

// What AutoTokenizer of transformers 5.24 made of one tokenizer.json under each of these.
TEST(Transformers, TheClassIsTheOneThatAutoTokenizerTakes) {
  for (const char* declared : {"", "PreTrainedTokenizerFast", "TokenizersBackend", "Qwen2Tokenizer",
                               "Qwen2TokenizerFast", "LlamaTokenizerFast", "GPT2Tokenizer"}) {
    EXPECT_NE(note("qwen2", declared, "deepseek_v3").find("by the rule of \"qwen2\" after NFC"), std::string::npos)
        << declared;
    EXPECT_NE(note("qwen2", declared, "qwen2"), "") << declared;  // without NFC
    EXPECT_EQ(note("qwen2", declared, "qwen2", "NFC"), "") << declared;
  }
  for (const char* model : {"qwen3", "llama", "deepseek_v3", "deepseek_v2", ""}) {
    for (const char* declared : {"PreTrainedTokenizerFast", "TokenizersBackend", "LlamaTokenizer", "Nonsense"})
      EXPECT_EQ(note(model, declared, "deepseek_v3"), "") << model << " " << declared;
    for (const char* declared : {"Qwen2Tokenizer", "Qwen2TokenizerFast"})
      EXPECT_NE(note(model, declared, "deepseek_v3").find("tokenizer_class is \"Qwen2Tokenizer\""), std::string::npos)
          << model;
    for (const char* declared : {"GPT2Tokenizer", "GPT2TokenizerFast"}) {
      EXPECT_NE(note(model, declared, "smollm").find("by the rule of \"gpt2\""), std::string::npos) << model;
      EXPECT_EQ(note(model, declared, "gpt2"), "") << model;
    }
  }
  EXPECT_NE(note("qwen3", "", "deepseek_v3"), "");
  EXPECT_EQ(note("llama", "", "deepseek_v3"), "");
  EXPECT_EQ(note("", "", "deepseek_v3"), "");
}

TEST(Transformers, FilesThatAreNoJsonSayNothing) {
  EXPECT_EQ(transformers_note(
                {.model_config = "{", .tokenizer_config = "[]", .pretokenizer = "gpt2", .normalizer = "", .file = "f"}),
            "");
}

}  // namespace
}  // namespace minke
