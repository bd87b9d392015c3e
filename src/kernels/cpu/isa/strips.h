// Strips in registers: the integers of kWidth rows of a weight in quantised blocks (blocks/strips.h), 32 elements of each at a
// time, with a row in every lane: register t holds elements 4t … 4t + 3. As bytes without a sign: the integer plus kZero.
// Layouts of the blocks: blocks/blocks.cpp, super_blocks.cpp. Test: tests/kernels/integer_products_test.cpp.
#pragma once
#include "kernels/cpu/isa/kernels.h"
#include "kernels/cpu/isa/simd.h"

namespace minke::cpu {
namespace {

typedef uint8_t vb __attribute__((vector_size(kWidth * 4)));
typedef int8_t vsb __attribute__((vector_size(kWidth * 4)));

struct Strip {
  vb q[8];
  vf scale[2], min[2];  // of the halves of the 32 elements; of whole groups of 32 the first
};

MINKE_INLINE vf to_float(vi x) {
#if defined(__AVX512F__)
  return vf(_mm512_maskz_cvtepi32_ps(0xffff, __m512i(x)));
#else
  return __builtin_convertvector(x, vf);
#endif
}
MINKE_INLINE vf from_f16(vh x) {
#if defined(__AVX512F__)
  return vf(_mm512_maskz_cvtph_ps(0xffff, __m256i(x)));
#elif defined(__AVX2__)
  return vf(_mm256_cvtph_ps(__m128i(x)));
#else
  vf y;
  for (int i = 0; i < kWidth; ++i) {
    const uint32_t exponent = x[i] >> 10 & 31, mantissa = x[i] & 1023;
    const float size = exponent == 31 ? __builtin_bit_cast(float, 0x7f800000u | mantissa << 13)
                       : exponent     ? __builtin_bit_cast(float, (exponent + 112) << 23 | mantissa << 13)
                                      : float(mantissa) * 0x1p-24f;
    y[i] = x[i] & 0x8000 ? -size : size;
  }
  return y;
#endif
}
// A word of every row as two numbers in F16.
MINKE_INLINE vf low_f16(vu x) { return from_f16(truncate(x & 0xffffu)); }
MINKE_INLINE vf high_f16(vu x) { return from_f16(truncate(x >> 16)); }

MINKE_INLINE vb low_nibbles(vu x) { return (vb)(x & 0x0f0f0f0fu); }
MINKE_INLINE vb high_nibbles(vu x) { return (vb)(x >> 4 & 0x0f0f0f0fu); }
MINKE_INLINE vb two_bits(vu x, int shift) { return (vb)(x >> shift & 0x03030303u); }

// The block of a strip, by the pieces of blocks/strips.h.
struct StripBlock {
  const char* data;
  MINKE_INLINE vh halves(int64_t at) const {
    return load_as<vh>(data + at * kWidth);
  }  // 2 bytes of a row from byte `at` on
  MINKE_INLINE vu word(int64_t at) const { return load_as<vu>(data + at * kWidth); }  // 4 bytes
};

// Each format: what was added to the integers (kZero); whether each half of 32 elements has its own scale (kHalves); whether
// there are minima (kMin). open() comes before the strips of a block, i is the strip's number in it.
struct Format {
  static constexpr bool kBytes = false;  // the integers lie as bytes with a sign, in order
  explicit Format(const StripRows&) {}
  void open(const StripBlock&) {}
};
struct Q8_0 : Format {
  static constexpr int kZero = 128;
  static constexpr bool kHalves = false, kMin = false, kBytes = true;
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
struct Q4_0 : Format {
  static constexpr int kZero = 8;
  static constexpr bool kHalves = false, kMin = false;
  using Format::Format;
  MINKE_INLINE void load(const StripBlock& b, int, Strip& s) const {
    load_nibbles(b, 2, s);
    s.scale[0] = from_f16(b.halves(0));
  }
};
struct Q4_1 : Format {
  static constexpr int kZero = 0;
  static constexpr bool kHalves = false, kMin = true;
  using Format::Format;
  MINKE_INLINE void load(const StripBlock& b, int, Strip& s) const {
    load_nibbles(b, 4, s);
    const vu both = b.word(0);
    s.scale[0] = low_f16(both), s.min[0] = high_f16(both);
  }
};
// Q5_0 (from byte 2) and Q5_1 (from byte 4): bit k of a word is the fifth bit of element k, then 16 bytes of halves.
MINKE_INLINE void load_five_bits(const StripBlock& b, int at, Strip& s) {
  load_nibbles(b, at + 4, s);
  const vu fifth = b.word(at);
#pragma GCC unroll 8
  for (int t = 0; t < 8; ++t) {
    const vu four = fifth >> 4 * t;  // bits 0–3 go to bit 4 of the four bytes
    s.q[t] |= (vb)((four & 1u) << 4 | (four & 2u) << 11 | (four & 4u) << 18 | (four & 8u) << 25);
  }
}
struct Q5_0 : Format {
  static constexpr int kZero = 16;
  static constexpr bool kHalves = false, kMin = false;
  using Format::Format;
  MINKE_INLINE void load(const StripBlock& b, int, Strip& s) const {
    load_five_bits(b, 2, s);
    s.scale[0] = from_f16(b.halves(0));
  }
};
struct Q5_1 : Format {
  static constexpr int kZero = 0;
  static constexpr bool kHalves = false, kMin = true;
  using Format::Format;
  MINKE_INLINE void load(const StripBlock& b, int, Strip& s) const {
    load_five_bits(b, 4, s);
    const vu both = b.word(0);
    s.scale[0] = low_f16(both), s.min[0] = high_f16(both);
  }
};

// The first 16 bytes of Q4_K and Q5_K: scale and scale of the minima in F16, then 8 pairs of 6 bits (blocks/decoders.h).
struct SixBitScales : Format {
  static constexpr int kZero = 0;
  static constexpr bool kHalves = false, kMin = true;
  vf scale[8], min[8];
  using Format::Format;
  MINKE_INLINE void open(const StripBlock& b) {
    const vu both = b.word(0), w0 = b.word(4), w1 = b.word(8), w2 = b.word(12);
    const vf d = low_f16(both), m = high_f16(both);
    const vu scales[2] = {w0 & 0x3f3f3f3fu, (w2 & 0x0f0f0f0fu) | (w0 >> 2 & 0x30303030u)};
    const vu mins[2] = {w1 & 0x3f3f3f3fu, (w2 >> 4 & 0x0f0f0f0fu) | (w1 >> 2 & 0x30303030u)};
#pragma GCC unroll 8
    for (int g = 0; g < 8; ++g) {
      scale[g] = d * to_float(vi(scales[g / 4] >> g % 4 * 8 & 0xffu));
      min[g] = -(m * to_float(vi(mins[g / 4] >> g % 4 * 8 & 0xffu)));
    }
  }
};
struct Q4_K : SixBitScales {
  using SixBitScales::SixBitScales;
  MINKE_INLINE void load(const StripBlock& b, int i, Strip& s) const {
#pragma GCC unroll 8
    for (int t = 0; t < 8; ++t) s.q[t] = (vb)(b.word(16 + i / 2 * 32 + 4 * t) >> i % 2 * 4 & 0x0f0f0f0fu);
    s.scale[0] = scale[i], s.min[0] = min[i];
  }
};
struct Q5_K : SixBitScales {
  using SixBitScales::SixBitScales;
  MINKE_INLINE void load(const StripBlock& b, int i, Strip& s) const {
#pragma GCC unroll 8
    for (int t = 0; t < 8; ++t)
      s.q[t] = (vb)((b.word(48 + i / 2 * 32 + 4 * t) >> i % 2 * 4 & 0x0f0f0f0fu) |
                    (b.word(16 + 4 * t) >> i & 0x01010101u) << 4);
    s.scale[0] = scale[i], s.min[0] = min[i];
  }
};
struct Q6_K : Format {
  static constexpr int kZero = 32;
  static constexpr bool kHalves = true, kMin = false;
  vf d;
  using Format::Format;
  MINKE_INLINE void open(const StripBlock& b) { d = from_f16(b.halves(208)); }
  MINKE_INLINE void load(const StripBlock& b, int i, Strip& s) const {
#pragma GCC unroll 8
    for (int t = 0; t < 8; ++t)
      s.q[t] = (vb)((b.word(i / 4 * 64 + i % 2 * 32 + 4 * t) >> i % 4 / 2 * 4 & 0x0f0f0f0fu) |
                    (b.word(128 + i / 4 * 32 + 4 * t) >> i % 4 * 2 & 0x03030303u) << 4);
    const vi scales = vi(b.word(192 + i / 2 * 4));  // bytes with a sign, of four halves
    s.scale[0] = d * to_float(scales << (24 - i % 2 * 16) >> 24);
    s.scale[1] = d * to_float(scales << (16 - i % 2 * 16) >> 24);
  }
};
struct Q2_K : Format {
  static constexpr int kZero = 0;
  static constexpr bool kHalves = true, kMin = true;
  vf d, m;
  using Format::Format;
  MINKE_INLINE void open(const StripBlock& b) {
    const vu both = b.word(80);
    d = low_f16(both), m = high_f16(both);
  }
  MINKE_INLINE void load(const StripBlock& b, int i, Strip& s) const {
#pragma GCC unroll 8
    for (int t = 0; t < 8; ++t) s.q[t] = two_bits(b.word(16 + i / 4 * 32 + 4 * t), i % 4 * 2);
    const vu scales = b.word(i / 2 * 4) >> i % 2 * 16;  // scale below, minimum above, of two halves
    s.scale[0] = d * to_float(vi(scales & 15u)), s.scale[1] = d * to_float(vi(scales >> 8 & 15u));
    s.min[0] = -(m * to_float(vi(scales >> 4 & 15u))), s.min[1] = -(m * to_float(vi(scales >> 12 & 15u)));
  }
};

// Every other format, by the plain function that unpacks a block (blocks/blocks.h).
template <bool halves, bool has_min> struct Unpacked {
  static constexpr int kZero = 128;
  static constexpr bool kHalves = halves, kMin = has_min, kBytes = false;
  const StripRows& of;
  vu q[8 * 8];
  float scale[16][kWidth], min[16][kWidth];

  explicit Unpacked(const StripRows& rows) : of(rows) {}
  void open(const StripBlock& b) {
    const int words = of.block_bytes / 4, head = of.head, tail = of.block_bytes - head - 4 * words;
    for (int row = 0; row < kWidth; ++row) {
      uint8_t block[256];
      __builtin_memcpy(block, b.data + row * head, size_t(head));
      for (int w = 0; w < words; ++w)
        __builtin_memcpy(block + head + 4 * w, b.data + (head + 4 * w) * kWidth + 4 * row, 4);
      __builtin_memcpy(block + head + 4 * words, b.data + (head + 4 * words) * kWidth + row * tail, size_t(tail));
      IntegerBlock integers;
      of.unpack(block, integers);
      for (int k = 0; k < of.block_elements; k += 4)
        __builtin_memcpy(reinterpret_cast<char*>(q) + (k / 4 * kWidth + row) * 4, integers.q + k, 4);
      for (int g = 0; g < of.block_elements / (kHalves ? 16 : 32); ++g) {
        scale[g][row] = integers.scale[g];
        if (kMin) min[g][row] = integers.min[g];
      }
    }
  }
  MINKE_INLINE void load(const StripBlock&, int i, Strip& s) const {
#pragma GCC unroll 8
    for (int t = 0; t < 8; ++t) s.q[t] = (vb)q[8 * i + t] ^ 128;
    for (int h = 0; h < (kHalves ? 2 : 1); ++h) {
      s.scale[h] = load_as<vf>(scale[(kHalves ? 2 : 1) * i + h]);
      if (kMin) s.min[h] = load_as<vf>(min[(kHalves ? 2 : 1) * i + h]);
    }
  }
};

}  // namespace
}  // namespace minke::cpu
