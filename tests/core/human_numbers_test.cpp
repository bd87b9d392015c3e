#include "core/human_numbers.h"

#include <gtest/gtest.h>

namespace minke {
namespace {

TEST(HumanNumbers, HaveAFewFigures) {
  EXPECT_EQ(human_time(45), "45 s");
  EXPECT_EQ(human_time(840), "14 min");
  EXPECT_EQ(human_time(11520), "3.2 h");
  EXPECT_EQ(human_time(-1), "?");
  EXPECT_EQ(human_count(950), "950");
  EXPECT_EQ(human_count(4.2e6), "4.2M");
  EXPECT_EQ(human_bytes(3 * 1024.0 * 1024 * 1024), "3.0 GiB");
  EXPECT_EQ(human_bytes(12), "12 B");
}

}  // namespace
}  // namespace minke
