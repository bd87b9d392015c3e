#include "infer/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"

namespace minke {
namespace {

// Probabilities 0.5, 0.25, 0.125, 0.125 of tokens 2, 0, 1, 3.
const std::vector<float> kLogits{std::log(0.25f), std::log(0.125f), std::log(0.5f), std::log(0.125f)};

std::vector<int32_t> kept(const SamplingSettings& s) {
  std::vector<int32_t> tokens;
  double sum = 0;
  for (const auto& [token, p] : candidates(kLogits, s)) tokens.push_back(token), sum += p;
  EXPECT_NEAR(sum, 1, 1e-12);
  return tokens;
}

TEST(Sampler, FiltersKeepTheRightTokens) {
  EXPECT_EQ(kept({}), (std::vector<int32_t>{2, 0, 1, 3}));
  EXPECT_EQ(kept({.temperature = 0}), (std::vector<int32_t>{2}));
  EXPECT_EQ(kept({.top_k = 2}), (std::vector<int32_t>{2, 0}));
  EXPECT_EQ(kept({.top_p = 0.5}), (std::vector<int32_t>{2}));
  EXPECT_EQ(kept({.top_p = 0.7}), (std::vector<int32_t>{2, 0}));
  EXPECT_EQ(kept({.min_p = 0.4}), (std::vector<int32_t>{2, 0}));
  EXPECT_EQ(kept({.top_k = 3, .top_p = 0.86}),
            (std::vector<int32_t>{2, 0, 1}));  // two are 0.857 of the three that top-k leaves
}

TEST(Sampler, DrawsFollowTheProbabilities) {
  std::vector<int> count(4);
  const int n = 20000;
  for (int i = 0; i < n; ++i) count[size_t(sample(kLogits, {.seed = 9}, uint64_t(i)))]++;
  const double p[4] = {0.25, 0.125, 0.5, 0.125};
  // Five standard deviations of a binomial count.
  for (int t = 0; t < 4; ++t) EXPECT_NEAR(count[t], n * p[t], 5 * std::sqrt(n * p[t] * (1 - p[t]))) << t;
}

TEST(Sampler, TemperatureSharpens) {
  EXPECT_GT(candidates(kLogits, {.temperature = 0.5})[0].second, 0.7);  // 0.25/(0.25+0.0625+2·0.015625) = 0.727
  EXPECT_LT(candidates(kLogits, {.temperature = 2})[0].second, 0.4);
}

TEST(Sampler, NanIsNeverChosenAndAllNanIsSaid) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(sample(std::vector<float>{nan, 1, nan}, {}, 0), 1);
  EXPECT_THROW(sample(std::vector<float>{nan, nan}, {}, 0), UserError);
}

TEST(Sampler, BadSettingsAreNamed) {
  EXPECT_THROW(validate({.temperature = -1}), UserError);
  EXPECT_THROW(validate({.temperature = std::nan("")}), UserError);
  EXPECT_THROW(validate({.top_p = 0}), UserError);
  EXPECT_THROW(validate({.min_p = 1.5}), UserError);
  EXPECT_THROW(validate({.top_k = -2}), UserError);
}

}  // namespace
}  // namespace minke
