// What a format of the KV cache costs: logits of a text with it, beside those with a cache in F32. Of windows of the text the first
// half is a prompt and the rest an answer that is given, so that both forms of attention read the cache.
// Test: tests/bench/cache_bench_test.cpp.
#pragma once
#include <span>
#include <vector>

#include "infer/engine.h"

namespace minke {

struct CacheCost {
  CacheFormat format = CacheFormat::bf16;
  int64_t tokens = 0;                // whose logits are compared
  double kl = 0;                     // mean of KL(with F32 ‖ with the format), nats
  double same_top = 0;               // share of tokens with the same most likely next one
  double nats = 0, nats_of_f32 = 0;  // of the text, a token
};

// Of the formats that the model's attention has: bf16, and fp8 with MLA. UserError if the text has fewer than `window` tokens.
std::vector<CacheCost> cache_costs(const Context& ctx, const Model& model, std::span<const int32_t> text,
                                   int64_t window);
EngineSettings cache_bench_settings(int64_t window, CacheFormat format);

}  // namespace minke
