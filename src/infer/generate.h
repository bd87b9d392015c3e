// Generation for one sequence: prefill of the prompt in chunks, then one token after another with the latent cache. Token
// ids only, no text. Test: tests/infer/generate_test.cpp (logits equal those of training within a stated bound).
#pragma once
#include <functional>

#include "infer/latent_cache.h"
#include "infer/sampler.h"

namespace minke {

class Generator {
 public:
  // max_tokens: prompt and answer together.
  Generator(const Context& ctx, const Model& model, int64_t max_tokens, int64_t prefill_chunk = 512);

  // Appends tokens to the sequence and returns the logits of the last one (f32 [V], valid until the next call).
  std::span<const float> feed(const Context& ctx, std::span<const int32_t> tokens);

  // Samples up to max_new tokens after `prompt`; on_token returns false to stop. Returns the new tokens.
  std::vector<int32_t> generate(const Context& ctx, std::span<const int32_t> prompt, int64_t max_new,
                                const SamplingSettings& settings, const std::function<bool(int32_t)>& on_token);

  LatentCache& cache() { return cache_; }

  // A full context, prompt and one token: on a dry run, what all others need at most.
  void run_longest(const Context& ctx);
  // What a generator of so many tokens takes of the scratch arena at most: a dry run.
  static size_t scratch_bytes(const Context& ctx, const Config& config, const Precision& precision, int64_t max_tokens);

 private:
  const Model* model_;
  LatentCache cache_;
  int64_t chunk_;
  Tensor ids_;  // i32 [2, chunk]: tokens, positions
  Tensor h_, logits_;
  std::vector<float> host_logits_;
};

}  // namespace minke
