// GRPO's advantages against the vectors of docs/recipe/post-training.md §3, and the weights of tokens.
#include "rl/advantages.h"

#include <gtest/gtest.h>

#include <cmath>

namespace minke {
namespace {

using V = std::vector<double>;

void expect_near(const V& a, const V& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 5e-7) << i;
}

TEST(Advantages, Vectors) {
  const double s = 0.8660254;
  expect_near(group_advantages(V{1, 0, 0, 1}, RewardDeviation::population), {1, -1, -1, 1});
  expect_near(group_advantages(V{1, 0, 0, 1}, RewardDeviation::sample), {s, -s, -s, s});
  expect_near(group_advantages(V{1, 0, 0, 1}, RewardDeviation::none), {0.5, -0.5, -0.5, 0.5});
  V expected(8, -0.377964);
  expected[0] = 2.645751;
  expect_near(group_advantages(V{1, 0, 0, 0, 0, 0, 0, 0}, RewardDeviation::population), expected);
  EXPECT_NEAR(group_advantages(V{1, 0, 0, 0, 0, 0, 0, 0}, RewardDeviation::sample)[0], 2.474874, 5e-7);
}

TEST(Advantages, AGroupWithoutDifferencesTeachesNothing) {
  for (const auto deviation : {RewardDeviation::population, RewardDeviation::sample, RewardDeviation::none})
    for (const V& r : {V{0.1, 0.1, 0.1}, V{1}, V{0, 0}}) {
      EXPECT_TRUE(all_the_same(r));
      for (double a : group_advantages(r, deviation)) EXPECT_EQ(a, 0);
    }
  EXPECT_FALSE(all_the_same(V{1, 1, 0}));
}

TEST(Advantages, WhatATokenWeighs) {
  // Two samples of 2 and 6 tokens.
  EXPECT_DOUBLE_EQ(token_weight(LossDivision::tokens, 2, 2, 8, 100), 1.0 / 8);
  EXPECT_DOUBLE_EQ(token_weight(LossDivision::tokens, 6, 2, 8, 100), 1.0 / 8);
  EXPECT_DOUBLE_EQ(token_weight(LossDivision::sequences, 2, 2, 8, 100), 1.0 / 4);
  EXPECT_DOUBLE_EQ(token_weight(LossDivision::sequences, 6, 2, 8, 100), 1.0 / 12);
  EXPECT_DOUBLE_EQ(token_weight(LossDivision::constant, 6, 2, 8, 100), 1.0 / 200);
}

}  // namespace
}  // namespace minke
