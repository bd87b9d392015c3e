// Known answers: the Random123 distribution's kat_vectors for philox4x32 with 10 rounds.
#include "core/rng.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace minke {
namespace {

using Block = std::array<uint32_t, 4>;

TEST(Rng, PhiloxKnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}), (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Rng, KeysOfDifferentPartsDiffer) {
  const RngKey root{42};
  std::set<uint64_t> first;
  for (uint64_t layer = 0; layer < 100; ++layer)
    for (uint64_t step = 0; step < 100; ++step) first.insert(root.at("dropout").at(layer).at(step).u64(0));
  EXPECT_EQ(first.size(), 10000u);  // a collision of 64-bit numbers has a chance of 3e-12
  EXPECT_NE(root.at("a").u64(0), root.at("b").u64(0));
  EXPECT_NE(root.at(1).at(2).u64(0), root.at(2).at(1).u64(0));
  EXPECT_NE(root.at("a").u64(0), (RngKey{43}.at("a").u64(0)));
  EXPECT_EQ(root.at("a").u64(5), root.at("a").u64(5));
}

// Bounds are 5 standard deviations of the estimate over n draws.
TEST(Rng, UniformAndNormalMoments) {
  const int n = 100000;
  const RngKey key = RngKey{7}.at("moments");
  double u1 = 0, u2 = 0, n1 = 0, n2 = 0, n4 = 0;
  for (int i = 0; i < n; ++i) {
    const double u = key.uniform(uint64_t(i)), z = key.at("z").normal(uint64_t(i));
    ASSERT_TRUE(u >= 0 && u < 1);
    u1 += u, u2 += u * u, n1 += z, n2 += z * z, n4 += z * z * z * z;
  }
  const double five = 5 / std::sqrt(double(n));
  EXPECT_TRUE(std::abs(u1 / n - 0.5) <= five * std::sqrt(1.0 / 12));
  EXPECT_TRUE(std::abs(u2 / n - 1.0 / 3) <= five * std::sqrt(4.0 / 45));
  EXPECT_TRUE(std::abs(n1 / n) <= five);
  EXPECT_TRUE(std::abs(n2 / n - 1) <= five * std::sqrt(2.0));
  EXPECT_TRUE(std::abs(n4 / n - 3) <= five * std::sqrt(96.0));
}

TEST(Rng, BelowIsEvenAndInRange) {
  const RngKey key = RngKey{7}.at("below");
  int counts[7] = {};
  for (uint64_t i = 0; i < 70000; ++i) {
    const uint64_t x = key.below(i, 7);
    ASSERT_LT(x, 7u);
    ++counts[x];
  }
  for (int c : counts) EXPECT_TRUE(std::abs(c - 10000) <= 5 * std::sqrt(70000 * (1.0 / 7) * (6.0 / 7))) << c;
  EXPECT_EQ(key.below(3, 1), 0u);
  Rng rng{key};
  EXPECT_EQ(rng.below(1000), key.below(0, 1000));
  EXPECT_EQ(rng.below(1000), key.below(1, 1000));
}

}  // namespace
}  // namespace minke
