#include "infer/speculation.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/clock.h"

namespace minke {
namespace {

// Marks the experts of rows [first, last) of [N, K]; returns how many were not marked before.
int64_t mark(std::span<const int32_t> experts, int64_t choices, int64_t first, int64_t last,
             std::vector<uint8_t>& is_chosen) {
  int64_t fresh = 0;
  for (int64_t i = first * choices; i < last * choices; ++i) {
    uint8_t& chosen = is_chosen[size_t(experts[size_t(i)])];
    fresh += chosen == 0;
    chosen = 1;
  }
  return fresh;
}

}  // namespace

SpeculationCounts SpeculationCounts::since(const SpeculationCounts& b) const {
  return {drafted - b.drafted, accepted - b.accepted, steps - b.steps,
          tokens - b.tokens,   bytes - b.bytes,       plain_bytes - b.plain_bytes};
}

std::string SpeculationCounts::text() const {
  if (steps == 0) return fmt::format("drafts: {} of {} accepted", accepted, drafted);
  return fmt::format(
      "drafts: {} of {} accepted ({:.0f} %), {:.2f} tokens a step; by the bytes of the weights at most {:.2f} x as "
      "fast as "
      "without",
      accepted, drafted, 100 * acceptance(), tokens_per_step(), bound());
}

Speculation::Speculation(const Context& ctx, const Model& model, const EngineSettings& s, const LayerCache& cache)
    : model_(&model),
      settings_(s),
      cache_(cache),
      automatic_(s.speculation == SpeculationMode::automatic),
      weights_(weight_bytes(model)),
      rows_(ctx, s),
      hidden_(ctx.backend->memory(), model.precision().activation, {s.max_tokens, model.config().hidden_size}),
      logits_(ctx.backend->memory(), DType::f32, {s.max_sequences, model.config().vocab_size}),
      host_logits_(size_t(s.max_sequences * model.config().vocab_size)),
      is_chosen_(size_t(model.config().n_routed_experts)) {
  check(!model.mtp().empty(), "Speculation: the model has no MTP module");
  check(s.drafts >= 1 && s.max_tokens >= s.max_sequences * (1 + s.drafts), "Speculation: max_tokens");
  for (Tensor& h : h_)
    h = Tensor(ctx.backend->memory(), model.precision().activation, {s.max_sequences, model.config().hidden_size});
  if (model.mtp().front().block().moe()) {
    d_experts_ = Tensor(ctx.backend->memory(), DType::i32, {s.max_tokens, model.config().num_experts_per_tok});
    host_experts_.resize(size_t(d_experts_.operand().size()));
  }
  drafting_.reserve(size_t(s.max_sequences));
}

int32_t Speculation::draft(Sampler& sampler, std::span<const float> logits, const Sequence& s) {
  const std::span<const int32_t> all(s.tokens);
  SamplingSettings sampling = s.request.sampling;
  if (s.request.choose) sampling.temperature = 0;
  return sampler.sample(logits, sampling, s.request.sample_index, uint64_t(s.tokens.size() + s.drafts.size()),
                        s.request.prompt, all.subspan(s.request.prompt.size()));
}

Speculation::Summary Speculation::summary(std::span<Sequence* const> sequences) {
  Summary sum;
  for (const Sequence* s : sequences) {
    ++(s->in_prompt() ? sum.prompts : sum.answers);
    sum.rows += s->rows;
    if (s->sampled == 0) continue;
    sum.drafted += s->sampled - 1;
    sum.accepted += s->kept - (s->rows - s->sampled) - 1;
  }
  return sum;
}

bool Speculation::finish_step(const Context& ctx, std::span<Sequence* const> sequences,
                              std::span<const int32_t> experts, double seconds, Sampler& sampler) {
  const Summary step = summary(sequences);
  const auto begin = Clock::now();
  follow(ctx, sequences, sampler);
  counts_.drafted += step.drafted;
  counts_.accepted += step.accepted;
  if (step.with_drafts()) count(step, sequences, experts);
  if (!automatic_) return true;
  const double module = seconds_since(begin);
  if (step.prompts > 0) pace_.prompt_step(step.answers, seconds, module, step.accepted);
  else if (step.drafted == 0) pace_.plain_step(step.answers, seconds, module);
  else pace_.drafted_step(step.answers, seconds + module, step.answers + step.accepted);
  return pace_.on() || !step.with_drafts();
}

void Speculation::follow(const Context& ctx, std::span<Sequence* const> sequences, Sampler& sampler) {
  rows_.clear(), drafting_.clear();
  module_bytes_ = 0;
  int64_t rows = 0;  // of the model's step
  for (Sequence* s : sequences) {
    rows += s->rows;
    s->drafts.clear();
    if (!s->followed) continue;
    rows_.add(*s, s->cached, s->kept, 1, s->as_prompt);
    rows_.add_previous(s->first_row, s->kept);
    if (s->sampled == 0 || s->ending != Ending::none || s->room_for_drafts() < 1) continue;
    rows_.want_last(1);
    drafting_.push_back(s);
  }
  if (rows_.count() == 0) return;
  draft_next(ctx, hidden(rows), 0, sampler);
  for (int64_t pass = 1; pass < settings_.drafts && !drafting_.empty(); ++pass) {
    rows_.clear();
    size_t kept = 0;
    for (size_t i = 0; i < drafting_.size(); ++i) {
      Sequence* s = drafting_[i];
      if (s->room_for_drafts() <= pass) continue;
      rows_.add(*s, int64_t(s->tokens.size()) - 2 + pass, 1, 1, false);
      rows_.add_previous(int64_t(i), 1);
      rows_.want_last(1);
      drafting_[kept++] = s;
    }
    const int64_t before = int64_t(drafting_.size());
    drafting_.resize(kept);
    if (kept > 0) draft_next(ctx, h_[size_t(pass - 1) % 2].operand().slice(0, 0, before), pass, sampler);
  }
}

// One pass of the module over rows_, and a draft more for each of drafting_.
void Speculation::draft_next(const Context& ctx, const Operand& h_previous, int64_t pass, Sampler& sampler) {
  const int64_t vocab = model_->config().vocab_size, samples = rows_.num_wanted(), n = rows_.count();
  Step& step = rows_.upload(ctx);
  if (d_experts_) step.experts = d_experts_.operand().slice(0, 0, n).split(0, n);
  const Operand logits = logits_.operand().slice(0, 0, samples);
  model_->draft(ctx, step, h_previous, cache_, h_[size_t(pass % 2)].operand().slice(0, 0, samples), logits);
  int64_t experts = 0;
  if (step.experts && step.num_prompt_tokens == 0) {
    ctx.backend->download(ctx, {.device = step.experts, .host = host_experts_.data()});
    std::fill(is_chosen_.begin(), is_chosen_.end(), 0);
    experts = mark(host_experts_, model_->config().num_experts_per_tok, 0, n, is_chosen_);
  }
  module_bytes_ += weights_.mtp + weights_.mtp_expert * double(experts) + weights_.token * double(n) +
                   (samples > 0 ? weights_.head : 0);
  if (samples == 0) return ctx.backend->synchronize(ctx);
  ctx.backend->download(ctx, {.device = logits, .host = host_logits_.data()});
  for (int64_t i = 0; i < samples; ++i)
    drafting_[size_t(i)]->drafts.push_back(
        draft(sampler, std::span(host_logits_).subspan(size_t(i * vocab), size_t(vocab)), *drafting_[size_t(i)]));
}

void Speculation::count(const Summary& step, std::span<Sequence* const> sequences, std::span<const int32_t> experts) {
  counts_.steps += step.answers;
  counts_.tokens += step.answers + step.accepted;
  double bytes = weights_.all_tokens, plain = weights_.all_tokens;
  const int64_t choices = model_->config().num_experts_per_tok;
  for (size_t layer = 0; layer < weights_.one_expert.size(); ++layer) {
    const auto of_layer = experts.subspan(layer * size_t(step.rows * choices), size_t(step.rows * choices));
    std::fill(is_chosen_.begin(), is_chosen_.end(), 0);
    int64_t of_first = 0, others = 0;
    for (const Sequence* s : sequences) of_first += mark(of_layer, choices, s->first_row, s->first_row + 1, is_chosen_);
    for (const Sequence* s : sequences)
      others += mark(of_layer, choices, s->first_row + 1, s->first_row + s->rows, is_chosen_);
    plain += weights_.one_expert[layer] * double(of_first);
    bytes += weights_.one_expert[layer] * double(of_first + others);
  }
  counts_.plain_bytes += plain + weights_.token * double(step.answers);
  counts_.bytes += bytes + weights_.token * double(step.rows) + module_bytes_;
}

}  // namespace minke
