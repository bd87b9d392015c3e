// Timing of what can be run again and again. Others may be using the machine: the best run is the one to compare, the
// median says what to expect, and processor time (with one thread: waiting threads spin) is nearly free of the others.
// Test: tests/bench/measure_test.cpp.
#pragma once
#include <functional>
#include <vector>

namespace minke {

double seconds_now();  // of a clock that never goes back

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
