// Strips in registers of the formats of 1 to 3 bits, whose vectors come from a grid (blocks/grid_blocks.cpp has the same in
// plain code): one load for each row brings the codes of 8 or 4 levels, and what a code stands for, with its sign, is looked up.
#pragma once
#include "kernels/cpu/isa/strips.h"

namespace minke::cpu {
namespace {

struct GridFormat : Format {
  const uint32_t* codes;  // blocks/grids.h
  vf d;
  explicit GridFormat(const StripRows& b) : Format(b), codes(b.codes) {}
  void open(const StripBlock& b) { d = from_f16(b.halves(0)); }
  MINKE_INLINE vu at(vu number) const {
#if defined(__AVX512F__)
    return vu(_mm512_mask_i32gather_epi32(__m512i{}, 0xffff, __m512i(number), codes, 4));
#elif defined(__AVX2__)
    return vu(_mm256_i32gather_epi32(reinterpret_cast<const int*>(codes), __m256i(number), 4));
#else
    for (int row = 0; row < kWidth; ++row) number[row] = codes[number[row]];
    return number;
#endif
  }
};

// Code k stands for level k, code 8 + k for minus it.
template <size_t n> constexpr Table signed_levels(const int8_t (&levels)[n], int zero) {
  Table table;
  for (size_t i = 0; i < n; ++i) {
    table.byte[i] = uint8_t(zero + levels[i]);
    table.byte[8 + i] = uint8_t(zero - levels[i]);
  }
  return table;
}
// Bit k of `signs` is that of element 4t + k.
MINKE_INLINE vb with_signs(const Table& table, vb codes, vu signs) {
  return look_up(table, codes | spread_bits<3>(signs));
}

// Eight signs in any seven bits: the number of minus signs is even.
struct EvenSigns {
  vu seven, eighth;  // the eighth sign at the bit where the seven begin
  MINKE_INLINE explicit EvenSigns(vu x) : seven(x) {
    const vu two = x ^ x >> 1;
    eighth = two ^ two >> 2 ^ two >> 4 ^ x >> 6;
  }
  MINKE_INLINE vu low(int bit) const { return seven >> bit; }
  MINKE_INLINE vu high(int bit) const { return (seven >> (bit + 4) & 7u) | (eighth >> bit & 1u) << 3; }
};

struct IQ2 : GridFormat {
  static constexpr int kZero = 64;
  static constexpr Table kTable = signed_levels(kIq2Levels, kZero);
  using GridFormat::GridFormat;
  // Vector k of the four of a strip.
  MINKE_INLINE void put(Strip& s, int k, vu number, vu low_signs, vu high_signs) const {
    const vu vector = at(number);
    s.q[2 * k] = with_signs(kTable, low_nibbles(vector), low_signs);
    s.q[2 * k + 1] = with_signs(kTable, high_nibbles(vector), high_signs);
  }
  MINKE_INLINE vf scale_of(vu x, int shift) const { return d * (small_float(x, shift, 4) + 0.5f) * 0.25f; }
};
struct IQ2_XXS : IQ2 {
  using IQ2::IQ2;
  MINKE_INLINE void load(const StripBlock& b, int i, Strip& s) const {
    const vu numbers = b.word(2 + 8 * i), bits = b.word(6 + 8 * i);
    const EvenSigns signs(bits);
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) put(s, k, numbers >> 8 * k & 0xffu, signs.low(7 * k), signs.high(7 * k));
    s.scale[0] = scale_of(bits, 28);
  }
};
struct IQ2_XS : IQ2 {
  static constexpr bool kHalves = true;
  using IQ2::IQ2;
  MINKE_INLINE void load(const StripBlock& b, int i, Strip& s) const {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      const vu bits = b.word(2 + 8 * i + k / 2 * 4);  // twice 9 of the vector's number and 7 signs
      const EvenSigns signs(bits);
      const int at = k % 2 * 16;
      put(s, k, bits >> at & 0x1ffu, signs.low(at + 9), signs.high(at + 9));
    }
    const vu scales = b.word(66 + i / 4 * 4);
    for (int h = 0; h < 2; ++h) s.scale[h] = scale_of(scales, i % 4 * 8 + 4 * h);
  }
};
struct IQ2_S : IQ2 {
  static constexpr bool kHalves = true;
  using IQ2::IQ2;
  MINKE_INLINE void load(const StripBlock& b, int i, Strip& s) const {
    const vu low = b.word(2 + 4 * i), signs = b.word(34 + 4 * i), high = shifted(b.word(66 + i / 4 * 4), i % 4 * 8);
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k)
      put(s, k, (low >> 8 * k & 0xffu) | (high >> 2 * k & 3u) << 8, signs >> 8 * k, signs >> (8 * k + 4));
    const vu scales = b.word(74 + i / 4 * 4);
    for (int h = 0; h < 2; ++h) s.scale[h] = scale_of(scales, i % 4 * 8 + 4 * h);
  }
};

struct IQ3_XXS : GridFormat {
  static constexpr int kZero = 64;
  static constexpr Table kTable = signed_levels(kIq3XxsLevels, kZero);
  using GridFormat::GridFormat;
  MINKE_INLINE void load(const StripBlock& b, int i, Strip& s) const {
    const vu bits = b.word(66 + 4 * i);
    const EvenSigns signs(bits);
#pragma GCC unroll 8
    for (int t = 0; t < 8; ++t)
      s.q[t] = with_signs(kTable, (vb)at(b.word(2 + 8 * i + t / 4 * 4) >> t % 4 * 8 & 0xffu),
                          t % 2 ? signs.high(t / 2 * 7) : signs.low(t / 2 * 7));
    s.scale[0] = d * (small_float(bits, 28, 4) + 0.5f) * 0.5f;
  }
};
struct IQ3_S : GridFormat {
  static constexpr int kZero = 16;
  static constexpr Table kTable = signed_levels(kIq3SLevels, kZero);
  using GridFormat::GridFormat;
  MINKE_INLINE void load(const StripBlock& b, int i, Strip& s) const {
    const vu high = shifted(b.word(66 + i / 4 * 4), i % 4 * 8), signs = b.word(74 + 4 * i);
#pragma GCC unroll 8
    for (int t = 0; t < 8; ++t) {
      const vu low = b.word(2 + 8 * i + t / 4 * 4) >> t % 4 * 8 & 0xffu;
      s.q[t] = with_signs(kTable, (vb)at(low | (high >> t & 1u) << 8), signs >> 4 * t);
    }
    s.scale[0] = d * (small_float(b.word(106), 4 * i, 4) * 2.0f + 1.0f);
  }
};

// 8 · level ± 1: code k goes up, 8 + k down.
constexpr Table shifted_levels(int zero) {
  Table table;
  for (int i = 0; i < 3; ++i) {
    table.byte[i] = uint8_t(zero + 8 * kIq1Levels[i] + 1);
    table.byte[8 + i] = uint8_t(zero + 8 * kIq1Levels[i] - 1);
  }
  return table;
}
struct IQ1 : GridFormat {
  static constexpr int kZero = 16;
  static constexpr Table kTable = shifted_levels(kZero);
  using GridFormat::GridFormat;
  // Vector k of the four of a strip, with the lowest bit of `down`.
  MINKE_INLINE void put(Strip& s, int k, vu number, vu down) const {
    const vu vector = at(number);
    const vb shift = (vb)((down & 1u) * 0x08080808u);
    s.q[2 * k] = look_up(kTable, low_nibbles(vector) | shift);
    s.q[2 * k + 1] = look_up(kTable, high_nibbles(vector) | shift);
  }
  MINKE_INLINE vf scale_of(vu x, int shift) const { return d * (small_float(x, shift, 3) * 2.0f + 1.0f) * 0.125f; }
};
struct IQ1_S : IQ1 {
  using IQ1::IQ1;
  MINKE_INLINE void load(const StripBlock& b, int i, Strip& s) const {
    const vu low = b.word(2 + 4 * i), bits = shifted(b.word(34 + i / 2 * 4), i % 2 * 16);
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) put(s, k, (low >> 8 * k & 0xffu) | (bits >> 3 * k & 7u) << 8, bits >> 15);
    s.scale[0] = scale_of(bits, 12);
  }
};
struct IQ1_M : IQ1 {
  static constexpr bool kHalves = true;
  using IQ1::IQ1;
  MINKE_INLINE void open(const StripBlock& b) {  // the top four bits of four halves of words
    const vu a = b.word(48), c = b.word(52);
    d = from_f16(truncate((a >> 12 & 0xfu) | (a >> 24 & 0xf0u) | (c >> 4 & 0xf00u) | (c >> 16 & 0xf000u)));
  }
  MINKE_INLINE void load(const StripBlock& b, int i, Strip& s) const {
    const vu low = b.word(4 * i), high = shifted(b.word(32 + i / 2 * 4), i % 2 * 16);
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) put(s, k, (low >> 8 * k & 0xffu) | (high >> 4 * k & 7u) << 8, high >> (4 * k + 3));
    const vu scales = b.word(48 + i / 4 * 4);
    for (int h = 0; h < 2; ++h) s.scale[h] = scale_of(scales, i / 2 % 2 * 16 + i % 2 * 6 + 3 * h);
  }
};

}  // namespace
}  // namespace minke::cpu
