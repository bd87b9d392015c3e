// How the documents of one epoch become sequences of T+1 tokens (docs/recipe/training.md §2; best fit after Ding et al.
// 2024). A plan is a pure function of (documents, options, epoch); it holds an index and no tokens. Tested in
// tests/data/packing_test.cpp.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/rng.h"
#include "data/shards.h"

namespace minke {

// A bijection of [0, n): a Feistel network over the next power of four, repeated until the result is below n. No memory.
class Permutation {
 public:
  Permutation(RngKey key, uint64_t n);
  uint64_t operator()(uint64_t i) const;  // i < n
  uint64_t size() const { return n_; }

 private:
  uint64_t n_;
  int half_bits_ = 1;
  uint64_t round_keys_[6];
};

// concatenate: all documents are joined and cut every T tokens. (The last token of a sequence is the first of the next, so
//   that every token is a target once.) In each epoch the joined text is rotated by a random offset, and its end wraps
//   around to its beginning, so that no token is lost and there is no padding.
// best_fit: every document is kept whole, unless it is longer than T+1 (then it is cut as above). It goes into the
//   fullest sequence that has room for it. Free space at the end of a sequence is padding (SequenceBatch::num_valid).
enum class PackingMode : uint8_t { concatenate, best_fit };

struct FimTokens {
  int32_t begin = -1, hole = -1, end = -1;
};

struct PackingOptions {
  int64_t sequence_length = 0;  // T
  PackingMode packing = PackingMode::concatenate;
  bool shuffle = true;  // documents, rotation and sequences, anew in each epoch
  uint64_t seed = 0;
  double fim_rate = 0;  // share of the documents rewritten as <begin> prefix <hole> suffix <end> middle (PSM)
  FimTokens fim;
  bool begins_with_bos = false;  // the first token of a document is bos and stays first under FIM
  bool ends_with_eos = true;     // the last token of a document is eos and stays last under FIM
};

class EpochPlan {
 public:
  // `tokens` must outlive the plan and have at least one token. UserError for T < 1, a bad rate or missing FIM ids.
  EpochPlan(const TokenSet& tokens, const PackingOptions& options, uint64_t epoch);

  uint64_t num_sequences() const { return num_sequences_; }
  // The T+1 tokens of sequence i, and for each of the first T the place where its document begins in this sequence (0 if
  // it begins before). Returns the number of real tokens: T+1, or less with best_fit. `padding` fills the rest; each
  // padding token is its own document.
  int64_t read(uint64_t sequence, int32_t padding, std::span<int32_t> tokens, std::span<int32_t> document_start) const;

  // Documents that best_fit had to cut, and its padding: figures for a report.
  uint64_t documents_cut() const { return documents_cut_; }
  uint64_t padding_tokens() const { return padding_tokens_; }

 private:
  struct Piece {
    uint64_t document, begin;
    uint32_t count;
  };
  void plan_concatenation();
  void plan_best_fit();
  bool is_fim(uint64_t document) const;
  uint64_t length(uint64_t document) const;  // tokens with FIM applied
  void copy(uint64_t document, uint64_t begin, uint64_t count, int32_t* out) const;

  const TokenSet& tokens_;
  PackingOptions options_;
  RngKey key_;
  uint64_t num_sequences_ = 0, documents_cut_ = 0, padding_tokens_ = 0;
  Permutation document_order_, sequence_order_;
  // concatenate: where the k-th document in order begins in the joined run [documents + 1].
  std::vector<uint64_t> joined_begin_;
  uint64_t rotation_ = 0;
  // best_fit: pieces of sequence i are pieces_[first_piece_[i]] … [sequences + 1].
  std::vector<uint64_t> first_piece_;
  std::vector<Piece> pieces_;
};

}  // namespace minke
