#include "blocks/fp8.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "blocks/blocks.h"
#include "core/error.h"
#include "core/rng.h"

namespace minke {
namespace {

f8_e4m3 of_bits(int bits) {
  f8_e4m3 x;
  x.bits = uint8_t(bits);
  return x;
}

TEST(Fp8Blocks, EveryValueIsItself) {
  for (int bits = 0; bits < 256; ++bits) {
    if ((bits & 0x7f) == 0x7f) continue;  // NaN
    EXPECT_EQ(to_f8_e4m3(float(of_bits(bits))).bits, bits);
  }
}

TEST(Fp8Blocks, BetweenTwoValuesTheNearerOneAndOfTwoTheEvenOne) {
  for (int bits = 0; bits < 0x7e; ++bits) {
    const float low = of_bits(bits), high = of_bits(bits + 1), middle = (low + high) / 2;
    EXPECT_EQ(to_f8_e4m3(middle).bits, bits % 2 == 0 ? bits : bits + 1) << middle;
    EXPECT_EQ(to_f8_e4m3(std::nextafterf(middle, low)).bits, bits) << middle;
    EXPECT_EQ(to_f8_e4m3(std::nextafterf(middle, high)).bits, bits + 1) << middle;
    EXPECT_EQ(to_f8_e4m3(-std::nextafterf(middle, high)).bits, (bits + 1) | 0x80) << middle;
  }
  EXPECT_EQ(float(to_f8_e4m3(1e9f)), 448);
  EXPECT_EQ(float(to_f8_e4m3(-1e9f)), -448);
}

TEST(Fp8Blocks, ZerosAndWhatIsNotFinite) {
  std::vector<float> rows(3 * 200), scales(2);
  rows[150] = -4.48f;
  fp8_scales(rows, 200, scales, "x");
  EXPECT_EQ(scales[0], 1);
  EXPECT_EQ(scales[1], 4.48f / 448);
  std::vector<f8_e4m3> out(rows.size());
  to_fp8(rows, 200, scales, out);
  EXPECT_EQ(float(out[150]), -448);
  EXPECT_EQ(float(out[0]), 0);
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    rows[7] = bad;
    EXPECT_THROW(fp8_scales(rows, 200, scales, "x"), UserError);
  }
}

// Two rows and three columns of scales, the last ones partial.
TEST(Fp8Blocks, ARowTimesItsScales) {
  constexpr int64_t kRows = 7, kColumns = 11, kBlock = 4;
  std::vector<f8_e4m3> values(kRows * kColumns);
  for (size_t i = 0; i < values.size(); ++i) values[i] = to_f8_e4m3(float(i % 16) - 8);
  const std::vector<float> scales{1, 2, 4, 8, 16, 32};
  const RowBlocks part{.rows = values.data(),
                       .scales = scales.data(),
                       .row_bytes = kColumns,
                       .scale_block = kBlock,
                       .format = BlockFormat::f8_e4m3};
  for (int64_t r = 0; r < kRows; ++r) {
    std::vector<float> row(kColumns);
    decode_row({&part, 1}, r, row);
    for (int64_t k = 0; k < kColumns; ++k)
      EXPECT_EQ(row[size_t(k)], (float((r * kColumns + k) % 16) - 8) * scales[size_t(r / kBlock * 3 + k / kBlock)])
          << r << " " << k;
  }
}

TEST(Fp8Blocks, FindsCodesOfNaN) {
  std::vector<std::byte> codes;
  for (int code = 0; code < 256; ++code)
    if ((code & 0x7f) != 0x7f) codes.push_back(std::byte(code));
  EXPECT_FALSE(has_nan({}));
  EXPECT_FALSE(has_nan(codes));
  for (const uint8_t nan : {0x7f, 0xff})
    for (const size_t at : {size_t(0), size_t(100), codes.size() - 1}) {
      std::vector<std::byte> with = codes;
      with[at] = std::byte{nan};
      EXPECT_TRUE(has_nan(with)) << int(nan) << " at " << at;
    }
}

}  // namespace
}  // namespace minke
