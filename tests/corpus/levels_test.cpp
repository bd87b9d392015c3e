#include "corpus/levels.h"

#include <gtest/gtest.h>

#include <set>

#include "core/error.h"

namespace minke {
namespace {

TEST(Levels, AreReadAsTheyAreWritten) {
  EXPECT_EQ(parse_levels("3", {3, 6}, "x").bits, 0b1000u);
  EXPECT_EQ(parse_levels("3-5", {3, 6}, "x").bits, 0b111000u);
  EXPECT_EQ(parse_levels("3,5", {3, 6}, "x").bits, 0b101000u);
  EXPECT_EQ(parse_levels("5,3-4,3", {3, 6}, "x").bits, 0b111000u);
  for (const char* wrong : {"", " ", "2", "7", "3-7", "2-3", "5-4", "3-", "-3", "3,", ",3", "3 4", "3-4-5", "a", "3x",
                            "4294967299", "00000000000003"})
    EXPECT_THROW(parse_levels(wrong, {3, 6}, "x"), UserError) << wrong;
  EXPECT_THROW(parse_levels("1", {}, "x"), UserError);  // there are none
}

TEST(Levels, EachIsPickedAsOften) {
  const Levels levels = parse_levels("2,4,5", {1, 5}, "x");
  EXPECT_EQ(levels.count(), 3);
  EXPECT_EQ(levels.nth(0), 2);
  EXPECT_EQ(levels.nth(2), 5);
  EXPECT_TRUE(Levels{}.empty());
  EXPECT_TRUE(Levels::range({}).empty());
  Rng rng{RngKey{3}};
  int count[6] = {};
  for (int i = 0; i < 3000; ++i) ++count[levels.pick(rng)];
  for (int level : {2, 4, 5}) EXPECT_NEAR(count[level], 1000, 120);
  EXPECT_EQ(count[1] + count[3], 0);
}

}  // namespace
}  // namespace minke
