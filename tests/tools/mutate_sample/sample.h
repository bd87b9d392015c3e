#pragma once
#include <vector>

struct Settings {
  double rate = 0.5;
  int count = 3;
};

extern int logged;
// Sum of the first `count` values, times the rate, at most `limit`.
double scaled_sum(const std::vector<double>& values, const Settings& settings, double limit);
double unseen(double x);
