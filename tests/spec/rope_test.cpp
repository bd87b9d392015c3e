#include "spec/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace minke {
namespace {

Config mla(RopeScaling scaling) {
  Config c;
  c.qk_nope_head_dim = 128;
  c.qk_rope_head_dim = 64;
  c.rope_scaling = scaling;
  return c;
}
Config gqa(int64_t head_dim, double theta, RopeScaling scaling) {
  Config c;
  c.attention = AttentionKind::gqa;
  c.head_dim = head_dim;
  c.rope_theta = theta;
  c.rope_scaling = scaling;
  return c;
}
// Same formula in double on both sides: a few roundings apart.
void expect_close(double value, double expected) {
  EXPECT_LE(std::abs(value - expected), 1e-14 * std::abs(expected)) << expected;
}

TEST(Rope, PlainAndLinear) {
  const std::vector<double> plain = rope_frequencies(gqa(8, 10000, {}));
  ASSERT_EQ(plain.size(), 4u);
  const double expected[] = {1, 0.1, 0.01, 0.001};
  for (size_t i = 0; i < 4; ++i) expect_close(plain[i], expected[i]);
  const std::vector<double> linear = rope_frequencies(gqa(8, 10000, {.type = RopeType::linear, .factor = 4}));
  for (size_t i = 0; i < 4; ++i) expect_close(linear[i], expected[i] / 4);
}

TEST(Rope, Llama3KeepsShortWavesAndStretchesLongOnes) {
  const RopeScaling s{.type = RopeType::llama3, .factor = 8, .original_max_position_embeddings = 8192};
  const Config c = gqa(128, 500000, s);
  const std::vector<double> scaled = rope_frequencies(c), plain = rope_frequencies(gqa(128, 500000, {}));
  int kept = 0, stretched = 0, between = 0;
  for (size_t i = 0; i < plain.size(); ++i) {
    const double wavelength = 2 * std::numbers::pi / plain[i];
    if (wavelength < 8192.0 / 4) {
      expect_close(scaled[i], plain[i]);
      ++kept;
    } else if (wavelength > 8192.0) {
      expect_close(scaled[i], plain[i] / 8);
      ++stretched;
    } else {
      EXPECT_TRUE(scaled[i] < plain[i] && scaled[i] > plain[i] / 8);
      ++between;
    }
  }
  EXPECT_TRUE(kept > 0 && stretched > 0 && between > 0);
  // One pair of frequency 1, λ = 2π, in the blend: original/λ = 2.546 lies between 1 and 4.
  RopeScaling one = s;
  one.original_max_position_embeddings = 16;
  const double smooth = (16 / (2 * std::numbers::pi) - 1) / 3;
  expect_close(rope_frequencies(gqa(2, 500000, one))[0], (1 - smooth) / 8 + smooth);
}

TEST(Rope, YarnRangeAndRamp) {
  const RopeScaling s{.type = RopeType::yarn, .factor = 40, .original_max_position_embeddings = 4096};
  const auto [low, high] = yarn_range(64, 10000, 4096, 32, 1);
  EXPECT_EQ(low, 10);
  EXPECT_EQ(high, 23);
  const std::vector<double> scaled = rope_frequencies(mla(s)), plain = rope_frequencies(mla({}));
  for (size_t i = 0; i <= 10; ++i) expect_close(scaled[i], plain[i]);
  for (size_t i = 23; i < 32; ++i) expect_close(scaled[i], plain[i] / 40);
  expect_close(scaled[11], plain[11] * (12.0 / 13) + plain[11] / 40 * (1.0 / 13));
}

TEST(Rope, YarnRangeSurvivesExtremes) {
  for (double theta : {1.0000001, 1e300})
    for (int64_t original : {int64_t(1), int64_t(1) << 31}) {
      RopeScaling s{.type = RopeType::yarn, .factor = 40, .original_max_position_embeddings = original};
      Config c = mla(s);
      c.rope_theta = theta;
      for (double f : rope_frequencies(c)) EXPECT_TRUE(f >= 0 && f <= 1) << theta << " " << original;
    }
}

TEST(Rope, SoftmaxScaleAndTableFactor) {
  const double base = 1 / std::sqrt(192.0), full = 0.1 * std::log(40.0) + 1, v2 = 0.0707 * std::log(40.0) + 1;
  RopeScaling s{.type = RopeType::yarn, .factor = 40, .original_max_position_embeddings = 4096};
  expect_close(softmax_scale(mla({})), base);
  expect_close(rope_table_factor(mla({})), 1);
  // neither given: attention scores unscaled, tables carry the whole temperature
  expect_close(softmax_scale(mla(s)), base);
  expect_close(rope_table_factor(mla(s)), full);
  s.mscale = s.mscale_all_dim = 0.707;
  expect_close(softmax_scale(mla(s)), base * v2 * v2);
  expect_close(rope_table_factor(mla(s)), 1);
  s.mscale = 1;
  expect_close(rope_table_factor(mla(s)), full / v2);
  s.mscale = 0;  // only mscale_all_dim
  expect_close(softmax_scale(mla(s)), base * v2 * v2);
  expect_close(rope_table_factor(mla(s)), full);
  s.attention_factor = 1.25;
  expect_close(rope_table_factor(mla(s)), 1.25);
  // GQA models have the temperature in the tables only
  s.attention_factor = 0;
  expect_close(softmax_scale(gqa(128, 10000, s)), 1 / std::sqrt(128.0));
  expect_close(yarn_mscale(1, 0.707), 1);
}

}  // namespace
}  // namespace minke
