#include "blocks/fp8.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace minke {
namespace {

constexpr float kLargest = 448;

}  // namespace

bool has_nan(std::span<const std::byte> codes) {
  int found = 0;
  for (const std::byte code : codes) found |= (code & std::byte{0x7f}) == std::byte{0x7f};
  return found != 0;
}

f8_e4m3 to_f8_e4m3(float x) {
  f8_e4m3 result;
  const float magnitude = std::min(std::fabs(x), kLargest);
  int exponent = 0;
  std::frexp(magnitude, &exponent);  // magnitude in [2^(exponent − 1), 2^exponent)
  // Steps of 2^-9 below the smallest normal number 2^-6, else eight steps in each power of two. Both roundings are of exact
  // products, and a carry into the next exponent has the right bits by itself.
  if (magnitude < 0x1p-6f) {
    result.bits = uint8_t(std::nearbyint(std::ldexp(magnitude, 9)));
  } else {
    const int steps = int(std::nearbyint(std::ldexp(magnitude, 4 - exponent)));  // 8 … 16
    result.bits = uint8_t(((exponent + 6) << 3) + steps - 8);
  }
  if (std::signbit(x)) result.bits |= 0x80;
  return result;
}

void fp8_scales(std::span<const float> rows, int64_t columns, std::span<float> scales, std::string_view where) {
  std::fill(scales.begin(), scales.end(), 0.0f);
  for (size_t i = 0; i < rows.size(); ++i) {
    const float magnitude = std::fabs(rows[i]);
    if (!std::isfinite(magnitude)) user_error("{}: value {} is {}; FP8 holds finite numbers", where, i, rows[i]);
    float& largest = scales[i % size_t(columns) / size_t(kFp8Block)];
    largest = std::max(largest, magnitude);
  }
  for (float& s : scales) s = s > 0 ? std::max(s / kLargest, 0x1p-126f) : 1;
}

void to_fp8(std::span<const float> rows, int64_t columns, std::span<const float> scales, std::span<f8_e4m3> out) {
  check_equal(rows.size(), out.size(), "to_fp8: elements");
  for (size_t i = 0; i < rows.size(); ++i)
    out[i] = to_f8_e4m3(rows[i] / scales[i % size_t(columns) / size_t(kFp8Block)]);
}

}  // namespace minke
