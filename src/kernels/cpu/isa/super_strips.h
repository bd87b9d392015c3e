// Strips in registers of the formats in blocks of 256 (blocks/super_blocks.cpp has the same in plain code).
#pragma once
#include "kernels/cpu/isa/strips.h"

namespace minke::cpu {
namespace {

// The first 16 bytes of Q4_K and Q5_K: scale and scale of the minima in F16, then 8 pairs of 6 bits (blocks/decoders.h).
struct SixBitScales : Format {
  static constexpr bool kMin = true;
  vf scale[8], min[8];
  using Format::Format;
  MINKE_INLINE void open(const StripBlock& b) {
    const vu both = b.word(0), w0 = b.word(4), w1 = b.word(8), w2 = b.word(12);
    const vf d = low_f16(both), m = high_f16(both);
    const vu scales[2] = {w0 & 0x3f3f3f3fu, (w2 & 0x0f0f0f0fu) | (w0 >> 2 & 0x30303030u)};
    const vu mins[2] = {w1 & 0x3f3f3f3fu, (w2 >> 4 & 0x0f0f0f0fu) | (w1 >> 2 & 0x30303030u)};
#pragma GCC unroll 8
    for (int g = 0; g < 8; ++g) {
      scale[g] = d * small_float(scales[g / 4], g % 4 * 8, 8);
      min[g] = -(m * small_float(mins[g / 4], g % 4 * 8, 8));
    }
  }
};
struct Q4_K : SixBitScales {
  using SixBitScales::SixBitScales;
  MINKE_INLINE void load(const StripBlock& b, int i, Strip& s) const {
#pragma GCC unroll 8
    for (int t = 0; t < 8; ++t) s.q[t] = four_bits(b.word(16 + i / 2 * 32 + 4 * t), i % 2 * 4);
    s.scale[0] = scale[i], s.min[0] = min[i];
  }
};
struct Q5_K : SixBitScales {
  using SixBitScales::SixBitScales;
  MINKE_INLINE void load(const StripBlock& b, int i, Strip& s) const {
#pragma GCC unroll 8
    for (int t = 0; t < 8; ++t)
      s.q[t] = four_bits(b.word(48 + i / 2 * 32 + 4 * t), i % 2 * 4) | one_bit(b.word(16 + 4 * t), i) << 4;
    s.scale[0] = scale[i], s.min[0] = min[i];
  }
};
// Of Q2_K, Q3_K, Q6_K and TQ2_0: 32 bytes from byte `at` of the block on hold two bits of each element of four strips.
MINKE_INLINE vb two_bits_of(const StripBlock& b, int at, int i, int t) {
  return two_bits(b.word(at + i / 4 * 32 + 4 * t), i % 4 * 2);
}
struct Q6_K : Format {
  static constexpr int kZero = 32;
  static constexpr bool kHalves = true;
  vf d;
  using Format::Format;
  MINKE_INLINE void open(const StripBlock& b) { d = from_f16(b.halves(208)); }
  MINKE_INLINE void load(const StripBlock& b, int i, Strip& s) const {
#pragma GCC unroll 8
    for (int t = 0; t < 8; ++t)
      s.q[t] = four_bits(b.word(i / 4 * 64 + i % 2 * 32 + 4 * t), i % 4 / 2 * 4) | two_bits_of(b, 128, i, t) << 4;
    const vi scales = vi(b.word(192 + i / 2 * 4));  // bytes with a sign, of four halves
    s.scale[0] = d * to_float(scales << (24 - i % 2 * 16) >> 24);
    s.scale[1] = d * to_float(scales << (16 - i % 2 * 16) >> 24);
  }
};
struct Q2_K : Format {
  static constexpr bool kHalves = true, kMin = true;
  vf d, m;
  using Format::Format;
  MINKE_INLINE void open(const StripBlock& b) {
    const vu both = b.word(80);
    d = low_f16(both), m = high_f16(both);
  }
  MINKE_INLINE void load(const StripBlock& b, int i, Strip& s) const {
#pragma GCC unroll 8
    for (int t = 0; t < 8; ++t) s.q[t] = two_bits_of(b, 16, i, t);
    const vu scales = shifted(b.word(i / 2 * 4), i % 2 * 16);  // scale below, minimum above, of two halves
    for (int h = 0; h < 2; ++h) {
      s.scale[h] = d * small_float(scales, 8 * h, 4);
      s.min[h] = -(m * small_float(scales, 8 * h + 4, 4));
    }
  }
};
struct Q3_K : Format {
  static constexpr int kZero = 4;
  static constexpr bool kHalves = true;
  vf d;
  vu scales[4];  // a byte for each half, in order, plus 32
  using Format::Format;
  MINKE_INLINE void open(const StripBlock& b) {
    const vu high = b.word(104);
#pragma GCC unroll 4
    for (int w = 0; w < 4;
         ++w)  // 4 low bits of words 0 and 1, then of their high halves; 2 bits of each quarter of `high`
      scales[w] = (b.word(96 + w % 2 * 4) >> w / 2 * 4 & 0x0f0f0f0fu) | (high >> 2 * w & 0x03030303u) << 4;
    d = from_f16(b.halves(108));
  }
  MINKE_INLINE void load(const StripBlock& b, int i, Strip& s) const {
#pragma GCC unroll 8
    for (int t = 0; t < 8; ++t) s.q[t] = two_bits_of(b, 32, i, t) | one_bit(b.word(4 * t), i) << 2;
    for (int h = 0; h < 2; ++h) s.scale[h] = d * (small_float(scales[i / 2], i % 2 * 16 + 8 * h, 8) - 32.0f);
  }
};
struct IQ4_XS : Format {
  static constexpr int kZero = 128;
  vf d;
  vu low, high;  // 4 and, from bit 16 on, 2 bits of the scales
  using Format::Format;
  MINKE_INLINE void open(const StripBlock& b) {
    high = b.word(0), low = b.word(4);
    d = low_f16(high);
  }
  MINKE_INLINE void load(const StripBlock& b, int i, Strip& s) const {
    load_levels(b, 8 + 16 * i, kFourBitTable, s);
    const vu scale = (shifted(low, 4 * i) & 15u) | (shifted(high, 16 + 2 * i) & 3u) << 4;
    s.scale[0] = d * (to_float(vi(scale)) - 32.0f);
  }
};

// Of three levels five lie in a byte, as a fraction: times 3^n without what overflows, times 3, digit n has overflown. By pairs
// of bytes: there is no product of bytes.
MINKE_INLINE vb digit(vu bytes, int n) {
  typedef uint16_t pairs __attribute__((vector_size(kWidth * 4)));
  constexpr uint16_t kPowers[5] = {1, 3, 9, 27, 81};
  const pairs x = (pairs)bytes, even = (x & 0xff) * kPowers[n] & 0xff, odd = (x >> 8) * kPowers[n] & 0xff;
  return (vb)(even * 3 >> 8 | (odd * 3 & 0x300));
}
struct TQ1_0 : Format {
  static constexpr int kZero = 1;
  vf d;
  using Format::Format;
  MINKE_INLINE void open(const StripBlock& b) { d = from_f16(b.halves(52)); }
  // Strips 0–4 are the digits of 32 bytes; then come, in halves of a strip, those of 16 bytes, and four of 4 bytes.
  MINKE_INLINE void load(const StripBlock& b, int i, Strip& s) const {
    const bool last = i == 7;
#pragma GCC unroll 4
    for (int t = 0; t < 4; ++t) {
      s.q[t] = i < 5 ? digit(b.word(4 * t), i) : digit(b.word(32 + 4 * t), 2 * i - 10);
      s.q[4 + t] = i < 5  ? digit(b.word(16 + 4 * t), i)
                   : last ? digit(b.word(48), t)
                          : digit(b.word(32 + 4 * t), 2 * i - 9);
    }
    s.scale[0] = d;
  }
};
struct TQ2_0 : Format {
  static constexpr int kZero = 1;
  vf d;
  using Format::Format;
  MINKE_INLINE void open(const StripBlock& b) { d = from_f16(b.halves(64)); }
  MINKE_INLINE void load(const StripBlock& b, int i, Strip& s) const {
#pragma GCC unroll 8
    for (int t = 0; t < 8; ++t) s.q[t] = two_bits_of(b, 0, i, t);
    s.scale[0] = d;
  }
};

}  // namespace
}  // namespace minke::cpu
