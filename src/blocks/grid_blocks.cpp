// Element formats of 1 to 3 bits: 8 (or 4) neighbouring values are a vector of a grid, with signs, times a scale.
#include <bit>

#include "blocks/decoders.h"
#include "blocks/grids.h"

namespace minke::gguf {
namespace {

// scale · levels, negative where the bit of `signs` is set. A product with ±1 keeps NaN as the reference has it.
inline void put(float scale, const int8_t* levels, int n, int signs, float* values) {
  for (int i = 0; i < n; ++i) values[i] = scale * float(levels[i]) * (signs >> i & 1 ? -1.0f : 1.0f);
}

// Eight signs in seven bits: the number of minus signs is even.
inline int even_signs(uint32_t seven) { return int(seven | uint32_t(std::popcount(seven) & 1) << 7); }

// scale · (levels + shift)
inline void put_shifted(float scale, const int8_t* levels, float shift, float* values) {
  for (int i = 0; i < 8; ++i) values[i] = scale * (float(levels[i]) + shift);
}
constexpr float kShift = 0.125f;

inline int half_byte(const uint8_t* packed, int i) { return packed[i / 2] >> i % 2 * 4 & 15; }

}  // namespace

void decode_iq1_s(const uint8_t* block, float* values) {
  const Grid& grid = iq1_grid();
  const float scale = at<f16>(block);
  const uint8_t *low = block + 2, *high = block + 34;
  for (int group = 0; group < 8; ++group) {
    const uint32_t bits =
        at<uint16_t>(high + 2 * group);  // 4 × 3 bits of vector numbers, 3 of the scale, the shift's sign
    const float s = scale * float(2 * (bits >> 12 & 7) + 1), shift = bits >> 15 ? -kShift : kShift;
    for (int k = 0; k < 4; ++k, values += 8) put_shifted(s, grid[*low++ | (bits >> 3 * k & 7) << 8], shift, values);
  }
}

// The scale of the block is in four parts: the top four bits of four words, which have scales of groups below.
void decode_iq1_m(const uint8_t* block, float* values) {
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
  for (int i = 0; i < 32; ++i, values += 8) {
    const int group = i / 2, top = half_byte(high, i);
    const float s = scale * float(2 * (words[group / 4] >> group % 4 * 3 & 7) + 1);
    put_shifted(s, grid[size_t(low[i] | (top & 7) << 8)], top & 8 ? -kShift : kShift, values);
  }
}

void decode_iq2_xxs(const uint8_t* block, float* values) {
  const Grid& grid = iq2_xxs_grid();
  const float scale = at<f16>(block);
  for (const uint8_t* group = block + 2; group < block + 66; group += 8) {
    const uint32_t bits = at<uint32_t>(group + 4);  // 4 × 7 signs, 4 bits of the scale
    const float s = scale * (0.5f + float(bits >> 28)) * 0.25f;
    for (int k = 0; k < 4; ++k, values += 8) put(s, grid[group[k]], 8, even_signs(bits >> 7 * k & 127), values);
  }
}

void decode_iq2_xs(const uint8_t* block, float* values) {
  const Grid& grid = iq2_xs_grid();
  const float scale = at<f16>(block);
  const uint8_t *vectors = block + 2, *scales = block + 66;
  for (int i = 0; i < 32; ++i, values += 8) {
    const uint32_t bits = at<uint16_t>(vectors + 2 * i);  // 9 of the vector's number, 7 signs
    const float s = scale * (0.5f + float(half_byte(scales, i / 2))) * 0.25f;
    put(s, grid[bits & 511], 8, even_signs(bits >> 9), values);
  }
}

void decode_iq2_s(const uint8_t* block, float* values) {
  const Grid& grid = iq2_s_grid();
  const float scale = at<f16>(block);
  const uint8_t *low = block + 2, *signs = block + 34, *high = block + 66, *scales = block + 74;
  for (int i = 0; i < 32; ++i, values += 8) {
    const int vector = low[i] | (high[i / 4] >> i % 4 * 2 & 3) << 8;
    const float s = scale * (0.5f + float(half_byte(scales, i / 2))) * 0.25f;
    put(s, grid[size_t(vector)], 8, signs[i], values);
  }
}

void decode_iq3_xxs(const uint8_t* block, float* values) {
  const Grid& grid = iq3_xxs_grid();
  const float scale = at<f16>(block);
  const uint8_t* vectors = block + 2;
  for (int group = 0; group < 8; ++group) {
    const uint32_t bits = at<uint32_t>(block + 66 + 4 * group);  // 4 × 7 signs, 4 bits of the scale
    const float s = scale * (0.5f + float(bits >> 28)) * 0.5f;
    for (int k = 0; k < 4; ++k, values += 8) {
      const int signs = even_signs(bits >> 7 * k & 127);
      put(s, grid[*vectors++], 4, signs, values);
      put(s, grid[*vectors++], 4, signs >> 4, values + 4);
    }
  }
}

void decode_iq3_s(const uint8_t* block, float* values) {
  const Grid& grid = iq3_s_grid();
  const float scale = at<f16>(block);
  const uint8_t *low = block + 2, *high = block + 66, *signs = block + 74, *scales = block + 106;
  for (int i = 0; i < 64; ++i, values += 4) {
    const int vector = low[i] | (high[i / 8] >> i % 8 & 1) << 8;
    const float s = scale * float(1 + 2 * half_byte(scales, i / 8));
    put(s, grid[size_t(vector)], 4, half_byte(signs, i), values);
  }
}

}  // namespace minke::gguf
