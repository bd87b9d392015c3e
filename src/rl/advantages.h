// GRPO's advantages (V2 eq. 34, V3 eq. 28, R1 eq. 3; docs/recipe/post-training.md §3) and what each token weighs in the loss.
// Pure functions. Test: tests/rl/advantages_test.cpp.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "recipe/choices.h"

namespace minke {

// Of the samples of one prompt: A_i = (r_i − mean) / std, by the population's or the sample's deviation; none: r_i − mean
// (Dr. GRPO). Rewards that are all the same have advantages of 0: the group teaches nothing.
std::vector<double> group_advantages(std::span<const double> rewards, RewardDeviation deviation);
bool all_the_same(std::span<const double> rewards);

// What each token of a sample of `length` tokens weighs in the loss of a step of `samples` samples with `tokens` tokens in all, of
// which none has more than `most`: tokens: 1/tokens; sequences: 1/(samples · length) (V2 eq. 32); constant: 1/(samples · most)
// (Dr. GRPO: a long wrong answer is punished no less than a short one).
double token_weight(LossDivision division, int64_t length, int64_t samples, int64_t tokens, int64_t most);

}  // namespace minke
