#include "infer/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/error.h"

namespace minke {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

double finite_or_never(float x) { return std::isnan(x) ? kNever : double(x); }

}  // namespace

void validate(const SamplingSettings& s) {
  if (!(s.temperature >= 0 && s.temperature <= 100))
    user_error("--temp {}: must be from 0 (greedy) to 100", s.temperature);
  if (s.top_k < 0) user_error("--top-k {}: must be 0 (off) or more", s.top_k);
  if (!(s.top_p > 0 && s.top_p <= 1)) user_error("--top-p {}: must be above 0 and at most 1", s.top_p);
  if (!(s.min_p >= 0 && s.min_p <= 1)) user_error("--min-p {}: must be from 0 to 1", s.min_p);
  if (!(s.repetition_penalty > 0 && s.repetition_penalty <= 100))
    user_error("--repeat-penalty {}: must be above 0 and at most 100; 1 is none", s.repetition_penalty);
  if (!(std::abs(s.presence_penalty) <= 100))
    user_error("--presence-penalty {}: must be from -100 to 100", s.presence_penalty);
  if (!(std::abs(s.frequency_penalty) <= 100))
    user_error("--frequency-penalty {}: must be from -100 to 100", s.frequency_penalty);
  for (const auto& [token, bias] : s.logit_bias)
    if (token < 0 || std::isnan(bias)) user_error("logit bias {} of token {}: not a number of a token", bias, token);
}

void Sampler::penalise(const SamplingSettings& s, std::span<const int32_t> prompt, std::span<const int32_t> answer) {
  const auto known = [&](int32_t token) { return token >= 0 && size_t(token) < logits_.size(); };
  counts_.resize(logits_.size());
  const auto count = [&](std::span<const int32_t> tokens) {
    for (const int32_t token : tokens)
      if (known(token) && counts_[size_t(token)]++ == 0) counted_.push_back(token);
  };
  const auto each = [&](auto&& f) {  // f(logit, how often), once a token
    for (const int32_t token : counted_) f(logits_[size_t(token)], double(std::exchange(counts_[size_t(token)], 0)));
    counted_.clear();
  };
  if (s.repetition_penalty != 1) {
    count(prompt), count(answer);
    each([&](double& x, double) { x = x > 0 ? x / s.repetition_penalty : x * s.repetition_penalty; });
  }
  if (s.presence_penalty != 0 || s.frequency_penalty != 0) {
    count(answer);
    each([&](double& x, double times) { x -= s.presence_penalty + s.frequency_penalty * times; });
  }
  for (const auto& [token, bias] : s.logit_bias)
    if (known(token)) logits_[size_t(token)] += bias;
}

std::span<const TokenProbability> Sampler::candidates(std::span<const float> logits, const SamplingSettings& s,
                                                      std::span<const int32_t> prompt,
                                                      std::span<const int32_t> answer) {
  logits_.resize(logits.size());
  std::transform(logits.begin(), logits.end(), logits_.begin(), finite_or_never);
  penalise(s, prompt, answer);
  all_.clear();
  for (size_t i = 0; i < logits_.size(); ++i)
    if (std::isfinite(logits_[i])) all_.push_back({int32_t(i), logits_[i]});
  if (all_.empty()) user_error("the model's output is not finite: its weights are damaged or training has diverged");
  const auto likelier = [](const TokenProbability& a, const TokenProbability& b) {
    return a.probability > b.probability || (a.probability == b.probability && a.token < b.token);
  };
  const size_t wanted = s.temperature == 0 ? 1
                        : s.top_k > 0      ? std::min<size_t>(size_t(s.top_k), all_.size())
                                           : all_.size();
  // The most likely ones are sorted as far as they are looked at: few of 100,000 are, where top-p is below 1.
  size_t sorted = 0;
  const auto sort_to = [&](size_t count) {
    count = std::min(count, all_.size());
    std::partial_sort(all_.begin() + ptrdiff_t(sorted), all_.begin() + ptrdiff_t(count), all_.end(), likelier);
    sorted = count;
  };
  if (wanted < all_.size()) sort_to(wanted), all_.resize(wanted);
  const double top = std::min_element(all_.begin(), all_.end(), likelier)->probability,
               temperature = s.temperature == 0 ? 1 : s.temperature;
  double sum = 0;
  for (TokenProbability& t : all_) sum += t.probability = std::exp((t.probability - top) / temperature);
  size_t kept = 0;
  double mass = 0;
  for (; kept < all_.size(); ++kept) {
    if (kept == sorted) sort_to(s.top_p < 1 || s.min_p > 0 ? std::max<size_t>(64, 4 * sorted) : all_.size());
    if (all_[kept].probability < s.min_p || (kept > 0 && mass >= s.top_p * sum)) break;
    mass += all_[kept].probability;
  }
  all_.resize(kept);
  for (TokenProbability& t : all_) t.probability /= mass;
  return all_;
}

int32_t Sampler::sample(std::span<const float> logits, const SamplingSettings& s, uint64_t sample_index,
                        uint64_t position, std::span<const int32_t> prompt, std::span<const int32_t> answer) {
  const auto choices = candidates(logits, s, prompt, answer);
  double u = RngKey{.seed = s.seed}.at("sample").at(sample_index).uniform(position);
  for (const auto& [token, p] : choices) {
    if (u < p) return token;
    u -= p;
  }
  return choices.back().token;
}

LogProbabilities log_probabilities(std::span<const float> logits, int32_t token, int64_t n) {
  double top = kNever, sum = 0;
  for (float x : logits) top = std::max(top, finite_or_never(x));
  for (float x : logits) sum += std::exp(finite_or_never(x) - top);
  const double log_sum = top + std::log(sum);
  LogProbabilities result{.chosen = finite_or_never(logits[size_t(token)]) - log_sum, .top = {}};
  if (n <= 0) return result;
  for (size_t i = 0; i < logits.size(); ++i) result.top.emplace_back(int32_t(i), finite_or_never(logits[i]) - log_sum);
  const size_t kept = std::min<size_t>(size_t(n), result.top.size());
  std::partial_sort(
      result.top.begin(), result.top.begin() + ptrdiff_t(kept), result.top.end(),
      [](const auto& a, const auto& b) { return a.second > b.second || (a.second == b.second && a.first < b.first); });
  result.top.resize(kept);
  return result;
}

}  // namespace minke
