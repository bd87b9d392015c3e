#include "rl/gae.h"

#include <cmath>

namespace minke {

GeneralisedAdvantages generalised_advantages(std::span<const float> values, double reward, double gamma,
                                             double lambda) {
  const size_t n = values.size();
  GeneralisedAdvantages all{std::vector<double>(n), std::vector<double>(n)};
  double next_value = 0, next_advantage = 0;
  for (size_t t = n; t-- > 0;) {
    const double value = double(values[t]), delta = (t + 1 == n ? reward : 0) + gamma * next_value - value;
    all.advantages[t] = next_advantage = delta + gamma * lambda * next_advantage;
    all.returns[t] = next_advantage + value;
    next_value = value;
  }
  return all;
}

void whiten(std::span<std::vector<float>> advantages) {
  double n = 0, sum = 0, squares = 0;
  for (const auto& answer : advantages)
    for (float a : answer) sum += double(a), ++n;
  const double mean = n > 0 ? sum / n : 0;
  for (const auto& answer : advantages)
    for (float a : answer) squares += (double(a) - mean) * (double(a) - mean);
  const double deviation = n > 0 ? std::sqrt(squares / n) : 0;
  for (auto& answer : advantages)
    for (float& a : answer) a = deviation == 0 ? 0 : float((double(a) - mean) / deviation);
}

double explained_variance(std::span<const double> returns, std::span<const double> values) {
  const double n = double(returns.size());
  double r = 0, e = 0, rr = 0, ee = 0;
  for (size_t i = 0; i < returns.size(); ++i) r += returns[i] / n, e += (returns[i] - values[i]) / n;
  for (size_t i = 0; i < returns.size(); ++i)
    rr += (returns[i] - r) * (returns[i] - r), ee += (returns[i] - values[i] - e) * (returns[i] - values[i] - e);
  return rr > 0 ? 1 - ee / rr : 0;
}

}  // namespace minke
