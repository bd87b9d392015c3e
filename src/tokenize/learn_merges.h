// The two halves of BPE training, on bytes alone: counting pieces, and choosing merges. Used by train.cpp; tested in
// tests/tokenize/train_test.cpp against a plain implementation.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenize/fast_split.h"

namespace minke {

struct CountedPiece {
  std::string_view bytes;  // in the texts
  int64_t count;
};
// The distinct pieces of the texts and how often each occurs, in an order that depends on the number of threads.
std::vector<CountedPiece> count_pieces(std::span<const std::string_view> texts, NextPiece next_piece, int threads);

struct LearnOptions {
  std::vector<uint8_t> alphabet_order;  // [256] bytes; symbol i is byte alphabet_order[i], and ties go to smaller symbols
  int32_t max_tokens;                   // bytes and merged tokens together
  int64_t min_frequency;
  std::function<bool(std::string_view)> forbidden;  // token contents that must not come out
};
struct Learned {
  std::vector<std::string> tokens;                   // [0, 256) the bytes, then what merges make
  std::vector<std::pair<uint32_t, uint32_t>> merges;  // pairs of symbols, in order; their result is left + right
};
Learned learn_merges(std::span<const CountedPiece> pieces, const LearnOptions& options);

}  // namespace minke
