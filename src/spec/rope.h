// Rotary frequencies and the attention temperature that goes with them.
// Source: docs/recipe/architecture.md §5 (V2 §3.1.4, V3 §4.3). The papers do not say which mscale to use if one is missing;
// there minke does the same as the transformers library for DeepSeek. Test: tests/spec/rope_test.cpp.
#pragma once
#include <cstdint>
#include <vector>

#include "spec/config.h"

namespace minke {

// Angle per position of rotary pair i, for i in [0, rope_dim/2): angle = position · frequency[i].
std::vector<double> rope_frequencies(const Config& config);

// The factor of attention scores before the softmax: qk_head_dim^-0.5, times mscale² for MLA with rope scaling.
double softmax_scale(const Config& config);

// The factor of the cos and sin tables: 1 without YaRN. With YaRN it is attention_factor if given,
// mscale(s, mscale)/mscale(s, mscale_all_dim) if both are given, else mscale(s, 1).
double rope_table_factor(const Config& config);

// 0.1·m·ln(factor) + 1 for factor > 1, else 1.
double yarn_mscale(double factor, double m);

// The pair indices between which YaRN passes from plain to stretched frequencies: low = max(floor(corr(beta_fast)), 0),
// high = min(ceil(corr(beta_slow)), dim − 1), corr(r) = dim · ln(original/(2π r)) / (2 ln theta).
struct YarnRange {
  int64_t low, high;
};
YarnRange yarn_range(int64_t dim, double theta, int64_t original_positions, double beta_fast, double beta_slow);

}  // namespace minke
