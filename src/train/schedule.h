// Values that change during training: learning rate, MTP weight, speed of the router's bias, decay of the average. V3 §4.2
// (warm-up, constant, cosine, constant, constant) and the step schedule of V1/V2 (docs/recipe/training.md §1). Pure
// functions of (step, x), where x is the progress in the units of the schedule's points (tokens, steps or a fraction).
// Test: tests/train/schedule_test.cpp and the lr.* figures of expected.json.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

namespace minke {

struct LrSchedule {
  double peak = 0;
  int64_t warmup_steps = 2000;  // linear 0 → peak over these steps
  // Cosine from peak to `low` between these two; equal = a jump; +inf = never.
  double decay_begin = 0, decay_end = 0;
  double low = 0;
  // From here on `last`.
  double last_begin = 0, last = 0;
  // The step schedule: at each point the rate is multiplied; used instead of the cosine when not empty. The decay, for
  // what follows it below, is then from the first to the last.
  struct Drop {
    double at, factor;
  };
  std::vector<Drop> drops;
};

// Learning rate of the next update after `step` finished updates, at progress x.
double learning_rate(const LrSchedule& schedule, int64_t step, double x);

// Sequences per step in the batch ramp: from `first` to `last`, linear in the tokens consumed, up to `until` tokens,
// rounded to the nearest multiple. (V2 and V3 ramp over 225B and 469B tokens but do not give the shape;
// docs/recipe/training.md §1.)
struct BatchRamp {
  int64_t first = 0, last = 1;
  double until = 0;  // tokens; 0 = no ramp
  int64_t multiple = 1;
};
int64_t batch_size(const BatchRamp& ramp, double tokens);
// Steps until at least `tokens` tokens are consumed, at sequence_length tokens per sequence.
int64_t steps_for(const BatchRamp& ramp, int64_t sequence_length, double tokens);

// V3's own schedule, x in tokens.
LrSchedule v3_schedule();

// V3: 0.3 until the decay begins, then 0.1 (docs/recipe/training.md §1).
struct MtpWeight {
  double early = 0.3, late = 0.1;
};
inline double mtp_weight(const MtpWeight& w, const LrSchedule& s, double x) {
  return x < s.decay_begin ? w.early : w.late;
}

// Decay of the average of the parameters after `step` finished ones: what was asked for, but at the start no more than
// (1+t)/(10+t), or a short run's average would still be full of the initial parameters. The usual ramp: num_updates of
// TensorFlow's ExponentialMovingAverage.
inline double average_decay(double decay, int64_t step) {
  return std::min(decay, double(1 + step) / double(10 + step));
}

// V3: γ until the cosine has ended, then 0: the bias is frozen.
inline double bias_speed(double gamma, const LrSchedule& s, double x) { return x < s.decay_end ? gamma : 0; }

}  // namespace minke
