// A reward model as a judge: its scores as chances.
#include "rl/reward_judge.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace minke {
namespace {

TEST(RewardJudge, AScoreIsAChance) {
  EXPECT_EQ(preference_of(0, 0), 0.5);
  EXPECT_NEAR(preference_of(2, 0), 0.8807970779778823, 1e-15);  // 1 / (1 + e⁻²)
  EXPECT_NEAR(preference_of(2, 0) + preference_of(-2, 0), 1, 1e-15);
  EXPECT_EQ(preference_of(3, 3), 0.5);
  EXPECT_EQ(preference_of(3, 1), preference_of(2, 0));
  EXPECT_EQ(preference_of(1e30f, 0), 1);
  EXPECT_EQ(preference_of(-1e30f, 0), 0);
  EXPECT_EQ(preference_of(std::numeric_limits<float>::quiet_NaN(), 0), 0);  // too long to be read
}

}  // namespace
}  // namespace minke
