#include "sample.h"

#include <algorithm>

int logged = 0;

double scaled_sum(const std::vector<double>& values, const Settings& settings, double limit) {
  constexpr int kFirst = 0;
  double sum = 0;
  for (int i = kFirst; i < settings.count && i < int(values.size()); ++i) sum += values[i];
  ++logged;
  if (sum > 1e9) return limit;
  return std::min(settings.rate * sum, limit);
}

double unseen(double x) { return x - 1; }
