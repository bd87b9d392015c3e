#include "bench/cache_bench.h"

#include <algorithm>
#include <cmath>

namespace minke {
namespace {

// The logits with which each token of the window's second half would have been chosen, [window − half, V].
std::vector<float> given_answer(const Context& ctx, Engine& engine, std::span<const int32_t> window) {
  const size_t half = window.size() / 2;
  std::vector<float> all;
  Request r{.prompt = {window.begin(), window.begin() + ptrdiff_t(half)}, .max_new = int64_t(window.size() - half)};
  r.choose = [&](std::span<const float> logits, int64_t position) {
    all.insert(all.end(), logits.begin(), logits.end());
    return window[size_t(position)];
  };
  generate(ctx, engine, std::move(r), [](const NewToken&) { return true; });
  return all;
}

double log_sum(std::span<const float> logits) {
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(x - top);
  return top + std::log(sum);
}

// Adds what one token says, as sums.
void compare(std::span<const float> f32, std::span<const float> other, int32_t token, CacheCost& cost) {
  const double a = log_sum(f32), b = log_sum(other);
  for (size_t i = 0; i < f32.size(); ++i) cost.kl += std::exp(f32[i] - a) * ((f32[i] - a) - (other[i] - b));
  const auto top = [](std::span<const float> x) { return std::max_element(x.begin(), x.end()) - x.begin(); };
  cost.same_top += top(f32) == top(other);
  cost.nats += b - other[size_t(token)];
  cost.nats_of_f32 += a - f32[size_t(token)];
  ++cost.tokens;
}

}  // namespace

EngineSettings cache_bench_settings(int64_t window, CacheFormat format) {
  return {.max_context = window, .cache = dtype_of(format)};
}

std::vector<CacheCost> cache_costs(const Context& ctx, const Model& model, std::span<const int32_t> text,
                                   int64_t window) {
  check(window >= 2, "cache_costs: a window of at least two tokens");
  if (int64_t(text.size()) < window)
    user_error("the text has {} tokens, fewer than a window of {}: give more text or a smaller --window", text.size(),
               window);
  const auto engine = [&](CacheFormat format) { return Engine(ctx, model, cache_bench_settings(window, format)); };
  Engine f32 = engine(CacheFormat::f32);
  std::vector<CacheCost> costs{{.format = CacheFormat::bf16}};
  if (model.config().attention == AttentionKind::mla) costs.push_back({.format = CacheFormat::fp8});
  std::vector<Engine> others;
  for (const CacheCost& c : costs) others.push_back(engine(c.format));
  const size_t vocab = size_t(model.config().vocab_size), half = size_t(window) / 2;
  for (; int64_t(text.size()) >= window; text = text.subspan(size_t(window))) {
    const std::vector<float> expected = given_answer(ctx, f32, text.first(size_t(window)));
    for (size_t i = 0; i < costs.size(); ++i) {
      const std::vector<float> got = given_answer(ctx, others[i], text.first(size_t(window)));
      for (size_t t = 0; t < expected.size() / vocab; ++t)
        compare(std::span(expected).subspan(t * vocab, vocab), std::span(got).subspan(t * vocab, vocab), text[half + t],
                costs[i]);
    }
  }
  for (CacheCost& c : costs)
    for (double* sum : {&c.kl, &c.same_top, &c.nats, &c.nats_of_f32}) *sum /= double(c.tokens);
  return costs;
}

}  // namespace minke
