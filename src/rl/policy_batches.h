// Rollouts as the micro-batches of a step: samples of similar length together, so that little is padding; of each sample its
// prompt without targets, its answer with old losses, advantages, weights and the experts that were chosen.
// Test: tests/rl/rollouts_test.cpp.
#pragma once
#include <vector>

#include "core/rng.h"
#include "model/batch.h"
#include "rl/rollouts.h"

namespace minke {

struct PolicySample {
  const Rollout* rollout = nullptr;
  std::vector<float> advantages;  // of each token of the answer
  double weight = 0;              // of each of them (rl/advantages.h)
  size_t answer = 0;              // which of those that were drawn
};

struct PolicyBatches {
  std::vector<TokenBatch> batches;
  // Of every position of the batches, in their order: the sample and the place in its answer, or −1 (prompt, padding).
  struct Place {
    int32_t sample = -1, token = -1;
  };
  std::vector<Place> places;
};

// No micro-batch has more than `max_tokens` tokens, and no sequence more than `max_length` (which no sample exceeds).
PolicyBatches policy_batches(const std::vector<PolicySample>& samples, int64_t max_tokens, int64_t max_length,
                             int64_t moe_layers, int64_t top_k);

// A random order of n samples: one mini-batch after another.
std::vector<size_t> random_order(size_t n, const RngKey& key);

}  // namespace minke
