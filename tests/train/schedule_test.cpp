#include "train/schedule.h"

#include <gtest/gtest.h>

namespace minke {
namespace {

// docs/recipe/training.md §1: x = 5T: 2.2e-4; 12.15T: 1.21e-4; 14.3T: 2.2e-5; 14.7T: 7.3e-6.
TEST(Schedule, V3CheckValues) {
  const LrSchedule s = v3_schedule();
  EXPECT_DOUBLE_EQ(learning_rate(s, 999, 0.06e12), 1.1e-4);  // half of the warm-up
  EXPECT_DOUBLE_EQ(learning_rate(s, 1999, 0.1e12), 2.2e-4);
  EXPECT_DOUBLE_EQ(learning_rate(s, 100000, 5e12), 2.2e-4);
  EXPECT_NEAR(learning_rate(s, 200000, 12.15e12), 1.21e-4, 1e-16);
  EXPECT_DOUBLE_EQ(learning_rate(s, 230000, 14.3e12), 2.2e-5);
  EXPECT_DOUBLE_EQ(learning_rate(s, 235000, 14.7e12), 7.3e-6);
}

TEST(Schedule, StepScheduleOfV1) {
  LrSchedule s{.peak = 4.2e-4, .warmup_steps = 2000, .drops = {{0.8, 0.316}, {0.9, 0.316}}};
  EXPECT_DOUBLE_EQ(learning_rate(s, 5000, 0.79), 4.2e-4);
  EXPECT_DOUBLE_EQ(learning_rate(s, 5000, 0.8), 4.2e-4 * 0.316);
  EXPECT_DOUBLE_EQ(learning_rate(s, 5000, 0.95), 4.2e-4 * 0.316 * 0.316);
}

TEST(Schedule, WeightsThatFollowTheDecay) {
  const LrSchedule s = v3_schedule();
  EXPECT_EQ(mtp_weight({0.3, 0.1}, s, 9.9e12), 0.3);
  EXPECT_EQ(mtp_weight({0.3, 0.1}, s, 10e12), 0.1);
  EXPECT_EQ(bias_speed(0.001, s, 14.2e12), 0.001);
  EXPECT_EQ(bias_speed(0.001, s, 14.3e12), 0);
}

TEST(Schedule, AverageDecayRampsUp) {
  EXPECT_DOUBLE_EQ(average_decay(0.999, 0), 0.1);
  EXPECT_DOUBLE_EQ(average_decay(0.999, 1), 2.0 / 11);
  EXPECT_DOUBLE_EQ(average_decay(0.999, 8990), 8991.0 / 9000);  // = 0.999
  EXPECT_DOUBLE_EQ(average_decay(0.999, 9100), 0.999);
  EXPECT_DOUBLE_EQ(average_decay(0.05, 0), 0.05);
}

TEST(Schedule, NeverNegativeAndMonotoneAfterWarmUp) {
  const LrSchedule s{
      .peak = 1, .warmup_steps = 10, .decay_begin = 50, .decay_end = 90, .low = 0.1, .last_begin = 95, .last = 0.03};
  double last = 1;
  for (int step = 10; step < 120; ++step) {
    const double lr = learning_rate(s, step, step);
    EXPECT_LE(lr, last + 1e-15);
    EXPECT_GE(lr, 0.03);
    last = lr;
  }
}

}  // namespace
}  // namespace minke
