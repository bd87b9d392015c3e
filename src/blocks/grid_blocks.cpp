// Element formats of 1 to 3 bits: 8 (or 4) neighbouring values are a vector of a grid, with signs, times a scale.
#include <bit>

#include "blocks/decoders.h"
#include "blocks/grids.h"

namespace minke::gguf {
namespace {

// n levels, negative where the bit of `signs` is set.
inline void put(const int8_t* levels, int n, int signs, int8_t* q) {
  for (int i = 0; i < n; ++i) q[i] = int8_t(signs >> i & 1 ? -levels[i] : levels[i]);
}

// Eight signs in seven bits: the number of minus signs is even.
inline int even_signs(uint32_t seven) { return int(seven | uint32_t(std::popcount(seven) & 1) << 7); }

// IQ1 shifts its levels −1, 0, 1 by an eighth, up or down: as integers they are 8 · level ± 1, and the scale is an eighth.
inline void put_shifted(const int8_t* levels, int shift, int8_t* q) {
  for (int i = 0; i < 8; ++i) q[i] = int8_t(8 * levels[i] + shift);
}
constexpr float kEighth = 0.125f;

inline int half_byte(const uint8_t* packed, int i) { return packed[i / 2] >> i % 2 * 4 & 15; }

}  // namespace

void unpack_iq1_s(const uint8_t* block, IntegerBlock& out) {
  const Grid& grid = iq1_grid();
  const float scale = at<f16>(block);
  const uint8_t *low = block + 2, *high = block + 34;
  int8_t* q = out.q;
  for (int group = 0; group < 8; ++group) {
    const uint32_t bits =
        at<uint16_t>(high + 2 * group);  // 4 × 3 bits of vector numbers, 3 of the scale, the shift's sign
    out.scale[group] = scale * float(2 * (bits >> 12 & 7) + 1) * kEighth;
    const int shift = bits >> 15 ? -1 : 1;
    for (int k = 0; k < 4; ++k, q += 8) put_shifted(grid[*low++ | (bits >> 3 * k & 7) << 8], shift, q);
  }
}

// The scale of the block is in four parts: the top four bits of four words, which have scales of groups below.
void unpack_iq1_m(const uint8_t* block, IntegerBlock& out) {
  const Grid& grid = iq1_grid();
  const uint8_t *low = block, *high = block + 32;
  uint32_t words[4], bits = 0;
  for (int w = 0; w < 4; ++w) {
    words[w] = at<uint16_t>(block + 48 + 2 * w);
    bits |= words[w] >> 12 << 4 * w;
  }
  f16 whole;
  whole.bits = uint16_t(bits);
  const float scale = whole;
  for (int i = 0; i < 32; ++i) {
    const int group = i / 2, top = half_byte(high, i);
    out.scale[group] = scale * float(2 * (words[group / 4] >> group % 4 * 3 & 7) + 1) * kEighth;
    put_shifted(grid[size_t(low[i] | (top & 7) << 8)], top & 8 ? -1 : 1, out.q + 8 * i);
  }
}

void unpack_iq2_xxs(const uint8_t* block, IntegerBlock& out) {
  const Grid& grid = iq2_xxs_grid();
  const float scale = at<f16>(block);
  int8_t* q = out.q;
  for (int group = 0; group < 8; ++group) {
    const uint8_t* vectors = block + 2 + 8 * group;
    const uint32_t bits = at<uint32_t>(vectors + 4);  // 4 × 7 signs, 4 bits of the scale
    out.scale[group] = scale * (0.5f + float(bits >> 28)) * 0.25f;
    for (int k = 0; k < 4; ++k, q += 8) put(grid[vectors[k]], 8, even_signs(bits >> 7 * k & 127), q);
  }
}

void unpack_iq2_xs(const uint8_t* block, IntegerBlock& out) {
  const Grid& grid = iq2_xs_grid();
  const float scale = at<f16>(block);
  const uint8_t *vectors = block + 2, *scales = block + 66;
  for (int i = 0; i < 32; ++i) {
    const uint32_t bits = at<uint16_t>(vectors + 2 * i);  // 9 of the vector's number, 7 signs
    out.scale[i / 2] = scale * (0.5f + float(half_byte(scales, i / 2))) * 0.25f;
    put(grid[bits & 511], 8, even_signs(bits >> 9), out.q + 8 * i);
  }
}

void unpack_iq2_s(const uint8_t* block, IntegerBlock& out) {
  const Grid& grid = iq2_s_grid();
  const float scale = at<f16>(block);
  const uint8_t *low = block + 2, *signs = block + 34, *high = block + 66, *scales = block + 74;
  for (int i = 0; i < 32; ++i) {
    const int vector = low[i] | (high[i / 4] >> i % 4 * 2 & 3) << 8;
    out.scale[i / 2] = scale * (0.5f + float(half_byte(scales, i / 2))) * 0.25f;
    put(grid[size_t(vector)], 8, signs[i], out.q + 8 * i);
  }
}

void unpack_iq3_xxs(const uint8_t* block, IntegerBlock& out) {
  const Grid& grid = iq3_xxs_grid();
  const float scale = at<f16>(block);
  const uint8_t* vectors = block + 2;
  int8_t* q = out.q;
  for (int group = 0; group < 8; ++group) {
    const uint32_t bits = at<uint32_t>(block + 66 + 4 * group);  // 4 × 7 signs, 4 bits of the scale
    out.scale[group] = scale * (0.5f + float(bits >> 28)) * 0.5f;
    for (int k = 0; k < 4; ++k, q += 8) {
      const int signs = even_signs(bits >> 7 * k & 127);
      put(grid[*vectors++], 4, signs, q);
      put(grid[*vectors++], 4, signs >> 4, q + 4);
    }
  }
}

void unpack_iq3_s(const uint8_t* block, IntegerBlock& out) {
  const Grid& grid = iq3_s_grid();
  const float scale = at<f16>(block);
  const uint8_t *low = block + 2, *high = block + 66, *signs = block + 74, *scales = block + 106;
  for (int i = 0; i < 64; ++i) {
    const int vector = low[i] | (high[i / 8] >> i % 8 & 1) << 8;
    out.scale[i / 8] = scale * float(1 + 2 * half_byte(scales, i / 8));
    put(grid[size_t(vector)], 4, half_byte(signs, i), out.q + 4 * i);
  }
}

}  // namespace minke::gguf
