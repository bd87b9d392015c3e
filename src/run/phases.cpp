#include "run/phases.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "spec/counts.h"

namespace minke {
namespace {

int64_t or_all(int64_t micro_batch, int64_t batch) { return micro_batch > 0 ? micro_batch : batch; }

BatchRamp ramp_of(const Recipe& r, double tokens) {
  const auto& t = r.train;
  if (t.batch_start == 0 || t.batch_start == t.batch_size) return {.last = t.batch_size};
  return {.first = t.batch_start,
          .last = t.batch_size,
          .until = t.batch_ramp * tokens,
          .multiple = t.micro_batch_size > 0 ? t.micro_batch_size : 1};
}

// Tokens of t.steps steps: the ramp is a share of them, so steps = tokens/T · (share · ln(b1/b0)/(b1−b0) + (1−share)/b1).
double train_tokens(const Recipe& r) {
  const auto& t = r.train;
  const double b1 = double(t.batch_size), steps = double(t.steps), length = double(t.sequence_length);
  if (t.batch_start == 0 || t.batch_start == t.batch_size) return steps * b1 * length;
  const double b0 = double(t.batch_start);
  return steps * length / (t.batch_ramp * std::log(b1 / b0) / (b1 - b0) + (1 - t.batch_ramp) / b1);
}

}  // namespace

std::vector<Phase> plan_phases(const Recipe& r) {
  check(r.train.steps > 0, "plan_phases: the steps of [train] are known");
  const double tokens = train_tokens(r);
  std::vector<Phase> phases{{.steps = r.train.steps,
                             .tokens = tokens,
                             .sequence_length = r.train.sequence_length,
                             .micro_batch_size = or_all(r.train.micro_batch_size, r.train.batch_size),
                             .ramp = ramp_of(r, tokens)}};
  for (const Recipe::LongContext& p : r.long_context)
    phases.push_back({.first_step = phases.back().last_step(),
                      .steps = p.steps,
                      .first_token = phases.back().first_token + phases.back().tokens,
                      .tokens = double(p.steps) * double(p.batch_size) * double(p.sequence_length),
                      .sequence_length = p.sequence_length,
                      .micro_batch_size = or_all(p.micro_batch_size, p.batch_size),
                      .ramp = {.last = p.batch_size},
                      .lr = p.lr,
                      .yarn_factor = p.yarn_factor});
  return phases;
}

int64_t steps_with_ramp(const Recipe& r, int64_t steps) {
  const double tokens = double(steps) * double(r.train.batch_size) * double(r.train.sequence_length);
  return steps_for(ramp_of(r, tokens), r.train.sequence_length, tokens);
}

int64_t steps_in_minutes(const Recipe& r, const Config& config, double step_seconds) {
  constexpr double kShare = 0.92;  // the rest is for evaluations, samples and checkpoints
  constexpr double kMost = 1e9;    // train.steps
  const auto& t = r.train;
  const double flops = double(t.batch_size) * double(t.sequence_length) *
                       training_flops_per_token(config, t.sequence_length);  // of a step of [train]
  double phases = 0;                                                         // seconds
  for (const Recipe::LongContext& p : r.long_context)
    phases += step_seconds / flops * double(p.steps) * double(p.batch_size) * double(p.sequence_length) *
              training_flops_per_token(config, p.sequence_length);
  const double left = t.minutes * 60 * kShare - phases;
  if (left <= 0)
    user_error(
        "train.minutes {:g}: the [[long_context]] phases alone will take about {:.2g} minutes on this machine: raise "
        "it, or "
        "lower their steps",
        t.minutes, phases / 60 / kShare);
  return std::min(int64_t(kMost),
                  steps_with_ramp(r, std::max<int64_t>(10, int64_t(std::min(kMost, left / step_seconds)))));
}

Config phase_config(const Config& base, const Recipe& r, const Phase& phase) {
  Config c = base;
  if (phase.first_step == 0) return c;
  c.max_position_embeddings = std::max(c.max_position_embeddings, phase.sequence_length);
  if (phase.yarn_factor > 1)
    c.rope_scaling = {.type = RopeType::yarn,
                      .factor = phase.yarn_factor,
                      .original_max_position_embeddings = r.train.sequence_length,
                      .mscale = 1,
                      .mscale_all_dim = 1};
  return c;
}

}  // namespace minke
