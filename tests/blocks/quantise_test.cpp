#include "blocks/quantise.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/rng.h"
#include "core/types.h"

namespace minke {
namespace {

constexpr size_t kValues = 64 * 1024;

// Weights of three kinds: normal; with heavy tails; and rows of different size and offset.
std::vector<float> sample(int kind) {
  const RngKey key = RngKey{15, 0}.at("quantise").at(uint64_t(kind));
  std::vector<float> x(kValues);
  for (size_t i = 0; i < x.size(); ++i) {
    const double n = key.normal(i);
    x[i] = float(kind == 0   ? 0.02 * n
                 : kind == 1 ? 0.01 * n * n * n
                             : (0.001 + 0.03 * double(i / 256 % 7)) * (n + 0.5));
  }
  return x;
}

std::vector<float> there_and_back(BlockFormat format, const std::vector<float>& x) {
  std::vector<std::byte> blocks(size_t(row_bytes(format, int64_t(x.size()))));
  quantise(format, x, blocks, "x");
  std::vector<float> y(x.size(), std::nanf(""));
  dequantise(format, blocks, y);
  return y;
}

double rms_error(BlockFormat format, const std::vector<float>& x) {
  const std::vector<float> y = there_and_back(format, x);
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += (double(y[i]) - x[i]) * (double(y[i]) - x[i]);
  return std::sqrt(sum / double(x.size()));
}

// llama.cpp's errors on the same values, by its quantisers without importance matrix (quantize_row_*_ref of ggml d99724f).
TEST(GgufQuantise, ErrorIsAtMostLlamaCpps) {
  const struct {
    BlockFormat format;
    double theirs[3];
  } cases[] = {
      {BlockFormat::q8_0, {0.000107198964, 0.000337023571, 0.000645169569}},
      {BlockFormat::q4_0, {0.00171645722, 0.00426353049, 0.0102855093}},
      {BlockFormat::q5_0, {0.000851146732, 0.002339171, 0.00509531071}},
      {BlockFormat::q4_k, {0.00142088178, 0.00347953333, 0.00778626438}},
  };
  for (const auto& c : cases)
    for (int kind = 0; kind < 3; ++kind) {
      const double ours = rms_error(c.format, sample(kind));
      EXPECT_TRUE(ours <= 1.02 * c.theirs[kind])
          << info_of(c.format).name << ", kind " << kind << ": " << ours << " against " << c.theirs[kind];
    }
}

// Half a step of the levels, plus the rounding of the scale to 11 bits.
TEST(GgufQuantise, EveryValueIsNear) {
  for (int kind = 0; kind < 3; ++kind) {
    const std::vector<float> x = sample(kind);
    for (const auto& [format, levels] :
         {std::pair(BlockFormat::q8_0, 127.0), std::pair(BlockFormat::q4_0, 8.0), std::pair(BlockFormat::q5_0, 16.0)}) {
      const std::vector<float> y = there_and_back(format, x);
      for (size_t block = 0; block < x.size(); block += 32) {
        double largest = 0;
        for (size_t i = block; i < block + 32; ++i) largest = std::max(largest, std::fabs(double(x[i])));
        // Q4_0 and Q5_0 have no level for the opposite of their extreme: 7 steps of 8, 15 of 16.
        const double steps = format == BlockFormat::q8_0 ? 0.5 : 1;
        const double bound = largest / levels * (steps + levels * 0x1p-11) + 0x1p-24;
        for (size_t i = block; i < block + 32; ++i)
          ASSERT_TRUE(std::fabs(double(y[i]) - x[i]) <= bound) << info_of(format).name << " " << i;
      }
    }
  }
}

TEST(GgufQuantise, PlainNumbersAreRoundedToNearest) {
  const std::vector<float> x = {1.0f,       -0.0f,    65504.0f, -65519.0f, 0x1.002p0f,
                                0x1.006p0f, 0x1p-24f, 0x1p-25f, 0x1.8p-25f};
  const std::vector<float> half = {1.0f, -0.0f, 65504.0f, -65504.0f, 1.0f, 0x1.008p0f, 0x1p-24f, 0.0f, 0x1p-24f};
  std::vector<float> in_range = x;
  in_range[3] = -65504.0f;
  EXPECT_EQ(there_and_back(BlockFormat::f16, in_range), half);
  for (float v : x) {
    const float same = there_and_back(BlockFormat::bf16, {v})[0];
    EXPECT_EQ(std::bit_cast<uint32_t>(same), std::bit_cast<uint32_t>(float(bf16(v))));
    EXPECT_EQ(there_and_back(BlockFormat::f32, {v})[0], v);
  }
}

TEST(GgufQuantise, UnusualBlocks) {
  const auto all = [](float v) { return std::vector<float>(256, v); };
  for (BlockFormat format : {BlockFormat::q8_0, BlockFormat::q4_0, BlockFormat::q5_0, BlockFormat::q4_k}) {
    const char* name = info_of(format).name;
    EXPECT_EQ(there_and_back(format, all(0)), all(0)) << name;
    EXPECT_EQ(there_and_back(format, all(-0.0f)), all(0)) << name;
    for (float v : {1.0f, -1.0f, 3e5f, -3e5f, 0.1f, -0.1f}) {
      const auto y = there_and_back(format, all(v));
      for (float w : y) ASSERT_TRUE(std::fabs(w - v) <= std::fabs(v) * 0x1p-9f) << name << " " << v << ": " << w;
    }
    // Below what a scale in F16 can say everything is 0, or one step of it: never anything else.
    for (float v : {1e-8f, -1e-12f, 1e-38f, 1e-44f}) {
      const auto y = there_and_back(format, all(v));
      for (float w : y) ASSERT_TRUE(std::fabs(w) <= 0x1p-24f * 127) << name << " " << v << ": " << w;
    }
    std::vector<float> mixed = all(1e-40f);
    mixed[3] = 2;
    const auto y = there_and_back(format, mixed);
    EXPECT_NEAR(y[3], 2, 2 * 0x1p-9) << name;
    EXPECT_NEAR(y[4], 0, 1e-3) << name;
  }
}

TEST(GgufQuantise, WhatDoesNotFitIsRefused) {
  std::vector<float> x(256, 1.0f);
  std::vector<std::byte> blocks(size_t(row_bytes(BlockFormat::q8_0, 256)));
  for (float v : {std::nanf(""), INFINITY, -INFINITY, 1e30f, -std::numeric_limits<float>::max()}) {
    x[77] = v;
    for (BlockFormat format :
         {BlockFormat::f16, BlockFormat::q8_0, BlockFormat::q4_0, BlockFormat::q5_0, BlockFormat::q4_k}) {
      blocks.resize(size_t(row_bytes(format, 256)));
      try {
        quantise(format, x, blocks, "blk.0.w");
        ADD_FAILURE() << v;
      } catch (const UserError& e) {
        EXPECT_EQ(std::string(e.what()).find("blk.0.w: value 77 is "), 0u) << e.what();
      }
    }
  }
  EXPECT_FALSE(can_quantise(BlockFormat::iq1_s));
  EXPECT_TRUE(can_quantise(BlockFormat::q4_k));
}

}  // namespace
}  // namespace minke
