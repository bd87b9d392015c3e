#include "rl/policy_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "eval/reflection.h"
#include "rl/advantages.h"

namespace minke {
namespace {

constexpr double kFar = 0.05;  // of a log-probability

}  // namespace

double mean_of(const std::vector<double>& v) {
  double sum = 0;
  for (double x : v) sum += x;
  return v.empty() ? 0 : sum / double(v.size());
}

std::string log_answers(const std::vector<Rollout>& answers, const std::vector<Score>& scores, int64_t group,
                        Json& record) {
  std::vector<double> reward, accuracy, lenient, format, language, preference, length, deviation;
  size_t truncated = 0, same = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    reward.push_back(scores[i].reward), accuracy.push_back(scores[i].accuracy), lenient.push_back(scores[i].lenient);
    format.push_back(scores[i].format), language.push_back(scores[i].language);
    if (scores[i].preference) preference.push_back(*scores[i].preference);
    length.push_back(double(answers[i].answer_tokens()));
    truncated += answers[i].truncated;
  }
  const size_t g = size_t(group);
  for (size_t first = 0; first < reward.size(); first += g) {
    const std::vector<double> rewards(reward.begin() + std::ptrdiff_t(first),
                                      reward.begin() + std::ptrdiff_t(first + g));
    same += all_the_same(rewards);
    double squares = 0;
    for (double r : rewards) squares += (r - mean_of(rewards)) * (r - mean_of(rewards));
    deviation.push_back(std::sqrt(squares / double(g)));
  }
  record["reward"] = mean_of(reward), record["reward_std"] = mean_of(deviation);
  record["rewards/accuracy/mean"] = mean_of(accuracy), record["rewards/accuracy_lenient/mean"] = mean_of(lenient);
  record["rewards/format/mean"] = mean_of(format), record["rewards/language/mean"] = mean_of(language);
  if (!preference.empty()) record["rewards/preference/mean"] = mean_of(preference);
  record["frac_reward_zero_std"] = double(same) / double(deviation.size());
  record["completions/mean_length"] = mean_of(length);
  record["completions/clipped_ratio"] = double(truncated) / double(answers.size());
  return fmt::format("reward {:.3f}  right {:.1f} %  length {:.0f}", mean_of(reward), 100 * mean_of(accuracy),
                     mean_of(length));
}

void log_update(const PolicyBatches& made, const std::vector<PolicySample>& samples, const TokenLosses& tokens,
                const PolicyTerms& terms, int64_t experts, bool on_policy, Json& record) {
  std::vector<double> moved, entropy, ratio;
  size_t clipped = 0, far = 0;
  int64_t flips = 0;
  for (size_t i = 0; i < made.places.size(); ++i) {
    const auto [sample, token] = made.places[i];
    if (sample < 0) continue;
    const PolicySample& s = samples[size_t(sample)];
    const double log_ratio = double(s.rollout->loss[size_t(token)]) - double(tokens.loss[i]);
    moved.push_back(std::abs(log_ratio)), ratio.push_back(std::exp(log_ratio));
    entropy.push_back(tokens.entropy[i]);
    far += moved.back() > kFar;
    if (!tokens.flips.empty()) flips += tokens.flips[i];
    clipped += is_clipped(ratio.back(), s.advantages[size_t(token)], terms);
  }
  if (moved.empty()) return;
  record["entropy"] = mean_of(entropy), record["clip_ratio"] = double(clipped) / double(moved.size());
  record["ratio/mean"] = mean_of(ratio);
  if (!on_policy) return;
  // How far the update's probabilities are from those that the answers were drawn with: by rounding alone. The share of those
  // that are far can be added up over steps, as a percentile cannot.
  std::sort(moved.begin(), moved.end());
  record["delta_logp/mean"] = mean_of(moved), record["delta_logp/max"] = moved.back();
  record["delta_logp/p99.9"] = moved[size_t(0.999 * double(moved.size() - 1))];
  record["delta_logp/above_0.05"] = double(far) / double(moved.size());
  // Experts that were chosen at sampling and would not be chosen now: what the update would get wrong without replay.
  if (!tokens.flips.empty()) record["flip_rate"] = double(flips) / (double(moved.size()) * double(experts));
}

std::string log_evaluation(const std::vector<Question>& questions, const std::vector<std::string>& levels,
                           const std::vector<Rollout>& answers, const std::vector<Score>& scores, Json& record) {
  std::map<std::string, std::vector<double>> right_at;
  std::vector<double> right, length;
  Reflection thoughts;
  for (size_t i = 0; i < answers.size(); ++i) {
    right.push_back(scores[i].accuracy), right_at[levels[i]].push_back(scores[i].accuracy);
    length.push_back(double(answers[i].answer_tokens()));
    thoughts.add(reflection_of(questions[i].prompt, answers[i].text));
  }
  record["eval_right"] = mean_of(right), record["eval_length"] = mean_of(length);
  const auto share = [&](const char* name, int64_t part, int64_t whole) {  // of nothing, none
    if (whole > 0) record[name] = double(part) / double(whole);
  };
  share("reflection/wrong", thoughts.wrong, thoughts.equations);
  share("reflection/caught", thoughts.caught, thoughts.wrong);
  share("reflection/false_alarms", thoughts.false_alarms, thoughts.corrections);
  std::string by_level;
  for (const auto& [name, scores_there] : right_at) {
    by_level += fmt::format("{}{} {:.0f} %", by_level.empty() ? "" : ", ", name, 100 * mean_of(scores_there));
    record["eval_right/" + name] = mean_of(scores_there);
  }
  return fmt::format("{:.1f} % of {} test problems right ({}); {:.0f} tokens an answer", 100 * mean_of(right),
                     answers.size(), by_level, mean_of(length));
}

double mean_kl(const PolicyBatches& made, const TokenLosses& tokens, const std::vector<float>& reference) {
  std::vector<double> kl;
  for (size_t i = 0; i < made.places.size(); ++i)
    if (made.places[i].sample >= 0) kl.push_back(policy_kl(double(tokens.loss[i]) - double(reference[i])));
  return mean_of(kl);
}

}  // namespace minke
