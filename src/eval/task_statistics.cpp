#include "eval/task_statistics.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"

namespace minke {

double pass_at_k(int64_t samples, int64_t right, int64_t k) {
  check(0 <= right && right <= samples && 1 <= k && k <= samples, "pass@k of at most as many answers as there are");
  if (samples - right < k) return 1;
  double none = 1;  // the product has no large binomials
  for (int64_t i = samples - right + 1; i <= samples; ++i) none *= 1 - double(k) / double(i);
  return 1 - none;
}

std::optional<size_t> majority(size_t answers, const std::function<bool(size_t)>& answered,
                               const std::function<bool(size_t first, size_t other)>& same) {
  struct Group {
    size_t first, count;
  };
  std::vector<Group> groups;
  for (size_t i = 0; i < answers; ++i) {
    if (!answered(i)) continue;
    const auto found = std::find_if(groups.begin(), groups.end(), [&](const Group& g) { return same(g.first, i); });
    if (found == groups.end()) groups.push_back({i, 1});
    else ++found->count;
  }
  if (groups.empty()) return {};
  return std::max_element(groups.begin(), groups.end(),
                          [](const Group& a, const Group& b) { return a.count < b.count; })
      ->first;
}

Interval wilson(double share, double n) {
  constexpr double z = 1.959963984540054;
  if (n <= 0) return {};
  const double z2 = z * z, middle = (share + z2 / (2 * n)) / (1 + z2 / n);
  const double half = z / (1 + z2 / n) * std::sqrt(share * (1 - share) / n + z2 / (4 * n * n));
  return {std::clamp(middle - half, 0.0, share), std::clamp(middle + half, share, 1.0)};  // against rounding
}

Interval mean_interval(std::span<const double> values, int64_t samples) {
  const double n = double(values.size());
  if (values.empty()) return {};
  double mean = 0, squares = 0;
  for (double v : values) mean += v;
  mean = std::min(mean / n, 1.0);  // against rounding
  for (double v : values) squares += (v - mean) * (v - mean);
  const double variance = n > 1 ? squares / (n - 1) : 0, of_one = mean * (1 - mean);
  double independent = n;
  if (n > 1 && of_one > 0)
    independent = variance > 0 ? std::clamp(n * of_one / variance, n, n * double(samples)) : n * double(samples);
  return wilson(mean, independent);
}

}  // namespace minke
