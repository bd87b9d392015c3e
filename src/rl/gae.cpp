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

}  // namespace minke
