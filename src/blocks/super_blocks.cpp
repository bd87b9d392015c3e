// Element formats in blocks of 256. Each has two scales in F16 and smaller scales of its groups of 16 or 32; here "bits of
// value e" are laid out so that 32 neighbouring values come from 32 neighbouring bytes, at the same shift.
#include <span>

#include "blocks/decoders.h"

namespace minke::gguf {
namespace {

// 2 bits of value e, four values a byte: values 0–127 are in bytes 0–31, 128–255 in bytes 32–63.
inline int two_bits(const uint8_t* packed, int e) { return packed[e / 128 * 32 + e % 32] >> e % 128 / 32 * 2 & 3; }
// 4 bits, two values a byte: values 64·i … 64·i + 63 are in bytes 32·i … 32·i + 31.
inline int four_bits(const uint8_t* packed, int e) { return packed[e / 64 * 32 + e % 32] >> e % 64 / 32 * 4 & 15; }
// 1 bit: bit e/32 of byte e%32.
inline int one_bit(const uint8_t* packed, int e) { return packed[e % 32] >> e / 32 & 1; }

}  // namespace

void unpack_q2_k(const uint8_t* block, IntegerBlock& out) {
  const uint8_t *scales = block, *packed = block + 16;
  const float scale = at<f16>(block + 80), min_scale = at<f16>(block + 82);
  for (int group = 0; group < 16; ++group) {
    out.scale[group] = scale * float(scales[group] & 15), out.min[group] = -(min_scale * float(scales[group] >> 4));
  }
  for (int e = 0; e < 256; ++e) out.q[e] = int8_t(two_bits(packed, e));
}

void unpack_q3_k(const uint8_t* block, IntegerBlock& out) {
  const uint8_t *third = block, *packed = block + 32, *scales = block + 96;
  const float scale = at<f16>(block + 108);
  for (int group = 0; group < 16; ++group) {
    const int low = group < 8 ? scales[group] & 15 : scales[group - 8] >> 4;
    const int high = scales[8 + group % 4] >> group / 4 * 2 & 3;
    out.scale[group] = scale * float((low | high << 4) - 32);
  }
  for (int e = 0; e < 256; ++e) out.q[e] = int8_t(two_bits(packed, e) - (one_bit(third, e) ? 0 : 4));
}

void unpack_q4_k(const uint8_t* block, IntegerBlock& out) {
  const uint8_t *scales = block + 4, *packed = block + 16;
  const float scale = at<f16>(block), min_scale = at<f16>(block + 2);
  for (int group = 0; group < 8; ++group) {
    const ScaleAndMin packed_scale = scale_and_min(scales, group);
    out.scale[group] = scale * float(packed_scale.scale), out.min[group] = -(min_scale * float(packed_scale.min));
  }
  for (int e = 0; e < 256; ++e) out.q[e] = int8_t(four_bits(packed, e));
}

void unpack_q5_k(const uint8_t* block, IntegerBlock& out) {
  const uint8_t *scales = block + 4, *fifth = block + 16, *packed = block + 48;
  const float scale = at<f16>(block), min_scale = at<f16>(block + 2);
  for (int group = 0; group < 8; ++group) {
    const ScaleAndMin packed_scale = scale_and_min(scales, group);
    out.scale[group] = scale * float(packed_scale.scale), out.min[group] = -(min_scale * float(packed_scale.min));
  }
  for (int e = 0; e < 256; ++e) out.q[e] = int8_t(four_bits(packed, e) | one_bit(fifth, e) << 4);
}

void unpack_q6_k(const uint8_t* block, IntegerBlock& out) {
  const uint8_t *low = block, *high = block + 128, *scales = block + 192;
  const float scale = at<f16>(block + 208);
  for (int group = 0; group < 16; ++group) out.scale[group] = scale * float(int8_t(scales[group]));
  for (int e = 0; e < 256; ++e) {
    const int four = low[e / 128 * 64 + e % 64] >> e % 128 / 64 * 4 & 15;
    out.q[e] = int8_t((four | two_bits(high, e) << 4) - 32);
  }
}

void unpack_iq4_xs(const uint8_t* block, IntegerBlock& out) {
  const float scale = at<f16>(block);
  const uint16_t high = at<uint16_t>(block + 2);
  const uint8_t *low = block + 4, *packed = block + 8;
  int8_t* q = out.q;
  for (int group = 0; group < 8; ++group, packed += 16, q += 32) {
    const int bits = (low[group / 2] >> group % 2 * 4 & 15) | (high >> group * 2 & 3) << 4;
    out.scale[group] = scale * float(bits - 32);
    for (int k = 0; k < 16; ++k) q[k] = kFourBitLevels[packed[k] & 15], q[k + 16] = kFourBitLevels[packed[k] >> 4];
  }
}

// Three levels. A byte holds five of them as a fraction of 256: byte · 3^n mod 256 has digit n on top, times 3 it overflows
// into that digit. 32 bytes give values 0–159, 16 bytes the next 80, and 4 bytes of four digits the last 16.
void unpack_tq1_0(const uint8_t* block, IntegerBlock& out) {
  constexpr uint8_t kPowers[5] = {1, 3, 9, 27, 81};
  const float scale = at<f16>(block + 52);
  for (float& s : std::span(out.scale, 8)) s = scale;
  int8_t* q = out.q;
  const auto unpack = [&](int bytes, int digits) {
    for (int n = 0; n < digits; ++n)
      for (int i = 0; i < bytes; ++i) {
        const auto shifted = uint8_t(block[i] * kPowers[n]);
        *q++ = int8_t((shifted * 3 >> 8) - 1);
      }
    block += bytes;
  };
  unpack(32, 5);
  unpack(16, 5);
  unpack(4, 4);
}

void unpack_tq2_0(const uint8_t* block, IntegerBlock& out) {
  const float scale = at<f16>(block + 64);
  for (float& s : std::span(out.scale, 8)) s = scale;
  for (int e = 0; e < 256; ++e) out.q[e] = int8_t(two_bits(block, e) - 1);
}

}  // namespace minke::gguf
