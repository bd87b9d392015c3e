#include "rl/advantages.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace minke {

bool all_the_same(std::span<const double> r) {
  return std::all_of(r.begin(), r.end(), [&](double x) { return x == r[0]; });
}

std::vector<double> group_advantages(std::span<const double> rewards, RewardDeviation deviation) {
  const double n = double(rewards.size());
  std::vector<double> a(rewards.begin(), rewards.end());
  if (all_the_same(rewards)) {
    std::fill(a.begin(), a.end(), 0);
    return a;
  }
  double mean = 0, squares = 0;
  for (double r : rewards) mean += r / n;
  for (double r : rewards) squares += (r - mean) * (r - mean);
  double by = 1;
  if (deviation == RewardDeviation::population) by = std::sqrt(squares / n);
  if (deviation == RewardDeviation::sample) by = std::sqrt(squares / (n - 1));
  for (double& x : a) x = (x - mean) / by;
  return a;
}

double token_weight(LossDivision division, int64_t length, int64_t samples, int64_t tokens, int64_t most) {
  switch (division) {
    case LossDivision::tokens: return 1 / double(tokens);
    case LossDivision::sequences: return 1 / (double(samples) * double(length));
    case LossDivision::constant: return 1 / (double(samples) * double(most));
  }
  check(false, "known division of the loss");
  return 0;
}

}  // namespace minke
