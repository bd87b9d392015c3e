#include "bench/measure.h"

#include <algorithm>
#include <chrono>
#include <ctime>

#include "core/error.h"

namespace minke {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values) {
  check(!values.empty(), "median: of nothing");
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

Timing measure(double seconds, const std::function<void()>& run, const std::function<void()>& before) {
  if (before) before();
  run();
  constexpr int kFewest = 3;
  std::vector<double> times;
  const std::clock_t core_begin = std::clock();
  const double begin = seconds_now();
  while (int(times.size()) < kFewest || seconds_now() - begin < seconds) {
    if (before) before();
    const double run_begin = seconds_now();
    run();
    times.push_back(seconds_now() - run_begin);
  }
  const double core_seconds = double(std::clock() - core_begin) / CLOCKS_PER_SEC;
  return {.best = *std::min_element(times.begin(), times.end()),
          .median = median(times),
          .core_seconds = before ? 0 : core_seconds / double(times.size()),
          .runs = int(times.size())};
}

}  // namespace minke
