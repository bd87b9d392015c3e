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

int64_t batch_size(const BatchRamp& r, double tokens) {
  if (tokens >= r.until) return r.last;
  const double size = double(r.first) + double(r.last - r.first) * tokens / r.until;
  return std::max(r.multiple, r.multiple * int64_t(std::llround(size / double(r.multiple))));
}

int64_t steps_for(const BatchRamp& r, int64_t sequence_length, double tokens) {
  int64_t steps = 0;
  double done = 0;
  for (; done < std::min(tokens, r.until); ++steps) done += double(batch_size(r, done) * sequence_length);
  return done >= tokens ? steps : steps + int64_t(std::ceil((tokens - done) / double(r.last * sequence_length)));
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
