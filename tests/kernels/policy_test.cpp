// The policy objective of a token against the papers' vectors (docs/recipe/post-training.md §3) and finite differences.
#include "kernels/policy_objective.h"

#include <gtest/gtest.h>

#include <cmath>

namespace minke::test {
namespace {

TEST(PolicyObjective, ClippingVectors) {
  const PolicyTerms t{.clip_low = 0.2, .clip_high = 0.2};
  EXPECT_DOUBLE_EQ(policy_surrogate(1.5, 1, t), 1.2);
  EXPECT_DOUBLE_EQ(policy_surrogate(0.5, 1, t), 0.5);
  EXPECT_DOUBLE_EQ(policy_surrogate(1.5, -1, t), -1.5);
  EXPECT_DOUBLE_EQ(policy_surrogate(0.5, -1, t), -0.8);
}

TEST(PolicyObjective, KlVectors) {
  EXPECT_EQ(policy_kl(0), 0);
  EXPECT_NEAR(policy_kl(std::log(2)), 0.306853, 5e-7);
  EXPECT_NEAR(policy_kl(std::log(0.5)), 0.193147, 5e-7);
  EXPECT_GT(policy_kl(1e-7), 0);  // no cancellation
}

// −min(ρA, clip(ρ)A) + β(x − ln x − 1), differentiated by −log π.
TEST(PolicyObjective, WeightIsTheDerivative) {
  const auto loss = [](double nats, double old, double reference, double advantage, const PolicyTerms& t) {
    const double ratio = std::exp(old - nats), x = std::exp(nats - reference);
    return -policy_surrogate(ratio, advantage, t) + t.beta * (x - std::log(x) - 1);
  };
  size_t clipped = 0;
  for (const PolicyTerms t : {PolicyTerms{}, PolicyTerms{0.2, 0.28, 0.04}, PolicyTerms{10, 10, 0.001}})
    for (const double advantage : {-2.0, -0.5, 0.0, 1.0, 3.0})
      for (double moved = -1.05; moved < 1.1; moved += 0.1) {
        const double nats = 2, old = nats + moved, reference = nats - 0.7 * moved, h = 1e-6;
        const double numeric =
            (loss(nats + h, old, reference, advantage, t) - loss(nats - h, old, reference, advantage, t)) / (2 * h);
        EXPECT_NEAR(policy_weight(nats, old, reference, advantage, t), numeric, 1e-8 * (1 + std::abs(numeric)));
        clipped += is_clipped(std::exp(moved), advantage, t);
      }
  EXPECT_GT(clipped, 20u);
}

// A group that is skipped has no gradient, however far the policy has moved.
TEST(PolicyObjective, NoAdvantageNoWeight) {
  EXPECT_EQ(policy_weight(0, 1000, 0, 0, {}), 0);
  EXPECT_EQ(policy_weight(1000, 0, 0, 0, {}), 0);
}

// On the policy that has drawn the token the ratio is 1: the weight is the advantage itself.
TEST(PolicyObjective, OnPolicy) { EXPECT_EQ(policy_weight(1.25, 1.25, 1.25, 0.75, {.beta = 0.1}), 0.75); }

}  // namespace
}  // namespace minke::test
