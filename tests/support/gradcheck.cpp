#include "support/gradcheck.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace minke::test {

::testing::AssertionResult gradient_matches(const Loss& loss, const Values& x, const Values& gradient,
                                            GradCheck options) {
  if (x.size() != gradient.size())
    return ::testing::AssertionFailure() << fmt::format("{} inputs, {} gradients", x.size(), gradient.size());
  double largest = 0;
  for (double g : gradient) largest = std::max(largest, std::abs(g));
  const double limit = options.tolerance * (1 + largest);

  const auto along = [&](const Values& direction) {
    const auto at = [&](double h) {
      Values moved = x;
      for (size_t i = 0; i < x.size(); ++i) moved[i] += h * direction[i];
      return loss(moved);
    };
    const double h = options.step;
    return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
  };
  const auto agrees = [&](const Values& direction, const std::string& name) -> ::testing::AssertionResult {
    double analytic = 0;
    for (size_t i = 0; i < x.size(); ++i) analytic += gradient[i] * direction[i];
    const double numeric = along(direction);
    if (std::abs(analytic - numeric) <= limit) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << fmt::format(
               "{}: gradient {:.12g}, differences {:.12g}, error {:.3g} > {:.3g}", name, analytic, numeric,
               std::abs(analytic - numeric), limit);
  };

  const RngKey key{0x9e3779b97f4a7c15u, 0};
  const int64_t n = int64_t(x.size()), elements = std::min(n, options.max_elements);
  for (int64_t i = 0; i < elements; ++i) {
    const size_t index = n == elements ? size_t(i) : size_t(key.at("element").below(uint64_t(i), uint64_t(n)));
    Values direction(x.size());
    direction[index] = 1;
    if (auto result = agrees(direction, fmt::format("element {}", index)); !result) return result;
  }
  for (int d = 0; d < options.directions; ++d) {
    Values direction(x.size());
    for (size_t i = 0; i < x.size(); ++i)
      direction[i] = key.at("direction").at(uint64_t(d)).normal(i) / std::sqrt(double(n));
    if (auto result = agrees(direction, fmt::format("direction {}", d)); !result) return result;
  }
  return ::testing::AssertionSuccess();
}

}  // namespace minke::test
