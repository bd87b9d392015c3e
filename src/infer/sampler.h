// Chooses the next token from logits. In this order: repetition penalty, presence and frequency penalties, bias, temperature,
// then top-k, top-p and min-p on the probabilities, then one draw keyed by (seed, sample index, position). The key knows
// neither slot nor request, so the same request gives the same text under any load, and the samples of one prompt differ
// by their index. Test: tests/infer/sampler_test.cpp.
#pragma once
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "core/rng.h"

namespace minke {

struct SamplingSettings {
  double temperature = 1;  // 0 = the most likely token, the lowest id on ties
  int64_t top_k = 0;       // 0 = all
  double top_p = 1;        // smallest set of most likely tokens with at least this much probability
  double min_p = 0;        // only tokens with at least this share of the largest probability
  // A logit of a token that prompt or answer have is divided by it if positive, multiplied otherwise (Keskar et al. 2019,
  // §4.1).
  double repetition_penalty = 1;
  // Taken from the logit of a token: presence once if the answer has it, frequency as often as the answer has it.
  double presence_penalty = 0, frequency_penalty = 0;
  std::vector<std::pair<int32_t, double>> logit_bias;  // token, added to its logit
  uint64_t seed = 0;
  bool changes_logits() const {
    return repetition_penalty != 1 || presence_penalty != 0 || frequency_penalty != 0 || !logit_bias.empty();
  }
};

// Throws UserError naming the setting that is out of range.
void validate(const SamplingSettings& settings);

struct TokenProbability {
  int32_t token;
  double probability;
};

// Keeps its memory between calls.
class Sampler {
 public:
  // Takes the memory for so many logits now.
  void reserve(size_t logits) {
    logits_.reserve(logits), all_.reserve(logits), counts_.reserve(logits), counted_.reserve(logits);
    changed_.reserve(logits);
  }
  // A copy to be changed before it is sampled from; valid until the next one.
  std::span<float> copy(std::span<const float> logits) {
    changed_.assign(logits.begin(), logits.end());
    return changed_;
  }
  static size_t bytes(size_t logits) {
    return logits * (sizeof(double) + sizeof(TokenProbability) + 2 * sizeof(int32_t) + sizeof(float));
  }
  // NaN logits count as −inf; if all are, a UserError says that the model's output is not finite. prompt and answer so far
  // are for the penalties.
  int32_t sample(std::span<const float> logits, const SamplingSettings& settings, uint64_t sample_index,
                 uint64_t position, std::span<const int32_t> prompt = {}, std::span<const int32_t> answer = {});
  // Of the token that the last sample() has drawn, among those that might be drawn.
  double log_probability_of_last() const { return last_; }
  // The probabilities that the draw uses, most likely first. Valid until the next call. A draw finds only the first of them: to
  // sort all of 49,152 took 8 ms a token, twice as long as a step of SmolLM2-135M.
  std::span<const TokenProbability> candidates(std::span<const float> logits, const SamplingSettings& settings,
                                               std::span<const int32_t> prompt = {},
                                               std::span<const int32_t> answer = {});

 private:
  void penalise(const SamplingSettings& settings, std::span<const int32_t> prompt, std::span<const int32_t> answer);
  int32_t most_likely(std::span<const float> logits, const SamplingSettings& settings, std::span<const int32_t> prompt,
                      std::span<const int32_t> answer);
  double weigh(std::span<const float> logits, const SamplingSettings& settings, std::span<const int32_t> prompt,
               std::span<const int32_t> answer);
  void sort_more();
  std::vector<double> logits_;
  std::vector<float> changed_;
  std::vector<int32_t> counts_, counted_;  // how often each token occurs; those that do
  std::vector<TokenProbability> all_;      // that may be drawn
  double last_ = 0;
  size_t sorted_ = 0;  // the first of all_, which are the most likely, in order
};

// Natural logarithms of the probabilities that the model itself gives, before any setting: of `token`, and of the n most
// likely tokens, most likely first.
struct LogProbabilities {
  double chosen = 0;
  std::vector<std::pair<int32_t, double>> top;
};
LogProbabilities log_probabilities(std::span<const float> logits, int32_t token, int64_t n);

}  // namespace minke
