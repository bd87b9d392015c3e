// Strips: the integers of kWidth rows of a weight in quantised blocks, 32 elements of each at a time, as they lie in registers
// when they are multiplied (integer_gemm.cpp). Register j of the first half holds elements 0–15 of rows j, 4 + j, 8 + j, …, a
// row in each lane of 128 bits; the second half has elements 16–31 likewise. As bytes without a sign: the integer plus `zero`.
// Layouts of the blocks: blocks/blocks.cpp. Test: tests/kernels/integer_products_test.cpp.
#pragma once
#include "kernels/cpu/isa/kernels.h"
#include "kernels/cpu/isa/simd.h"

namespace minke::cpu {
namespace {

typedef uint8_t vb __attribute__((vector_size(kWidth * 4)));

struct Strip {
  vb q[8];
  vf scale[2], min[2];  // of the halves; of groups of 32 the first
};

// The same 16 bytes of rows j, 4 + j, 8 + j, …
MINKE_INLINE vb bytes_of_rows(const uint8_t* first, int64_t row_bytes, int j) {
  const uint8_t* p = first + j * row_bytes;
#if defined(__AVX512F__)
  __m512i x = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i*)p));
  x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i*)(p + 4 * row_bytes)), 1);
  x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i*)(p + 8 * row_bytes)), 2);
  return (vb)_mm512_inserti32x4(x, _mm_loadu_si128((const __m128i*)(p + 12 * row_bytes)), 3);
#elif defined(__AVX2__)
  const __m256i x = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i*)p));
  return (vb)_mm256_inserti128_si256(x, _mm_loadu_si128((const __m128i*)(p + 4 * row_bytes)), 1);
#else
  return load_as<vb>(p);
#endif
}

// A number in F16 of every row.
MINKE_INLINE vf halves_of_rows(const uint8_t* first, int64_t row_bytes) {
  const auto half = [&](int row) __attribute__((always_inline)) { return load_as<int16_t>(first + row * row_bytes); };
#if defined(__AVX512F__)
  const __m128i low = _mm_setr_epi16(half(0), half(1), half(2), half(3), half(4), half(5), half(6), half(7));
  const __m128i high = _mm_setr_epi16(half(8), half(9), half(10), half(11), half(12), half(13), half(14), half(15));
  return vf(_mm512_maskz_cvtph_ps(0xffff, _mm256_setr_m128i(low, high)));
#elif defined(__AVX2__)
  return vf(_mm256_cvtph_ps(_mm_setr_epi16(half(0), half(1), half(2), half(3), half(4), half(5), half(6), half(7))));
#else
  vf x;
  for (int row = 0; row < kWidth; ++row) {
    const uint32_t bits = uint16_t(half(row)), exponent = bits >> 10 & 31, mantissa = bits & 1023;
    const float size = exponent == 31 ? __builtin_bit_cast(float, 0x7f800000u | mantissa << 13)
                       : exponent     ? __builtin_bit_cast(float, (exponent + 112) << 23 | mantissa << 13)
                                      : float(mantissa) * 0x1p-24f;
    x[row] = bits & 0x8000 ? -size : size;
  }
  return x;
#endif
}

MINKE_INLINE vb low_nibbles(vb x) { return x & 15; }
MINKE_INLINE vb high_nibbles(vb x) { return (vb)((vu)x >> 4) & 15; }

// Each format: elements and bytes of a block; zero; whether each half of 32 elements has its own scale; whether there are
// minima. Rows lie row_bytes apart; open(…) comes before the strips of a block.

struct Q8_0 {
  static constexpr int kElements = 32, kBytes = 34, kZero = 128;
  static constexpr bool kHalves = false, kMin = false;
  explicit Q8_0(const StripRows&) {}
  void open(const uint8_t*, int64_t) {}
  MINKE_INLINE void load(const uint8_t* block, int64_t row_bytes, int, Strip& s) const {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      s.q[j] = bytes_of_rows(block + 2, row_bytes, j) ^ 128;
      s.q[4 + j] = bytes_of_rows(block + 18, row_bytes, j) ^ 128;
    }
    s.scale[0] = halves_of_rows(block, row_bytes);
  }
};

struct Q4_0 {
  static constexpr int kElements = 32, kBytes = 18, kZero = 8;
  static constexpr bool kHalves = false, kMin = false;
  explicit Q4_0(const StripRows&) {}
  void open(const uint8_t*, int64_t) {}
  MINKE_INLINE void load(const uint8_t* block, int64_t row_bytes, int, Strip& s) const {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const vb both = bytes_of_rows(block + 2, row_bytes, j);
      s.q[j] = low_nibbles(both), s.q[4 + j] = high_nibbles(both);
    }
    s.scale[0] = halves_of_rows(block, row_bytes);
  }
};

struct Q4_1 {
  static constexpr int kElements = 32, kBytes = 20, kZero = 0;
  static constexpr bool kHalves = false, kMin = true;
  explicit Q4_1(const StripRows&) {}
  void open(const uint8_t*, int64_t) {}
  MINKE_INLINE void load(const uint8_t* block, int64_t row_bytes, int, Strip& s) const {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const vb both = bytes_of_rows(block + 4, row_bytes, j);
      s.q[j] = low_nibbles(both), s.q[4 + j] = high_nibbles(both);
    }
    s.scale[0] = halves_of_rows(block, row_bytes), s.min[0] = halves_of_rows(block + 2, row_bytes);
  }
};

// Every other format, by the plain function that unpacks a block (blocks/blocks.h).
template <bool halves, bool has_min> struct Unpacked {
  static constexpr int kZero = 128;
  static constexpr bool kHalves = halves, kMin = has_min;
  const StripRows& rows;
  vb q[8 * 8];
  float scale[16][kWidth], min[16][kWidth];

  explicit Unpacked(const StripRows& r) : rows(r) {}
  void open(const uint8_t* block, int64_t row_bytes) {
    IntegerBlock b;
    for (int row = 0; row < kWidth; ++row) {
      rows.unpack(block + row * row_bytes, b);
      char* to = reinterpret_cast<char*>(q) + row / 4 * 16;
      for (int k = 0; k < rows.block_elements; k += 32) {
        __builtin_memcpy(to + (k / 32 * 8 + row % 4) * kWidth * 4, b.q + k, 16);
        __builtin_memcpy(to + (k / 32 * 8 + 4 + row % 4) * kWidth * 4, b.q + k + 16, 16);
      }
      for (int g = 0; g < rows.block_elements / (kHalves ? 16 : 32); ++g) {
        scale[g][row] = b.scale[g];
        if (kMin) min[g][row] = b.min[g];
      }
    }
  }
  MINKE_INLINE void load(const uint8_t*, int64_t, int i, Strip& s) const {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) s.q[j] = q[8 * i + j] ^ 128;
    for (int h = 0; h < (kHalves ? 2 : 1); ++h) {
      s.scale[h] = load_as<vf>(scale[(kHalves ? 2 : 1) * i + h]);
      if (kMin) s.min[h] = load_as<vf>(min[(kHalves ? 2 : 1) * i + h]);
    }
  }
};

}  // namespace
}  // namespace minke::cpu
