// Chooses the next token from logits: temperature, then top-k, top-p and min-p on the probabilities, then one draw keyed by
// (seed, position). So the same seed gives the same text in any batch. Test: tests/infer/sampler_test.cpp.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/rng.h"

namespace minke {

struct SamplingSettings {
  double temperature = 1;  // 0 = the most likely token, the lowest id on ties
  int64_t top_k = 0;       // 0 = all
  double top_p = 1;        // smallest set of most likely tokens with at least this much probability
  double min_p = 0;        // only tokens with at least this share of the largest probability
  uint64_t seed = 0;
};

// Throws UserError naming the setting that is out of range.
void validate(const SamplingSettings& settings);

// NaN logits count as −inf; if all are, a UserError says that the model's output is not finite.
int32_t sample(std::span<const float> logits, const SamplingSettings& settings, uint64_t position);

// The probabilities that the draw uses, most likely first: (token, probability).
std::vector<std::pair<int32_t, double>> candidates(std::span<const float> logits, const SamplingSettings& settings);

}  // namespace minke
