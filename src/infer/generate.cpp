#include "infer/generate.h"

#include <algorithm>

#include "kernels/dry_run.h"

namespace minke {

Generator::Generator(const Context& ctx, const Model& model, int64_t max_tokens, int64_t prefill_chunk)
    : model_(&model),
      cache_(ctx, model, max_tokens),
      chunk_(std::min(prefill_chunk, max_tokens)),
      ids_(ctx.backend->memory(), DType::i32, {2, chunk_}),
      h_(ctx.backend->memory(), model.precision().activation, {chunk_, model.config().hidden_size}),
      logits_(ctx.backend->memory(), DType::f32, {1, model.config().vocab_size}),
      host_logits_(size_t(model.config().vocab_size)) {
  check(max_tokens >= 1 && max_tokens <= model.max_positions(), "Generator: max_tokens");
}

size_t Generator::scratch_bytes(const Context& ctx, const Config& config, const Precision& precision,
                                int64_t max_tokens) {
  DryRun dry(ctx);
  const Model model(dry.ctx(), config, precision, max_tokens);
  Generator(dry.ctx(), model, max_tokens).run_longest(dry.ctx());
  return dry.scratch_bytes();
}

void Generator::run_longest(const Context& ctx) {
  if (cache_.capacity() > 1) feed(ctx, std::vector<int32_t>(size_t(cache_.capacity() - 1)));
  feed(ctx, std::vector<int32_t>(1));
}

std::span<const float> Generator::feed(const Context& ctx, std::span<const int32_t> tokens) {
  check(!tokens.empty(), "Generator::feed: no tokens");
  if (cache_.length() + int64_t(tokens.size()) > cache_.capacity())
    user_error(
        "the context is full: it has {} tokens and {} more were given, but it holds only {}; use a larger --ctx-size",
        cache_.length(), tokens.size(), cache_.capacity());
  for (size_t begin = 0; begin < tokens.size(); begin += size_t(chunk_)) {
    const int64_t n = std::min<int64_t>(chunk_, int64_t(tokens.size() - begin));
    std::vector<int32_t> positions(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) positions[i] = int32_t(cache_.length() + i);
    Batch batch;
    batch.num_tokens = n;
    batch.sequence_offsets = {0, n};
    batch.tokens = ids_.operand().at(0, 0).slice(0, 0, n);
    batch.positions = ids_.operand().at(0, 1).slice(0, 0, n);
    ctx.backend->upload(ctx, {.host = tokens.data() + begin, .device = batch.tokens});
    ctx.backend->upload(ctx, {.host = positions.data(), .device = batch.positions});
    const Operand h = h_.operand().slice(0, 0, n);
    model_->forward_cached(ctx, batch, cache_.layers(), h);
    if (begin + size_t(n) == tokens.size()) model_->head().logits(ctx, h.slice(0, n - 1, n), logits_);
    ctx.backend->synchronize(ctx);  // positions go
  }
  ctx.backend->download(ctx, {.device = logits_, .host = host_logits_.data()});
  return host_logits_;
}

std::vector<int32_t> Generator::generate(const Context& ctx, std::span<const int32_t> prompt, int64_t max_new,
                                         const SamplingSettings& settings,
                                         const std::function<bool(int32_t)>& on_token) {
  validate(settings);
  std::vector<int32_t> made;
  std::span<const float> logits = feed(ctx, prompt);
  while (int64_t(made.size()) < max_new) {
    made.push_back(sample(logits, settings, uint64_t(cache_.length())));
    if (!on_token(made.back()) || int64_t(made.size()) == max_new || cache_.length() == cache_.capacity()) break;
    logits = feed(ctx, {&made.back(), 1});
  }
  return made;
}

}  // namespace minke
