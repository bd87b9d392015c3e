#include "blocks/quantise.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/error.h"
#include "core/types.h"

namespace minke {
namespace {

// Nearest, ties to even; beyond the range it is infinity.
f16 to_f16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
  uint32_t half;
  if (size > 0x7f800000) half = 0x7e00;                                                               // NaN
  else if (size >= 0x47800000) half = 0x7c00;                                                         // 65536 and more
  else if (size < 0x38800000) half = uint32_t(std::nearbyint(std::bit_cast<float>(size) * 0x1p24f));  // steps of 2^-24
  else half = (size - 0x38000000 + 0xfff + (size >> 13 & 1)) >> 13;
  f16 result;
  result.bits = uint16_t(sign | half);
  return result;
}

template <class T> void put(uint8_t* block, T value) { std::memcpy(block, &value, sizeof value); }

// The nearest integer, for |x| < 2^22: adding 1.5 · 2^23 leaves no bits behind the point.
int nearest(float x) { return std::bit_cast<int32_t>(x + 12582912.0f) - std::bit_cast<int32_t>(12582912.0f); }

float inverse_of(float scale) { return scale != 0 ? 1 / scale : 0; }

// Values are rounded with the scale as it is stored, so its own rounding adds no error.
void encode_q8_0(const float* x, uint8_t* block) {
  float largest = 0;
  for (int k = 0; k < 32; ++k) largest = std::max(largest, std::fabs(x[k]));
  const f16 scale = to_f16(largest / 127);
  const float inverse = inverse_of(scale);
  put(block, scale);
  for (int k = 0; k < 32; ++k) block[2 + k] = uint8_t(int8_t(std::clamp(nearest(x[k] * inverse), -127, 127)));
}

// Q4_0 and Q5_0, levels −2^(bits−1) … 2^(bits−1) − 1: the value that is largest in size gets the lowest. Of five bits the
// highest ones lie together, in front of the others.
template <int kBits> void encode_centred(const float* x, uint8_t* block) {
  constexpr int kHalf = 1 << (kBits - 1);
  const float extreme = *std::max_element(x, x + 32, [](float a, float b) { return std::fabs(a) < std::fabs(b); });
  const f16 scale = to_f16(extreme / -kHalf);
  const float inverse = inverse_of(scale);
  const auto level = [&](float value) {
    return uint32_t(std::clamp(nearest(value * inverse) + kHalf, 0, 2 * kHalf - 1));
  };
  put(block, scale);
  uint8_t* low = block + 2;
  if constexpr (kBits == 5) {
    uint32_t high = 0;
    for (int k = 0; k < 32; ++k) high |= (level(x[k]) >> 4) << k;
    put(low, high);
    low += sizeof high;
  }
  for (int k = 0; k < 16; ++k) low[k] = uint8_t((level(x[k]) & 15) | (level(x[k + 16]) & 15) << 4);
}

struct Affine {
  float scale = 0, min = 0;  // both ≥ 0
};

// x ≈ scale · q − min with q in 0 … 15 and the least squared error that is found: for each of some distances of the levels
// q follows by rounding, and the best scale and min follow from q.
Affine fit_group(const float* x) {
  float low = 0, high = x[0];
  double sum_x = 0, sum_xx = 0;
  for (int k = 0; k < 32; ++k) {
    low = std::min(low, x[k]), high = std::max(high, x[k]);
    sum_x += x[k], sum_xx += double(x[k]) * x[k];
  }
  if (high <= low) return {0, -low};
  Affine best{(high - low) / 15, -low};
  double least = std::numeric_limits<double>::infinity();
  for (int step = 0; step <= 20; ++step) {
    const float inverse = (14 + 0.1f * float(step)) / (high - low);
    if (!std::isfinite(inverse)) break;  // values below 1e-37
    int levels[32], q_sum = 0, qq_sum = 0;
    float xq_sums[4] = {};  // apart, so that four are added at once
    for (int k = 0; k < 32; ++k) levels[k] = int(std::min((x[k] - low) * inverse + 0.5f, 15.0f));
    for (int k = 0; k < 32; ++k) q_sum += levels[k], qq_sum += levels[k] * levels[k];
    for (int k = 0; k < 32; k += 4)
      for (int i = 0; i < 4; ++i) xq_sums[i] += float(levels[k + i]) * x[k + i];
    const double q = q_sum, qq = qq_sum, xq = double(xq_sums[0]) + xq_sums[1] + xq_sums[2] + xq_sums[3];
    const double determinant = 32 * qq - q * q;
    double scale = 1 / inverse, offset = low;
    if (determinant > 0) scale = (32 * xq - sum_x * q) / determinant, offset = (sum_x - scale * q) / 32;
    if (offset > 0) offset = 0, scale = xq / qq;
    const double error = sum_xx - 2 * scale * xq - 2 * offset * sum_x + scale * scale * qq + 2 * scale * offset * q +
                         32 * offset * offset;
    if (error < least && scale > 0) least = error, best = {float(scale), float(-offset)};
  }
  return best;
}

void encode_q4_k(const float* x, uint8_t* block) {
  Affine groups[8];
  float largest_scale = 0, largest_min = 0;
  for (int g = 0; g < 8; ++g) {
    groups[g] = fit_group(x + 32 * g);
    largest_scale = std::max(largest_scale, groups[g].scale);
    largest_min = std::max(largest_min, groups[g].min);
  }
  const f16 scale = to_f16(largest_scale / 63), min_scale = to_f16(largest_min / 63);
  put(block, scale);
  put(block + 2, min_scale);

  uint8_t *packed = block + 4, *values = block + 16;  // packed as decoders.h says
  std::fill(packed, packed + 12, uint8_t(0));
  for (int g = 0; g < 8; ++g) {
    const int s = std::clamp(nearest(groups[g].scale * inverse_of(scale)), 0, 63);
    const int m = std::clamp(nearest(groups[g].min * inverse_of(min_scale)), 0, 63);
    if (g < 4) {
      packed[g] |= uint8_t(s), packed[g + 4] |= uint8_t(m);
    } else {
      packed[g + 4] = uint8_t((s & 15) | (m & 15) << 4);
      packed[g - 4] |= uint8_t(s >> 4 << 6), packed[g] |= uint8_t(m >> 4 << 6);
    }
    const float inverse = inverse_of(float(scale) * float(s)), min = float(min_scale) * float(m);
    for (int k = 0; k < 32; ++k) {
      const float level = std::clamp((x[32 * g + k] + min) * inverse, 0.0f, 15.0f);
      uint8_t& byte = values[g / 2 * 32 + k];
      if (g % 2 == 0) byte = uint8_t(nearest(level));
      else byte = uint8_t(byte | nearest(level) << 4);
    }
  }
}

template <class T> void encode_plain(const float* x, uint8_t* block) { put(block, T(*x)); }
template <> void encode_plain<f16>(const float* x, uint8_t* block) { put(block, to_f16(*x)); }

constexpr float kLargestHalf = 65504;
struct Encoder {
  BlockFormat format;
  float largest;  // value that fits; 0: any number, infinities and NaN too
  void (*encode)(const float* x, uint8_t* block);
};
constexpr Encoder kEncoders[] = {
    {BlockFormat::f32, 0, encode_plain<float>},
    {BlockFormat::f16, kLargestHalf, encode_plain<f16>},
    {BlockFormat::bf16, 0, encode_plain<bf16>},
    {BlockFormat::q8_0, kLargestHalf * 127, encode_q8_0},
    {BlockFormat::q4_0, kLargestHalf * 8, encode_centred<4>},
    {BlockFormat::q5_0, kLargestHalf * 16, encode_centred<5>},
    {BlockFormat::q4_k, kLargestHalf * 32, encode_q4_k},  // the fitted minimum may be larger than any value
};

const Encoder* find_encoder(BlockFormat format) {
  for (const Encoder& e : kEncoders)
    if (e.format == format) return &e;
  return nullptr;
}

}  // namespace

bool can_quantise(BlockFormat format) { return find_encoder(format) != nullptr; }

void quantise(BlockFormat format, std::span<const float> values, std::span<std::byte> blocks, std::string_view where) {
  const Encoder* encoder = find_encoder(format);
  check(encoder != nullptr, "quantise: a format of can_quantise()");
  const BlockFormatInfo& info = info_of(format);
  check_equal(int64_t(blocks.size()), row_bytes(format, int64_t(values.size())), "quantise: bytes");
  if (encoder->largest > 0)
    for (size_t i = 0; i < values.size(); ++i)
      if (!(std::fabs(values[i]) <= encoder->largest))
        user_error("{}: value {} is {}; {} holds finite numbers up to {}", where, i, values[i], info.name,
                   encoder->largest);
  const float* x = values.data();
  auto* block = reinterpret_cast<uint8_t*>(blocks.data());
  for (size_t n = values.size() / size_t(info.block_elements); n > 0; --n) {
    encoder->encode(x, block);
    x += info.block_elements;
    block += info.block_bytes;
  }
}

}  // namespace minke
