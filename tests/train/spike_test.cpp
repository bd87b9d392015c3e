#include "train/spike.h"

#include <gtest/gtest.h>

#include <cmath>

namespace minke {
namespace {

TEST(SpikeGuard, WhatIsNotFiniteIsAlwaysASpike) {
  const SpikeGuard guard;
  EXPECT_TRUE(guard.is_spike(std::nan("")));
  EXPECT_TRUE(guard.is_spike(INFINITY));
  EXPECT_FALSE(guard.is_spike(1e9));
}

TEST(SpikeGuard, JumpsAboveTheMeanOfTheLastGoodSteps) {
  SpikeGuard guard(1.0);
  for (size_t i = 0; i + 1 < SpikeGuard::kArmedAfter; ++i) guard.add_good(3);
  EXPECT_FALSE(guard.is_spike(100)) << "armed too early";
  guard.add_good(3);
  EXPECT_TRUE(guard.is_spike(4.01));
  EXPECT_FALSE(guard.is_spike(3.99));
  EXPECT_FALSE(guard.is_spike(-5));
  for (size_t i = 0; i < SpikeGuard::kWindow; ++i) guard.add_good(2);  // the mean follows
  EXPECT_TRUE(guard.is_spike(3.01));
  SpikeGuard other(1.0);
  other.restore(guard.window());
  EXPECT_TRUE(other.is_spike(3.01));
  EXPECT_FALSE(other.is_spike(2.99));
}

}  // namespace
}  // namespace minke
