#include "infer/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "infer/diverged.h"

namespace minke {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

double finite_or_never(float x) { return std::isnan(x) ? kNever : double(x); }

[[noreturn]] void no_token() {
  throw DivergedError("the model's output is not finite: its weights are damaged or training has diverged");
}

bool likelier(const TokenProbability& a, const TokenProbability& b) {
  return a.probability > b.probability || (a.probability == b.probability && a.token < b.token);
}

// The lowest index of the largest. Nothing compares with NaN; infinite ones are nobody's choice.
template <class T> int32_t first_largest(std::span<const T> x) {
  constexpr size_t kLanes = 16;  // maxima that do not wait for each other
  const auto in_order = [](T v) { return std::abs(v) <= std::numeric_limits<T>::max() ? v : T(kNever); };
  T top[kLanes];
  std::fill_n(top, kLanes, T(kNever));
  size_t i = 0;
  for (; i + kLanes <= x.size(); i += kLanes)
    for (size_t j = 0; j < kLanes; ++j) top[j] = std::max(top[j], in_order(x[i + j]));
  for (; i < x.size(); ++i) top[0] = std::max(top[0], in_order(x[i]));
  const T largest = *std::max_element(top, top + kLanes);
  if (largest == T(kNever)) no_token();
  return int32_t(std::find(x.begin(), x.end(), largest) - x.begin());
}

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

void Sampler::sort_more() {
  const size_t count = std::max<size_t>(64, 8 * sorted_);
  const auto begin = all_.begin() + ptrdiff_t(sorted_);
  if (count < all_.size() / 8) std::partial_sort(begin, all_.begin() + ptrdiff_t(count), all_.end(), likelier);
  else std::sort(begin, all_.end(), likelier);
  sorted_ = count < all_.size() / 8 ? count : all_.size();
}

// Leaves in all_ the tokens that may be drawn, each with its share of what is returned.
double Sampler::weigh(std::span<const float> logits, const SamplingSettings& s, std::span<const int32_t> prompt,
                      std::span<const int32_t> answer) {
  logits_.resize(logits.size());
  std::transform(logits.begin(), logits.end(), logits_.begin(), finite_or_never);
  penalise(s, prompt, answer);
  all_.clear(), sorted_ = 0;
  for (size_t i = 0; i < logits_.size(); ++i)
    if (std::isfinite(logits_[i])) all_.push_back({int32_t(i), logits_[i]});
  if (all_.empty()) no_token();
  if (s.top_k > 0 && size_t(s.top_k) < all_.size()) {
    std::partial_sort(all_.begin(), all_.begin() + ptrdiff_t(s.top_k), all_.end(), likelier);
    all_.resize(size_t(s.top_k)), sorted_ = all_.size();
  }
  const auto first = std::min_element(all_.begin(), all_.end(), likelier);
  const double top = first->probability;
  double sum = 0;
  for (TokenProbability& t : all_) sum += t.probability = std::exp((t.probability - top) / s.temperature);
  std::iter_swap(all_.begin(), first), sorted_ = std::max<size_t>(sorted_, 1);  // most draws want no other
  if (s.top_p == 1 && s.min_p == 0) return sum;
  size_t kept = 0;
  double mass = 0;
  for (; kept < all_.size(); ++kept) {
    if (kept == sorted_) sort_more();
    if (all_[kept].probability < s.min_p || (kept > 0 && mass >= s.top_p * sum)) break;
    mass += all_[kept].probability;
  }
  all_.resize(kept), sorted_ = std::min(sorted_, kept);
  return mass;
}

int32_t Sampler::most_likely(std::span<const float> logits, const SamplingSettings& s, std::span<const int32_t> prompt,
                             std::span<const int32_t> answer) {
  if (!s.changes_logits()) return first_largest(logits);
  logits_.assign(logits.begin(), logits.end());
  penalise(s, prompt, answer);
  return first_largest(std::span<const double>(logits_));
}

std::span<const TokenProbability> Sampler::candidates(std::span<const float> logits, const SamplingSettings& s,
                                                      std::span<const int32_t> prompt,
                                                      std::span<const int32_t> answer) {
  if (s.temperature == 0) {
    all_.assign(1, {most_likely(logits, s, prompt, answer), 1});
    return all_;
  }
  const double sum = weigh(logits, s, prompt, answer);
  while (sorted_ < all_.size()) sort_more();
  for (TokenProbability& t : all_) t.probability /= sum;
  return all_;
}

int32_t Sampler::sample(std::span<const float> logits, const SamplingSettings& s, uint64_t sample_index,
                        uint64_t position, std::span<const int32_t> prompt, std::span<const int32_t> answer) {
  last_ = 0;
  if (s.temperature == 0) return most_likely(logits, s, prompt, answer);
  const double sum = weigh(logits, s, prompt, answer);
  double u = RngKey{.seed = s.seed}.at("sample").at(sample_index).uniform(position) * sum;
  for (size_t i = 0; i < all_.size(); ++i) {
    if (i == sorted_) sort_more();
    if (u < all_[i].probability) {
      last_ = std::log(all_[i].probability / sum);
      return all_[i].token;
    }
    u -= all_[i].probability;
  }
  last_ = std::log(all_.front().probability / sum);
  return all_.front().token;  // rounding has left a little of u
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
