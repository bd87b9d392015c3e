// Reads a tokenizer.json (untrusted): vocabulary and merges directly into arrays, because a DOM of 128,000 entries takes
// longer than everything else; the rest as JSON. Every failure is a UserError with file and field.
// Tested in tests/tokenize/hostile_test.cpp.
#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenize/added_tokens.h"

namespace minke {

constexpr int64_t kMaxTokenId = (1 << 24) - 1;

struct TokenizerFile {
  struct Entry {
    std::string text;  // in the byte alphabet
    int32_t id;
  };
  std::vector<Entry> vocabulary;
  std::vector<std::pair<std::string, std::string>> merges;
  std::vector<AddedToken> added;
};

// Fills `file`, and `rest` with everything but model.vocab and model.merges.
void read_tokenizer_json(std::string_view text, std::string_view where, TokenizerFile& file, nlohmann::json& rest);

}  // namespace minke
