#include "train/schedule.h"

#include <cmath>
#include <numbers>

namespace minke {

double learning_rate(const LrSchedule& s, int64_t step, double x) {
  if (step < s.warmup_steps) return s.peak * double(step + 1) / double(s.warmup_steps);
  if (!s.drops.empty()) {
    double lr = s.peak;
    for (const LrSchedule::Drop& d : s.drops)
      if (x >= d.at) lr *= d.factor;
    return lr;
  }
  if (x >= s.last_begin) return s.last;
  if (x < s.decay_begin) return s.peak;
  if (x >= s.decay_end) return s.low;
  const double progress = (x - s.decay_begin) / (s.decay_end - s.decay_begin);
  return s.low + 0.5 * (s.peak - s.low) * (1 + std::cos(std::numbers::pi * progress));
}

LrSchedule v3_schedule() {
  return {.peak = 2.2e-4,
          .warmup_steps = 2000,
          .decay_begin = 10e12,
          .decay_end = 14.3e12,
          .low = 2.2e-5,
          .last_begin = 14.633e12,
          .last = 7.3e-6};
}

}  // namespace minke
