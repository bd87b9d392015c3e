#include "infer/sampler.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace minke {

void validate(const SamplingSettings& s) {
  if (!(s.temperature >= 0 && s.temperature <= 100))
    user_error("--temp {}: must be from 0 (greedy) to 100", s.temperature);
  if (s.top_k < 0) user_error("--top-k {}: must be 0 (off) or more", s.top_k);
  if (!(s.top_p > 0 && s.top_p <= 1)) user_error("--top-p {}: must be above 0 and at most 1", s.top_p);
  if (!(s.min_p >= 0 && s.min_p <= 1)) user_error("--min-p {}: must be from 0 to 1", s.min_p);
}

std::vector<std::pair<int32_t, double>> candidates(std::span<const float> logits, const SamplingSettings& s) {
  std::vector<std::pair<int32_t, double>> all;
  all.reserve(logits.size());
  for (size_t i = 0; i < logits.size(); ++i)
    if (std::isfinite(logits[i])) all.emplace_back(int32_t(i), double(logits[i]));
  if (all.empty()) user_error("the model's output is not finite: its weights are damaged or training has diverged");
  const auto likelier = [](const auto& a, const auto& b) {
    return a.second > b.second || (a.second == b.second && a.first < b.first);
  };
  const size_t wanted = s.temperature == 0 ? 1
                        : s.top_k > 0      ? std::min<size_t>(size_t(s.top_k), all.size())
                                           : all.size();
  std::partial_sort(all.begin(), all.begin() + ptrdiff_t(wanted), all.end(), likelier);
  all.resize(wanted);
  const double top = all[0].second, temperature = s.temperature == 0 ? 1 : s.temperature;
  double sum = 0;
  for (auto& [token, p] : all) sum += p = std::exp((p - top) / temperature);
  size_t kept = 0;
  double mass = 0;
  for (const double least = all[0].second * s.min_p; kept < all.size() && all[kept].second >= least; ++kept) {
    if (kept > 0 && mass >= s.top_p * sum) break;
    mass += all[kept].second;
  }
  all.resize(kept);
  for (auto& [token, p] : all) p /= mass;
  return all;
}

int32_t sample(std::span<const float> logits, const SamplingSettings& s, uint64_t position) {
  const auto choices = candidates(logits, s);
  double u = RngKey{.seed = s.seed}.at("sample").uniform(position);
  for (const auto& [token, p] : choices) {
    if (u < p) return token;
    u -= p;
  }
  return choices.back().first;
}

}  // namespace minke
