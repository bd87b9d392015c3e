// A teacher's distributions beside the tokens of conversations, for distillation: which of its rows (top_log_probabilities.h) speaks of
// which target, and the shards that hold them beside those of the tokens. Test: tests/data/soft_targets_test.cpp.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/files.h"
#include "data/shards.h"
#include "data/top_log_probabilities.h"

namespace minke {

struct TrainedConversation;

// A teacher's distribution of a token holds for the tokens before it. So it speaks of a target as long as the student's tokens of the
// last answer are those that the teacher has drawn: up to the first that is another one, or the end. Where one of the two prompts has
// opened the thought and the other has not, <think> and a newline behind it are an answer's beginning in one of the two only.
struct SoftRows {
  std::vector<int32_t> row;  // of each token of the conversation: which row, −1 = none
  bool whole = false;        // all of the answer is as the teacher wrote it, perhaps but for the token that ends it
};
SoftRows soft_rows(const Tokenizer& tokenizer, const TrainedConversation& c, const TopLogProbabilities& top);

// train-soft-00000.bin says of each token which row it has, from 1 on, 0 for none, in documents as the tokens are. The rows themselves
// are the documents of train-soft-ids-00000.bin, and of train-soft-shares-00000.bin, whose "ids" are the bits of their probabilities.
class SoftWriter {
 public:
  // vocab_size: of the student's model. What the teacher gives to further ids is left out: part of what it gives to no listed token.
  SoftWriter(uint64_t tokenizer_hash, int32_t vocab_size);
  void add(const SoftRows& rows, const TopLogProbabilities& top);
  uint64_t pairs() const { return ids_.num_tokens(); }  // since the last write()
  void write(const fs::path& folder, std::string_view name, int number);

 private:
  int32_t vocab_size_;
  int64_t rows_ = 0;
  ShardWriter row_of_token_, ids_, shares_;
};

class SoftSet {
 public:
  SoftSet() = default;
  // The first `shards` of a name; UserError if they do not belong to `tokens`.
  SoftSet(const fs::path& folder, std::string_view name, int shards, const TokenSet& tokens);

  explicit operator bool() const { return k_ > 0; }
  int64_t k() const { return k_; }  // tokens of the longest row
  const TokenSet& row_of_token() const { return row_of_token_; }
  // A row of row_of_token(), not 0: `count` ids, k() or more, −1 where it has fewer, and their probabilities.
  void copy(int32_t row, int64_t count, int32_t* ids, float* probabilities) const;

 private:
  TokenSet row_of_token_, ids_, shares_;
  int64_t k_ = 0;
};
// "folder/train-soft-00003.bin"
fs::path soft_shard(const fs::path& folder, std::string_view name, int number);

}  // namespace minke
