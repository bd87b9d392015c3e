// Generalised advantages against their definition as a sum, and what is known of its ends.
#include "rl/gae.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/rng.h"

namespace minke {
namespace {

TEST(GeneralisedAdvantages, AreTheSumOfDiscountedErrors) {
  const RngKey key = RngKey{4}.at("values");
  std::vector<float> v;
  for (uint64_t i = 0; i < 9; ++i) v.push_back(float(key.normal(i)));
  const double gamma = 0.9, lambda = 0.8, reward = 1.5;
  const GeneralisedAdvantages g = generalised_advantages(v, reward, gamma, lambda);
  for (size_t t = 0; t < v.size(); ++t) {
    double sum = 0;
    for (size_t l = 0; t + l < v.size(); ++l) {
      const bool last = t + l + 1 == v.size();
      const double delta = (last ? reward : gamma * double(v[t + l + 1])) - double(v[t + l]);
      sum += std::pow(gamma * lambda, double(l)) * delta;
    }
    EXPECT_NEAR(g.advantages[t], sum, 1e-12) << t;
    EXPECT_NEAR(g.returns[t], sum + double(v[t]), 1e-12) << t;
  }
}

TEST(GeneralisedAdvantages, AtTheEndsOfLambda) {
  const std::vector<float> v{0.25f, 0.5f, 0.125f};
  const GeneralisedAdvantages whole = generalised_advantages(v, 2, 1, 1), next = generalised_advantages(v, 2, 1, 0);
  EXPECT_EQ(whole.advantages, (std::vector<double>{1.75, 1.5, 1.875}));  // the reward less the value
  EXPECT_EQ(whole.returns, (std::vector<double>{2, 2, 2}));
  EXPECT_EQ(next.advantages, (std::vector<double>{0.25, -0.375, 1.875}));  // one token ahead
  EXPECT_EQ(next.returns, (std::vector<double>{0.5, 0.125, 2}));
  EXPECT_EQ(generalised_advantages(v, 2, 0.5, 1).returns, (std::vector<double>{0.5, 1, 2}));
}

TEST(GeneralisedAdvantages, ACriticThatKnowsLeavesNothing) {
  for (double a : generalised_advantages(std::vector<float>{1, 1, 1, 1}, 1, 1, 0.7).advantages) EXPECT_EQ(a, 0);
  EXPECT_TRUE(generalised_advantages({}, 1, 1, 1).advantages.empty());
  EXPECT_TRUE(std::isnan(generalised_advantages(std::vector<float>{0, NAN, 0}, 1, 1, 1).advantages[0]));
}

TEST(Whiten, MeanAndDeviationAreOfAllTokens) {
  std::vector<std::vector<float>> a{{1, 3}, {}, {5, 7, 9}};
  whiten(a);
  const double deviation = std::sqrt(8.0);
  EXPECT_TRUE(a[1].empty());
  EXPECT_FLOAT_EQ(a[0][0], float(-4 / deviation));
  EXPECT_EQ(a[2][0], 0);
  EXPECT_FLOAT_EQ(a[2][2], float(4 / deviation));
  std::vector<std::vector<float>> same{{2, 2}, {2}};
  whiten(same);
  EXPECT_EQ(same, (std::vector<std::vector<float>>{{0, 0}, {0}}));
  std::vector<std::vector<float>> none{{}, {}};
  whiten(none);
  EXPECT_TRUE(none[0].empty());
}

TEST(ExplainedVariance, IsOfWhatTheMeanDoesNotSay) {
  using V = std::vector<double>;
  const V returns{0, 0, 3, 1};                                        // their variance: 1.5
  EXPECT_DOUBLE_EQ(explained_variance(returns, V{0, 0, 3, 1}), 1);    // known
  EXPECT_DOUBLE_EQ(explained_variance(returns, V{5, 5, 8, 6}), 1);    // but for a constant
  EXPECT_DOUBLE_EQ(explained_variance(returns, V{1, 1, 1, 1}), 0);    // the mean alone
  EXPECT_DOUBLE_EQ(explained_variance(returns, V{0, 0, 1, 1}), 0.5);  // errors 0, 0, 2, 0: their variance is 0.75
  EXPECT_LT(explained_variance(returns, V{3, 3, 0, 1}), 0);           // worse than the mean
  EXPECT_EQ(explained_variance(V{2, 2, 2}, V{1, 2, 3}), 0);           // nothing to explain
}

}  // namespace
}  // namespace minke
