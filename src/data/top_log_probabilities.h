// What a teacher says of each token of an answer that it has written: the K tokens that it found most likely there, with the natural
// logarithms of their probabilities, before any setting of sampling. As "top_logprobs" in the line of a conversation, beside
// "messages", it speaks of the last message:
//   {"vocabulary": "9f3c…", "tokens": [7, 1], "ids": [[7, 12], [1, 7]], "logprobs": [[-0.10536, -2.3026], [0, -11.513]]}
// tokens: the answer's own, the one that ended it included if it was drawn. Five digits are written: about 13 bytes for each of the K,
// so 5,000 answers of 50 tokens with 8 of them are 26 MB. Test: tests/data/top_log_probabilities_test.cpp.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "tokenize/tokenizer.h"

namespace minke {

constexpr int64_t kMostTopLogProbabilities = 64;  // K
// K times the tokens of an answer: more in a line would be more values than parse_json reads.
constexpr int64_t kMostInAnAnswer = int64_t(1) << 18;

struct TopLogProbabilities {
  std::string vocabulary;                // vocabulary_hash() of the teacher's tokenizer
  std::vector<int32_t> tokens;           // [n]
  std::vector<int32_t> ids;              // [n,K], most likely first
  std::vector<float> log_probabilities;  // [n,K]

  bool empty() const { return tokens.empty(); }
  size_t k() const { return tokens.empty() ? 0 : ids.size() / tokens.size(); }
  // As many as for the tokens before, most likely first.
  void add(int32_t token, std::span<const std::pair<int32_t, double>> top);
};

Json to_json(const TopLogProbabilities& top);
// UserError, with `where`, for anything that is not so: other sizes, a token twice, logarithms above 0, probabilities of more than 1 in
// all.
TopLogProbabilities top_log_probabilities(const Json& json, std::string_view where);

// Of the bytes of all tokens, by id: two tokenizers with the same one give the same meaning to every id.
std::string vocabulary_hash(const Tokenizer& tokenizer);

}  // namespace minke
