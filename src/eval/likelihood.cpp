#include "eval/likelihood.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "kernels/dry_run.h"
#include "model/checkpoint.h"

namespace minke {

void check_finite(double of_model) {
  if (!std::isfinite(of_model))
    user_error("the model's output is not finite: its weights are damaged or training has diverged");
}

Likelihood::Likelihood(const Context& ctx, Model& model, int64_t max_length, int64_t batch)
    : model_(&model),
      max_length_(max_length),
      batch_(batch),
      arena_(ctx.backend->memory(),
             model.saved_bytes(Model::tokens_per_batch(model.config(), max_length * batch, 1, false), false)),
      buffers_(ctx, max_length * batch, 0) {
  check(max_length <= model.max_positions(), "Likelihood: the model has rotary positions for max_length");
}

size_t Likelihood::scratch_bytes(const Context& ctx, const Config& config, const Precision& precision,
                                 int64_t max_length, int64_t batch) {
  DryRun dry(ctx);
  Model model(dry.ctx(), config, precision, max_length);
  load_nothing(dry.ctx(), model);
  Likelihood likelihood(dry.ctx(), model, max_length, batch);
  likelihood.run_longest(dry.ctx());
  return dry.scratch_bytes();
}

void Likelihood::run_longest(const Context& ctx) {
  Continuation longest;
  longest.prompt.assign(1, 0);
  longest.text.assign(size_t(std::max<int64_t>(max_length_ - 1, 1)), 0);
  const std::vector<Continuation> all(size_t(batch_), longest);
  std::vector<LogLikelihood> out;
  run(ctx, all.data(), batch_, out);
}

std::vector<LogLikelihood> Likelihood::operator()(const Context& ctx, const std::vector<Continuation>& all) {
  for (const Continuation& c : all) {
    check(!c.prompt.empty() && !c.text.empty(), "Likelihood: prompt and text have tokens");
    if (int64_t(c.prompt.size() + c.text.size()) > max_length_)
      user_error("a prompt of {} tokens with a continuation of {} is longer than the {} tokens that the model takes",
                 c.prompt.size(), c.text.size(), max_length_);
  }
  std::vector<LogLikelihood> out;
  for (size_t i = 0; i < all.size(); i += size_t(batch_))
    run(ctx, &all[i], std::min<int64_t>(batch_, int64_t(all.size() - i)), out);
  return out;
}

void Likelihood::run(const Context& ctx, const Continuation* first, int64_t count, std::vector<LogLikelihood>& out) {
  int64_t length = 0;  // inputs: all tokens but the last
  for (int64_t s = 0; s < count; ++s)
    length = std::max(length, int64_t(first[s].prompt.size() + first[s].text.size()) - 1);
  std::vector<int32_t> tokens(size_t(count * length), 0);
  std::vector<int32_t> targets(tokens.size(), -1);
  for (int64_t s = 0; s < count; ++s) {
    std::vector<int32_t> ids = first[s].prompt;
    ids.insert(ids.end(), first[s].text.begin(), first[s].text.end());
    for (size_t i = 0; i + 1 < ids.size(); ++i) tokens[size_t(s * length) + i] = ids[i];
    for (size_t i = first[s].prompt.size(); i < ids.size(); ++i) targets[size_t(s * length) + i - 1] = ids[i];
  }
  const std::vector<Batch>& batches = buffers_.fill(ctx, tokens, targets, count, length);
  const ArenaScope scope(arena_);
  const ModelSaved saved =
      model_->lay_out_saved(arena_, Model::tokens_per_batch(model_->config(), count, length, false), false);
  model_->forward(ctx, batches, saved);
  // Logits of a few rows at a time, and only where something is asked for.
  const int64_t vocab = model_->config().vocab_size;
  constexpr int64_t kRows = LmHead::kHostRows;
  std::vector<float> host(size_t(kRows * vocab));
  const size_t begin_out = out.size();
  out.resize(begin_out + size_t(count), {0, true});
  for (int64_t begin = 0; begin < count * length; begin += kRows) {
    const int64_t end = std::min(begin + kRows, count * length);
    if (std::all_of(targets.begin() + begin, targets.begin() + end, [](int32_t t) { return t < 0; })) continue;
    model_->head().logits_to_host(ctx, saved.h.slice(0, begin, end), host.data());
    for (int64_t n = begin; n < end; ++n) {
      const int32_t target = targets[size_t(n)];
      if (target < 0) continue;
      const std::span<const float> row(host.data() + (n - begin) * vocab, size_t(vocab));
      LogLikelihood& l = out[begin_out + size_t(n / length)];
      const float best = *std::max_element(row.begin(), row.end());
      double sum = 0;
      for (float x : row) sum += std::exp(double(x) - double(best));
      l.nats += double(row[size_t(target)]) - double(best) - std::log(sum);
      check_finite(l.nats);
      l.greedy = l.greedy && row[size_t(target)] >= best;
    }
  }
}

}  // namespace minke
