// The product of probabilities with values of the cache where they lie, for a few rows (cached.cpp).
// Test: tests/kernels/cpu_blocks_test.cpp.
#pragma once
#include "kernels/cpu/isa/attention_parts.h"

namespace minke::cpu {
namespace {

constexpr int64_t kFewRows = 4 * kTileRows < kPanel ? 4 * kTileRows : kPanel;

// Probabilities of a panel of rows as a left-hand side: in tiles rows of pairs of keys, else steps of whole panels.
template <Mode mode> constexpr int64_t kProbRow = kInTiles<mode> ? kChunk * 2 : 4;
template <Mode mode> constexpr int64_t kProbStep = kInTiles<mode> ? 4 : kPanel * 4;

// The keys and values of tokens that lie in one page: as they are, or decoded.
struct Tokens {
  Source keys, values;
};
// The pages of a chunk where they lie.
struct Page {
  Tokens tokens;
  int64_t count;  // of tokens
};

// sums[rows, vectors · kWidth] += probabilities · values from column j on, without a packed copy of the values: that pays where
// few rows share them. One chain over the chunk, as packed values have it.
// each_token() is called with every token.
template <Mode mode, int rows, int vectors, class EachToken>
void add_values(const char* probs, const Page* pages, int64_t n, int64_t j, float* sums, int64_t width,
                EachToken&& each_token) {
  vf acc[rows][vectors] = {};
  const char* p = probs;
  for (const Page* page = pages; n > 0; n -= page->count, ++page) {
    const Source& v = page->tokens.values;
    for (int64_t t = 0; t < page->count; t += kPerStep<mode>, p += kProbStep<mode>) {
      each_token();
      const bool valid2 = t + 1 < page->count;
      const void *row0 = address(v, t, j), *row1 = valid2 ? address(v, t + 1, j) : row0;
      vu right[vectors];
#pragma GCC unroll 4
      for (int i = 0; i < vectors; ++i) right[i] = interleave<mode>(row0, row1, v.half, i * kWidth, kWidth, valid2);
#pragma GCC unroll 12
      for (int r = 0; r < rows; ++r) {
        const vu x = broadcast_pair(p + r * kProbRow<mode>);
#pragma GCC unroll 4
        for (int i = 0; i < vectors; ++i) acc[r][i] = multiply_add<mode>(x, right[i], acc[r][i]);
      }
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int i = 0; i < vectors; ++i) {
      float* sum = sums + r * width + i * kWidth;
      store_as(sum, load_as<vf>(sum) + acc[r][i]);
    }
}
template <Mode mode, int vectors, int rows = kTileRows, class EachToken>
void add_values_of(int64_t wanted, const char* probs, const Page* pages, int64_t n, int64_t j, float* sums,
                   int64_t width, EachToken&& each_token) {
  if constexpr (rows > 1)
    if (wanted < rows)
      return add_values_of<mode, vectors, rows - 1>(wanted, probs, pages, n, j, sums, width, each_token);
  add_values<mode, rows, vectors>(probs, pages, n, j, sums, width, each_token);
}
// All columns, which are whole vectors. each_token() is called once for every kPanel columns.
template <Mode mode, class EachToken>
void add_all_values(const char* probs, const Page* pages, int64_t n, int64_t rows, int64_t columns, float* sums,
                    int64_t width, EachToken&& each_token) {
  for (int64_t j = 0; j < columns; j += kPanel)
    for (int64_t r = 0; r < rows; r += kTileRows) {
      const int64_t count = smaller<int64_t>(kTileRows, rows - r);
      const char* left = probs + r * kProbRow<mode>;
      float* to = sums + r * width;
      if (columns - j >= kPanel) {
        if (r == 0) add_values_of<mode, kVectors>(count, left, pages, n, j, to + j, width, each_token);
        else add_values_of<mode, kVectors>(count, left, pages, n, j, to + j, width, Nothing());
      } else {
        for (int64_t i = j; i < columns; i += kWidth)
          add_values_of<mode, 1>(count, left, pages, n, i, to + i, width, Nothing());
      }
    }
}

}  // namespace
}  // namespace minke::cpu
