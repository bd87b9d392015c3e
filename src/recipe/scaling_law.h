// DeepSeek LLM's scaling rules (LLM §3; docs/recipe/training.md §1): learning rate and batch size for a compute budget
// C = M·D, with M the non-embedding training FLOPs per token and D the tokens. They were fitted on dense models with 1e17
// to 2e19 FLOPs, so they are only a starting point. Test: the scaling.* figures of tests/expected.
#pragma once
#include <cmath>

namespace minke {

inline double suggested_lr(double compute_flop) { return 0.3118 * std::pow(compute_flop, -0.1250); }
inline double suggested_batch_tokens(double compute_flop) { return 0.2920 * std::pow(compute_flop, 0.3271); }

}  // namespace minke
