#include "support/compare.h"

#include <fmt/core.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace minke::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

::testing::AssertionResult all_near(std::span<const double> actual, std::span<const double> expected, Bound bound,
                                    std::span<const double> scale) {
  const size_t n = expected.size();
  if (actual.size() != n || (!scale.empty() && scale.size() != n))
    return ::testing::AssertionFailure() << fmt::format("sizes: {} actual, {} expected, {} scales", actual.size(), n,
                                                        scale.size());
  size_t worst = 0, failures = 0;
  double worst_excess = -1;
  for (size_t i = 0; i < n; ++i) {
    const double error = std::abs(actual[i] - expected[i]);
    const double limit = bound.atol + bound.rtol * (scale.empty() ? std::abs(expected[i]) : scale[i]);
    if (error <= limit && limit < kInfinity) continue;  // false for every NaN
    ++failures;
    const double ratio = error / limit, excess = ratio == ratio ? ratio : kInfinity;
    if (excess > worst_excess) worst_excess = excess, worst = i;
  }
  if (!failures) return ::testing::AssertionSuccess();
  const double limit = bound.atol + bound.rtol * (scale.empty() ? std::abs(expected[worst]) : scale[worst]);
  return ::testing::AssertionFailure() << fmt::format(
             "{} of {} elements out of bounds; worst [{}]: actual {:.9g}, expected {:.9g}, error {:.3g} > {:.3g}; "
             "relative "
             "Frobenius error {:.3g}",
             failures, n, worst, actual[worst], expected[worst], std::abs(actual[worst] - expected[worst]), limit,
             relative_frobenius(actual, expected));
}

::testing::AssertionResult all_identical(std::span<const double> actual, std::span<const double> expected) {
  if (actual.size() != expected.size())
    return ::testing::AssertionFailure() << fmt::format("sizes: {} actual, {} expected", actual.size(),
                                                        expected.size());
  for (size_t i = 0; i < actual.size(); ++i)
    if (std::bit_cast<uint64_t>(actual[i]) != std::bit_cast<uint64_t>(expected[i]))
      return ::testing::AssertionFailure()
             << fmt::format("[{}]: actual {:a}, expected {:a}", i, actual[i], expected[i]);
  return ::testing::AssertionSuccess();
}

double relative_frobenius(std::span<const double> actual, std::span<const double> expected) {
  if (actual.size() != expected.size()) return kInfinity;
  double difference = 0, norm = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    difference += (actual[i] - expected[i]) * (actual[i] - expected[i]);
    norm += expected[i] * expected[i];
  }
  if (difference == 0) return 0;
  const double error = std::sqrt(difference / norm);
  return error == error ? error : kInfinity;
}

}  // namespace minke::test
