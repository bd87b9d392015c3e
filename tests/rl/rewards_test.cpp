#include "rl/rewards.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace minke {
namespace {

// The control's rewards: the same ones, at other places, and in the long run as many at each.
TEST(Rewards, ShuffledOnesSayNothing) {
  constexpr size_t kAnswers = 16;
  constexpr int kSteps = 4000;
  std::vector<double> sum(kAnswers);
  int moved = 0;
  for (uint64_t step = 0; step < kSteps; ++step) {
    std::vector<Score> scores(kAnswers);
    for (size_t i = 0; i < 4; ++i) scores[i].reward = scores[i].accuracy = 1;
    std::vector<Score> again = scores;
    const RngKey key = RngKey{7}.at("shuffle").at(step);
    shuffle_rewards(scores, key), shuffle_rewards(again, key);
    double total = 0;
    for (size_t i = 0; i < kAnswers; ++i) {
      total += scores[i].reward, sum[i] += scores[i].reward;
      ASSERT_EQ(scores[i].accuracy, i < 4);  // what the answers are stays
      ASSERT_EQ(scores[i].reward, again[i].reward);
      moved += scores[i].reward != scores[i].accuracy;
    }
    ASSERT_EQ(total, 4);
  }
  EXPECT_GT(moved, kSteps);
  const double sigma = std::sqrt(0.25 * 0.75 / kSteps);
  for (size_t i = 0; i < kAnswers; ++i) EXPECT_NEAR(sum[i] / kSteps, 0.25, 5 * sigma) << i;
}

}  // namespace
}  // namespace minke
