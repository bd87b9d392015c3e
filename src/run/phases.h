// The phases of a run, computed from its recipe: pre-training with its batch ramp and schedule, then the long-context
// phases (V3 §4.2–4.3; docs/recipe/training.md §1, §7), each with its own sequence length, batch, constant learning
// rate and YaRN factor. A pure function of the recipe: a resumed run works out the same. Test: tests/run/phases_test.cpp.
#pragma once
#include <vector>

#include "recipe/recipe.h"
#include "train/schedule.h"

namespace minke {

struct Phase {
  int64_t first_step = 0, steps = 0;  // of the whole run
  double first_token = 0, tokens = 0;
  int64_t sequence_length = 0, micro_batch_size = 1;
  BatchRamp ramp;  // in tokens of this phase
  double lr = 0;   // constant; 0 = the schedule of [train]
  double yarn_factor = 1;

  int64_t last_step() const { return first_step + steps; }  // the step after the last
  // Sequences of the step that begins when the whole run has consumed `tokens_done`.
  int64_t batch_size(double tokens_done) const { return minke::batch_size(ramp, tokens_done - first_token); }
  int64_t largest_batch() const { return ramp.last; }
};

// [train] first; recipe.train.steps must be set.
std::vector<Phase> plan_phases(const Recipe& recipe);
// Steps of [train] that consume as many tokens as `steps` full batches: more with a batch ramp.
int64_t steps_with_ramp(const Recipe& recipe, int64_t steps);

// Steps of [train] that fit into train.minutes if one takes `step_seconds`. The time of evaluations, checkpoints and
// long-context phases is subtracted first; the phases are assumed to run at the same FLOPs per second. UserError if no
// time is left.
int64_t steps_in_minutes(const Recipe& recipe, const Config& config, double step_seconds);

// Config of the model in a phase: with the longer positions, and YaRN relative to the sequence length of [train].
Config phase_config(const Config& base, const Recipe& recipe, const Phase& phase);

}  // namespace minke
