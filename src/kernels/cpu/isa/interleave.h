// Strips of rows that lie as they do in a file (blocks/strips.h has the same in plain code): four rows of words at a time.
#pragma once
#include "kernels/cpu/isa/kernels.h"
#include "kernels/cpu/isa/simd.h"

namespace minke::cpu {
namespace {

// The same 16 bytes of rows j, 4 + j, 8 + j, …, a row in each lane of 128 bits.
MINKE_INLINE vi bytes_of_rows(const char* first, int64_t row_bytes, int j) {
  const char* p = first + j * row_bytes;
#if defined(__AVX512F__)
  __m512i x = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i*)p));
  x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i*)(p + 4 * row_bytes)), 1);
  x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i*)(p + 8 * row_bytes)), 2);
  return vi(_mm512_inserti32x4(x, _mm_loadu_si128((const __m128i*)(p + 12 * row_bytes)), 3));
#elif defined(__AVX2__)
  const __m256i x = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i*)p));
  return vi(_mm256_inserti128_si256(x, _mm_loadu_si128((const __m128i*)(p + 4 * row_bytes)), 1));
#else
  return load_as<vi>(p);
#endif
}

// Of each lane of 128 bits: words 0 and 1 (high: 2 and 3) of a and b in turn; words 0 and 1 (high: 2 and 3) of a, then of b.
template <int high, int... lane> MINKE_INLINE vi zip(vi a, vi b, Lanes<lane...>) {
  return __builtin_shufflevector(a, b, ((lane & ~3) + lane % 4 / 2 + 2 * high + (lane % 2 ? kWidth : 0))...);
}
template <int high, int... lane> MINKE_INLINE vi zip_pairs(vi a, vi b, Lanes<lane...>) {
  return __builtin_shufflevector(a, b, ((lane & ~3) + lane % 2 + 2 * high + (lane % 4 / 2 ? kWidth : 0))...);
}

// Four words of kWidth rows, word after word.
MINKE_INLINE void interleave_words(const char* rows, int64_t row_bytes, char* to) {
  const AllLanes all;
  vi x[4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) x[j] = bytes_of_rows(rows, row_bytes, j);
  const vi a = zip<0>(x[0], x[1], all), b = zip<0>(x[2], x[3], all), c = zip<1>(x[0], x[1], all),
           d = zip<1>(x[2], x[3], all);
  store_as(to, zip_pairs<0>(a, b, all)), store_as(to + kWidth * 4, zip_pairs<1>(a, b, all));
  store_as(to + kWidth * 8, zip_pairs<0>(c, d, all)), store_as(to + kWidth * 12, zip_pairs<1>(c, d, all));
}

MINKE_INLINE void interleave_ends(const char* rows, int64_t row_bytes, int bytes, char* to) {
  if (bytes == 2)
    for (int row = 0; row < kWidth; ++row) store_as(to + row * 2, load_as<int16_t>(rows + row * row_bytes));
  if (bytes == 1)
    for (int row = 0; row < kWidth; ++row) to[row] = rows[row * row_bytes];
}

// `bytes` of kWidth rows as a strip. A block has 4 words at least.
inline void interleave(const StripRows& b, const char* rows, int64_t bytes, char* to) {
  const int words = b.block_bytes / 4, tail = b.block_bytes - b.head - 4 * words;
  for (int64_t at = 0; at < bytes; at += b.block_bytes, rows += b.block_bytes, to += kWidth * b.block_bytes) {
    interleave_ends(rows, b.row_bytes, b.head, to);
    for (int w = 0; w < words; w += 4) {
      const int at_word = b.head + 4 * smaller(w, words - 4);  // the last four may come twice
      interleave_words(rows + at_word, b.row_bytes, to + at_word * kWidth);
    }
    interleave_ends(rows + b.head + 4 * words, b.row_bytes, tail, to + (b.head + 4 * words) * kWidth);
  }
}

// Whole blocks of the strip of rows j …, from byte `begin` of the rows on: as they lie, or made in `spare`, which takes two of
// them; after the last row come zeros.
inline const char* strip_from(const StripRows& b, int64_t j, int64_t begin, int64_t bytes, char* spare) {
  const char* rows = reinterpret_cast<const char*>(b.data) + j * b.row_bytes;
  if (b.interleaved) return rows + begin * kWidth;
  if (b.n - j < kWidth) {
    char* whole = spare + kWidth * b.row_bytes;
    __builtin_memcpy(whole, rows, size_t((b.n - j) * b.row_bytes));
    __builtin_memset(whole + (b.n - j) * b.row_bytes, 0, size_t((kWidth - (b.n - j)) * b.row_bytes));
    rows = whole;
  }
  interleave(b, rows + begin, bytes, spare);
  return spare;
}

}  // namespace
}  // namespace minke::cpu
