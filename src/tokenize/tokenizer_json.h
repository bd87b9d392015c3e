// Writes a tokenizer.json of byte-level BPE, as the Hugging Face library reads it.
// Tested in tests/tokenize/train_test.cpp and from_gguf_test.cpp.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenize/added_tokens.h"

namespace minke {

struct TokenizerParts {
  std::vector<AddedToken> added;
  nlohmann::json normalizer, pretokenizer;
  std::vector<std::pair<std::string_view, int64_t>> vocabulary;  // text in the byte alphabet, and id
  std::vector<std::pair<std::string_view, std::string_view>> merges;
  bool ignore_merges = false;
};
std::string tokenizer_json(const TokenizerParts& parts);

}  // namespace minke
