// Strips in registers: the integers of kWidth rows of a weight in quantised blocks (blocks/strips.h), 32 elements of each at a
// time, with a row in every lane: register t holds elements 4t … 4t + 3. As bytes without a sign: the integer plus kZero.
// Here are the formats in blocks of 32; super_strips.h and grid_strips.h have the others, each as plain code in the file of
// that name in blocks/. Test: tests/kernels/integer_products_test.cpp.
#pragma once
#include "blocks/levels.h"
#include "kernels/cpu/isa/kernels.h"
#include "kernels/cpu/isa/simd.h"

namespace minke::cpu {
namespace {

typedef uint8_t vb __attribute__((vector_size(kWidth * 4)));

struct Strip {
  vb q[8];
  vf scale[2], min[2];  // of the halves of the 32 elements; of whole groups of 32 the first
};

// A word of every row as two numbers in F16.
MINKE_INLINE vf low_f16(vu x) { return from_f16(truncate(x & 0xffffu)); }
MINKE_INLINE vf high_f16(vu x) { return from_f16(truncate(x >> 16)); }

MINKE_INLINE vb low_nibbles(vu x) { return (vb)(x & 0x0f0f0f0fu); }
MINKE_INLINE vb high_nibbles(vu x) { return (vb)(x >> 4 & 0x0f0f0f0fu); }
// For a shift that is known at run time only: a count for every lane is one step, a count in a register two.
MINKE_INLINE vu shifted(vu x, int by) {
#if defined(__AVX512F__)
  return vu(_mm512_maskz_srlv_epi32(0xffff, __m512i(x), __m512i(splat_i(by))));
#elif defined(__AVX2__)
  return vu(_mm256_srlv_epi32(__m256i(x), __m256i(splat_i(by))));
#else
  return x >> by;
#endif
}
MINKE_INLINE vb four_bits(vu x, int shift) { return (vb)(shifted(x, shift) & 0x0f0f0f0fu); }
MINKE_INLINE vb two_bits(vu x, int shift) { return (vb)(shifted(x, shift) & 0x03030303u); }
MINKE_INLINE vb one_bit(vu x, int shift) { return (vb)(shifted(x, shift) & 0x01010101u); }
MINKE_INLINE vf small_float(vu x, int shift, int bits) { return to_float(vi(shifted(x, shift) & ((1u << bits) - 1))); }
// Bit k of the last four to bit `to` of byte k, one product: no two of its terms meet.
template <int to> MINKE_INLINE vb spread_bits(vu x) {
  return (vb)((x & 15u) * (0x00204081u << to) & (0x01010101u << to));
}

// What 4 bits stand for, as bytes without a sign.
struct Table {
  alignas(16) uint8_t byte[16] = {};
};
constexpr Table table_of(const int8_t (&levels)[16], int zero) {
  Table table;
  for (int i = 0; i < 16; ++i) table.byte[i] = uint8_t(levels[i] + zero);
  return table;
}
[[maybe_unused, gnu::noinline]] vb looked_up(const Table& table, vb at) {
  for (int i = 0; i < kWidth * 4; ++i) at[i] = table.byte[at[i]];
  return at;
}
// Every byte is 0 … 15.
MINKE_INLINE vb look_up(const Table& table, vb at) {
#if defined(__AVX512BW__)
  const __m512i all = _mm512_maskz_broadcast_i32x4(0xffff, load_as<__m128i>(table.byte));
  return vb(_mm512_shuffle_epi8(all, __m512i(at)));
#elif defined(__AVX2__)
  return vb(_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load_as<__m128i>(table.byte)), __m256i(at)));
#else
  return looked_up(table, at);
#endif
}

// The block of a strip, by the pieces of blocks/strips.h.
struct StripBlock {
  const char* data;
  // Of a row, from byte `at` on: 1 byte, 2 bytes, 4 bytes.
  MINKE_INLINE vu byte(int64_t at) const {
    vu x;
    for (int row = 0; row < kWidth; ++row) x[row] = uint8_t(data[at * kWidth + row]);
    return x;
  }
  MINKE_INLINE vh halves(int64_t at) const { return load_as<vh>(data + at * kWidth); }
  MINKE_INLINE vu word(int64_t at) const { return load_as<vu>(data + at * kWidth); }
};

// Each format: what was added to the integers (kZero); whether each half of 32 elements has its own scale (kHalves); whether
// there are minima (kMin). open() comes before the strips of a block, i is the strip's number in it.
struct Format {
  static constexpr int kZero = 0;
  static constexpr bool kHalves = false, kMin = false;
  explicit Format(const StripRows&) {}
  void open(const StripBlock&) {}
};
struct Q8_0 : Format {
  static constexpr int kZero = 128;
  using Format::Format;
  MINKE_INLINE void load(const StripBlock& b, int, Strip& s) const {
#pragma GCC unroll 8
    for (int t = 0; t < 8; ++t) s.q[t] = (vb)b.word(2 + 4 * t) ^ 128;
    s.scale[0] = from_f16(b.halves(0));
  }
};

// 16 bytes from byte `at` of the block on: the low halves are elements 0–15, the high ones 16–31.
MINKE_INLINE void load_nibbles(const StripBlock& b, int at, Strip& s) {
#pragma GCC unroll 4
  for (int t = 0; t < 4; ++t) {
    const vu both = b.word(at + 4 * t);
    s.q[t] = low_nibbles(both), s.q[4 + t] = high_nibbles(both);
  }
}
// Of 5 bits: bit k of a word is the fifth bit of element k, then come the 16 bytes.
template <int bits> MINKE_INLINE void load_integers(const StripBlock& b, int at, Strip& s) {
  if (bits == 4) return load_nibbles(b, at, s);
  load_nibbles(b, at + 4, s);
  const vu fifth = b.word(at);
#pragma GCC unroll 8
  for (int t = 0; t < 8; ++t) s.q[t] |= spread_bits<4>(fifth >> 4 * t);
}
template <int bits> struct Centred : Format {
  static constexpr int kZero = 1 << (bits - 1);
  using Format::Format;
  MINKE_INLINE void load(const StripBlock& b, int, Strip& s) const {
    load_integers<bits>(b, 2, s);
    s.scale[0] = from_f16(b.halves(0));
  }
};
template <int bits> struct WithMinimum : Format {
  static constexpr bool kMin = true;
  using Format::Format;
  MINKE_INLINE void load(const StripBlock& b, int, Strip& s) const {
    load_integers<bits>(b, 4, s);
    const vu both = b.word(0);
    s.scale[0] = low_f16(both), s.min[0] = high_f16(both);
  }
};
using Q4_0 = Centred<4>;
using Q5_0 = Centred<5>;
using Q4_1 = WithMinimum<4>;
using Q5_1 = WithMinimum<5>;

constexpr Table kFourBitTable = table_of(kFourBitLevels, 128);
MINKE_INLINE void load_levels(const StripBlock& b, int at, const Table& table, Strip& s) {
  load_nibbles(b, at, s);
#pragma GCC unroll 8
  for (int t = 0; t < 8; ++t) s.q[t] = look_up(table, s.q[t]);
}
struct IQ4_NL : Format {
  static constexpr int kZero = 128;
  using Format::Format;
  MINKE_INLINE void load(const StripBlock& b, int, Strip& s) const {
    load_levels(b, 2, kFourBitTable, s);
    s.scale[0] = from_f16(b.halves(0));
  }
};
struct MXFP4 : Format {
  static constexpr int kZero = 16;
  static constexpr Table kTable = table_of(kTwiceFp4, kZero);
  using Format::Format;
  MINKE_INLINE void load(const StripBlock& b, int, Strip& s) const {
    load_levels(b, 1, kTable, s);
    const vu exponent = b.byte(0);  // 2^(exponent − 128)
    s.scale[0] = vf(exponent == 0 ? splat_u(0x00200000) : exponent == 1 ? splat_u(0x00400000) : (exponent - 1) << 23);
  }
};

}  // namespace
}  // namespace minke::cpu
