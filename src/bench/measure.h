// Timing of work that can be repeated. Other programs may be using the machine: compare the best run, expect the median.
// Processor time depends least on other programs, but only with one thread, because waiting threads spin.
// Test: tests/bench/measure_test.cpp.
#pragma once
#include <functional>
#include <vector>

namespace minke {

double seconds_now();  // of a monotonic clock

struct Timing {
  double best = 0, median = 0;  // seconds
  double core_seconds = 0;      // processor time of a run, all threads, mean: single runs are too short for its clock
  int runs = 0;
};

// One run that is not counted, then at least three, until `seconds` have passed. `before` precedes every run, untimed; then
// there is no core_seconds.
Timing measure(double seconds, const std::function<void()>& run, const std::function<void()>& before = {});

double median(std::vector<double> values);  // of at least one

}  // namespace minke
