// How often things are run; that times are times. How long they take decides nothing.
#include "bench/measure.h"

#include <gtest/gtest.h>

#include <string>

namespace minke {
namespace {

TEST(Measure, RunsOnceUncountedThenThreeTimesAtLeast) {
  std::string order;
  const Timing t = measure(
      0, [&] { order += "r"; }, [&] { order += "b"; });
  EXPECT_EQ(order, "brbrbrbr");
  EXPECT_EQ(t.runs, 3);
  EXPECT_TRUE(t.best >= 0 && t.median >= t.best && t.core_seconds >= 0);
}

TEST(Measure, GoesOnUntilTheTimeIsOver) {
  const double begin = seconds_now();
  const Timing t = measure(0.02, [] {});
  EXPECT_GE(seconds_now() - begin, 0.02);
  EXPECT_GE(t.runs, 3);
}

TEST(Measure, Median) {
  EXPECT_EQ(median({3}), 3);
  EXPECT_EQ(median({5, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 9}), 3);
}

}  // namespace
}  // namespace minke
