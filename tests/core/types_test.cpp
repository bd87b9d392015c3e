#include "core/types.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace minke {
namespace {

float from_bits(uint32_t bits) { return std::bit_cast<float>(bits); }

TEST(Types, Bf16RoundsToNearestEven) {
  const struct {
    uint32_t from;
    uint16_t to;
  } cases[] = {
      {0x00000000, 0x0000}, {0x80000000, 0x8000},                        // zeros keep their sign
      {0x3f800000, 0x3f80},                                              // 1
      {0x3f807fff, 0x3f80},                                              // just below the tie
      {0x3f808000, 0x3f80},                                              // tie, even below
      {0x3f808001, 0x3f81},                                              // just above the tie
      {0x3f818000, 0x3f82},                                              // tie, even above
      {0x3fffffff, 0x4000},                                              // carries into the exponent
      {0x7f7fffff, 0x7f80},                                              // the largest float rounds to infinity
      {0x7f7f7fff, 0x7f7f},                                              // the largest that does not
      {0x7f800000, 0x7f80}, {0xff800000, 0xff80},                        // infinities
      {0x00008000, 0x0000}, {0x00008001, 0x0001}, {0x00018000, 0x0002},  // subnormals
      {0x80018000, 0x8002},
  };
  for (const auto& c : cases) EXPECT_EQ(bf16(from_bits(c.from)).bits, c.to) << std::hex << c.from;
}

TEST(Types, Bf16NanStaysNan) {
  for (uint32_t bits : {0x7f800001u, 0x7fffffffu, 0xff800001u, 0x7fc00000u, 0x7f80ffffu}) {
    const bf16 x(from_bits(bits));
    EXPECT_TRUE(std::isnan(float(x))) << std::hex << bits;
    EXPECT_EQ(std::signbit(float(x)), bits >> 31 != 0);
  }
}

TEST(Types, Bf16AllCodesSurviveTheWayThereAndBack) {
  for (uint32_t code = 0; code < 65536; ++code) {
    bf16 x;
    x.bits = uint16_t(code);
    const float f = x;
    if (std::isnan(f)) EXPECT_TRUE(std::isnan(float(bf16(f))));
    else EXPECT_EQ(bf16(f).bits, code);
  }
}

TEST(Types, F16AllCodesByTheDefinition) {
  for (uint32_t code = 0; code < 65536; ++code) {
    const float f = f16{uint16_t(code)};
    const int exponent = int(code >> 10 & 31), mantissa = int(code & 1023);
    const double sign = code >> 15 ? -1 : 1;
    if (exponent == 31 && mantissa) {
      EXPECT_TRUE(std::isnan(f)) << code;
    } else {
      const double expected = exponent == 31  ? std::numeric_limits<double>::infinity()
                              : exponent == 0 ? std::ldexp(mantissa, -24)
                                              : std::ldexp(1024 + mantissa, exponent - 25);
      EXPECT_EQ(double(f), sign * expected) << code;
      EXPECT_EQ(std::signbit(f), sign < 0) << code;
    }
  }
}

TEST(Types, F8AllCodesByTheDefinition) {
  double largest = 0;
  for (int code = 0; code < 256; ++code) {
    const float f = f8_e4m3{uint8_t(code)};
    const int exponent = code >> 3 & 15, mantissa = code & 7;
    const double sign = code >> 7 ? -1 : 1;
    if (exponent == 15 && mantissa == 7) {
      EXPECT_TRUE(std::isnan(f)) << code;
      continue;
    }
    const double expected = exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
    EXPECT_EQ(double(f), sign * expected) << code;
    EXPECT_EQ(std::signbit(f), sign < 0) << code;
    largest = std::max(largest, double(f));
  }
  EXPECT_EQ(largest, 448);
}

TEST(Types, SizesAndNames) {
  EXPECT_EQ(size_of(DType::f64), sizeof(double));
  EXPECT_EQ(size_of(DType::f32), sizeof(float));
  EXPECT_EQ(size_of(DType::bf16), sizeof(bf16));
  EXPECT_EQ(size_of(DType::f16), sizeof(f16));
  EXPECT_EQ(size_of(DType::f8_e4m3), sizeof(f8_e4m3));
  EXPECT_EQ(size_of(DType::i64), 8u);
  EXPECT_EQ(size_of(DType::i32), 4u);
  EXPECT_EQ(size_of(DType::u8), 1u);
  EXPECT_STREQ(name_of(DType::bf16), "bf16");
}

}  // namespace
}  // namespace minke
