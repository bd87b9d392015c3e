#include "run/settings.h"

#include <cmath>

#include "core/error.h"
#include "data/loader.h"

namespace minke {

static_assert(kMaxSources <= kMixtureBlock / 2, "every source has its part in each block");

DocumentOptions document_options(const Recipe& r) {
  return {.text_keys = r.data.text_keys,
          .split_blank_lines = r.data.documents == DocumentBounds::blank_lines,
          .builtin_bytes = uint64_t(r.data.builtin_bytes),
          .builtin_seed = r.train.seed};
}

HeldOutOptions held_out_options(const Recipe& r) {
  if (r.data.held_out == HeldOut::tail) return {.tail_fraction = r.data.held_out_fraction};
  return {.hash_fraction = r.data.held_out_fraction};
}

PackingOptions packing_options(const Recipe& r, const Phase& phase) {
  return {.sequence_length = phase.sequence_length,
          .packing = r.data.packing == DocumentPacking::best_fit ? PackingMode::best_fit : PackingMode::concatenate,
          .seed = r.train.seed};
}

PackingOptions packing_options(const Recipe& r, const Phase& phase, const Tokenizer& tokenizer, int32_t eos) {
  PackingOptions packing = packing_options(r, phase);
  packing.fim_rate = r.data.fim_rate;
  packing.begins_with_bos = tokenizer.bos_id() >= 0;
  packing.ends_with_eos = eos >= 0;
  if (r.data.fim_rate > 0)
    packing.fim = {tokenizer.id_of("<｜fim▁begin｜>").value_or(-1), tokenizer.id_of("<｜fim▁hole｜>").value_or(-1),
                   tokenizer.id_of("<｜fim▁end｜>").value_or(-1)};
  return packing;
}

EngineSettings sample_settings(const Model& model) {
  return {.max_context = model.max_positions(), .cache = model.precision().activation};
}

Precision precision(FloatFormat format) { return format == FloatFormat::bf16 ? Precision::bf16() : Precision::f32(); }
Precision precision(const Recipe& r) { return precision(r.train.precision); }

Recompute recompute(const Recipe& r) {
  Recompute what;
  for (RecomputedPart part : r.train.recompute) (part == RecomputedPart::attention ? what.attention : what.ffn) = true;
  return what;
}

TrainSettings train_settings(const Recipe& r, const Phase& phase) {
  const auto& t = r.train;
  const double n = phase.tokens;
  TrainSettings s;
  s.lr = {.peak = t.lr,
          .warmup_steps = int64_t(std::llround(t.warmup * double(t.steps))),
          .decay_begin = t.decay_begin * n,
          .decay_end = t.decay_end * n,
          .low = t.lr * t.low_ratio,
          .last_begin = t.last_begin * n,
          .last = t.lr * t.last_ratio};
  if (t.schedule == ScheduleKind::step) {
    for (double at : t.drops) s.lr.drops.push_back({at * n, t.drop_factor});
    s.lr.decay_begin = s.lr.drops.front().at;
    s.lr.decay_end = s.lr.drops.back().at;
  }
  // Constant; decay points in the past, so what follows the decay (MTP weight, bias speed) is as it is after it.
  if (phase.lr > 0) s.lr = {.peak = phase.lr, .warmup_steps = 0, .low = phase.lr, .last_begin = INFINITY};
  s.adamw = {.beta1 = t.beta1,
             .beta2 = t.beta2,
             .eps = t.eps,
             .weight_decay = t.weight_decay,
             .clip = t.clip,
             .moments = dtype_of(t.moments)};
  s.mtp = {t.mtp_weight, t.mtp_weight_late};
  s.bias_speed = r.balance.bias_speed;
  s.dropout = t.dropout;
  s.ema_decay = t.ema_decay;
  s.spike_jump = t.spike_jump;
  const auto& b = r.balance;
  s.balance = {};
  if (b.loss != BalanceLoss::none)
    s.balance = {.terms = {.alpha_expert = b.alpha,
                           .alpha_device = b.device_alpha,
                           .alpha_comm = b.comm_alpha,
                           .num_devices = b.devices,
                           .top_devices = b.top_devices,
                           .normalise_affinity = true,  // changes nothing for V2's softmax, whose affinities sum to 1
                           .count_unbiased = b.loss != BalanceLoss::expert},
                 .whole_batch = b.loss == BalanceLoss::batch};
  s.drop = {.capacity = b.capacity, .num_devices = b.devices, .protected_fraction = b.protected_fraction};
  return s;
}

void refuse_unread_keys(const Recipe& recipe, std::string_view verb, std::span<const std::string_view> unread) {
  Recipe defaults;
  defaults.model_json = "{}";
  for (const RecipeDifference& d : recipe_differences(defaults, recipe))
    for (std::string_view key : unread)
      if (key.ends_with('.') ? d.key.starts_with(key) : d.key == key)
        user_error("{}: {}{} has no effect here: leave it out of the recipe", verb, d.key,
                   d.b.empty() ? "" : " = " + d.b);
}

}  // namespace minke
