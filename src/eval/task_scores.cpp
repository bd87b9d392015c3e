#include "eval/task_scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"

namespace minke {
namespace {

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (double v : values) sum += v;
  return values.empty() ? 0 : sum / double(values.size());
}

bool is_right(const TaskAnswer& a) { return a.grade.accuracy.strict >= 1; }

// Whether the answer that most agree with is right, as it is graded where it came first.
double majority_is_right(GraderKind grader, const std::vector<const TaskAnswer*>& answers) {
  const auto same = [&](size_t a, size_t b) {
    return is_same_answer(grader, answers[a]->final_answer, answers[b]->final_answer);
  };
  const std::optional<size_t> first = majority(
      answers.size(), [&](size_t i) { return !answers[i]->final_answer.empty(); }, same);
  return first && is_right(*answers[*first]) ? 1 : 0;
}

TaskScore score_group(const std::vector<TaskProblem>& problems, const std::vector<size_t>& group,
                      const std::vector<std::vector<const TaskAnswer*>>& answers, int64_t samples) {
  const TaskProblem& first = problems[group[0]];
  TaskScore s{.task = first.group, .level = first.level, .problems = int64_t(group.size()), .samples = samples};
  std::set<std::string> different;
  for (const size_t p : group) different.insert(problems[p].task.canonical);
  s.different = int64_t(different.size());
  if (samples == 0) return s;
  std::vector<int64_t> rights;
  std::vector<double> cons, lenients, preferences, formats;
  std::vector<double> tokens, tokens_right, tokens_wrong;
  bool votes = true;
  for (const size_t p : group) {
    check_equal(int64_t(answers[p].size()), samples, "answers to a problem");
    int64_t right = 0;
    double lenient = 0, preference = 0, formed = 0;
    bool is_judged = false;
    for (const TaskAnswer* a : answers[p]) {
      right += is_right(*a), lenient += a->grade.accuracy.lenient;
      formed += a->grade.format.strict, s.truncated += a->truncated, s.single_language += a->single_language;
      s.reflection.add(a->reflection);
      if (a->grade.preference) preference += *a->grade.preference, is_judged = true;
      tokens.push_back(double(a->tokens));
      (is_right(*a) ? tokens_right : tokens_wrong).push_back(double(a->tokens));
    }
    if (is_judged) preferences.push_back(preference / double(samples));
    rights.push_back(right), lenients.push_back(lenient / double(samples)), formats.push_back(formed / double(samples));
    const GraderKind grader = problems[p].task.grader;
    if (grader == GraderKind::code || grader == GraderKind::judge) votes = false;
    else cons.push_back(majority_is_right(grader, answers[p]));
  }
  for (int64_t k = 1;; k = std::min(2 * k, samples)) {
    std::vector<double> values;
    for (const int64_t right : rights) values.push_back(pass_at_k(samples, right, k));
    s.pass.push_back({k, {mean_of(values), mean_interval(values, samples)}});
    if (k == samples) break;
  }
  if (votes) s.cons = Estimate{mean_of(cons), mean_interval(cons, 1)};
  if (!preferences.empty()) s.preference = {mean_of(preferences), mean_interval(preferences, samples)};
  s.lenient = {mean_of(lenients), mean_interval(lenients, samples)};
  s.format = mean_of(formats), s.format_ci95 = mean_interval(formats, samples);
  for (double* share : {&s.single_language, &s.truncated}) *share /= double(tokens.size());
  s.mean_tokens = mean_of(tokens);
  if (!tokens_right.empty()) s.mean_tokens_right = mean_of(tokens_right);
  if (!tokens_wrong.empty()) s.mean_tokens_wrong = mean_of(tokens_wrong);
  return s;
}

Json interval_json(const Interval& i) { return Json::array({i.low, i.high}); }

std::string percent(const Estimate& e) {
  return fmt::format("{:.1f} % [{:.1f}, {:.1f}]", 100 * e.value, 100 * e.ci95.low, 100 * e.ci95.high);
}

}  // namespace

std::vector<TaskScore> score_tasks(const std::vector<TaskProblem>& problems, const std::vector<TaskAnswer>& answers,
                                   int64_t samples, const std::vector<ReferenceBits>& references) {
  std::vector<std::vector<const TaskAnswer*>> by_problem(problems.size());
  for (const TaskAnswer& a : answers) by_problem.at(a.problem).push_back(&a);
  for (auto& of_one : by_problem)
    std::sort(of_one.begin(), of_one.end(),
              [](const TaskAnswer* a, const TaskAnswer* b) { return a->sample < b->sample; });
  std::vector<std::vector<size_t>> groups;
  std::map<std::pair<std::string, int>, size_t> group_of;
  for (size_t p = 0; p < problems.size(); ++p) {
    const auto [found, is_new] = group_of.try_emplace({problems[p].group, problems[p].level}, groups.size());
    if (is_new) groups.emplace_back();
    groups[found->second].push_back(p);
  }
  std::vector<TaskScore> scores;
  for (const auto& group : groups) scores.push_back(score_group(problems, group, by_problem, samples));
  std::vector<double> bits(groups.size()), bytes(groups.size());
  for (const ReferenceBits& r : references) {
    const TaskProblem& p = problems.at(r.problem);
    const size_t g = group_of.at({p.group, p.level});
    bits[g] += r.bits, bytes[g] += double(r.bytes);
  }
  for (size_t g = 0; g < groups.size(); ++g)
    if (bytes[g] > 0) scores[g].bits_per_byte = bits[g] / bytes[g];
  return scores;
}

Json score_json(const TaskScore& s) {
  Json j{{"task", s.task},
         {"level", s.level > 0 ? Json(s.level) : Json()},
         {"n", s.problems},
         {"n_different", s.different},
         {"k", s.samples}};
  if (s.bits_per_byte) j["bits_per_byte"] = *s.bits_per_byte;
  if (s.pass.empty()) return j;
  j["pass@1"] = s.pass.front().second.value, j["ci95"] = interval_json(s.pass.front().second.ci95);
  for (const auto& [k, e] : s.pass)
    if (k > 1) j[fmt::format("pass@{}", k)] = e.value, j[fmt::format("pass@{}_ci95", k)] = interval_json(e.ci95);
  j["pass@k"] = s.pass.back().second.value, j["pass@k_ci95"] = interval_json(s.pass.back().second.ci95);
  j["cons@k"] = s.cons ? Json(s.cons->value) : Json();
  j["cons@k_ci95"] = s.cons ? interval_json(s.cons->ci95) : Json();
  j["strict"] = s.pass.front().second.value, j["lenient"] = s.lenient.value;
  j["lenient_ci95"] = interval_json(s.lenient.ci95);
  j["format"] = s.format, j["format_ci95"] = interval_json(s.format_ci95), j["single_language"] = s.single_language,
  j["truncated"] = s.truncated, j["mean_tokens"] = s.mean_tokens;
  if (s.preference) j["preference"] = s.preference->value, j["preference_ci95"] = interval_json(s.preference->ci95);
  const Reflection& r = s.reflection;
  j["reflection"] = {{"equations", r.equations},
                     {"wrong", r.wrong},
                     {"caught", r.caught},
                     {"corrections", r.corrections},
                     {"false_alarms", r.false_alarms}};
  j["mean_tokens_right"] = s.mean_tokens_right ? Json(*s.mean_tokens_right) : Json();
  j["mean_tokens_wrong"] = s.mean_tokens_wrong ? Json(*s.mean_tokens_wrong) : Json();
  return j;
}

std::string score_line(const TaskScore& s) {
  std::string line =
      fmt::format("{}{}: {} problems", s.task, s.level > 0 ? fmt::format(":{}", s.level) : "", s.problems);
  const std::string bits = s.bits_per_byte ? fmt::format(", good answers {:.4f} bits per byte", *s.bits_per_byte) : "";
  if (s.pass.empty()) return line + bits;
  line += fmt::format(", {} answer{} each: pass@1 {}", s.samples, s.samples == 1 ? "" : "s",
                      percent(s.pass.front().second));
  if (s.samples > 1) {
    line += fmt::format(", pass@{} {}", s.samples, percent(s.pass.back().second));
    if (s.cons) line += fmt::format(", cons@{} {}", s.samples, percent(*s.cons));
  }
  line += s.preference ? fmt::format(", the judge's mean {:.3f}", s.preference->value)
                       : fmt::format(", lenient {:.1f} %", 100 * s.lenient.value);
  return line + fmt::format(", {:.0f} tokens{}{}", s.mean_tokens,
                            s.truncated > 0 ? fmt::format(", {:.1f} % without an end", 100 * s.truncated) : "", bits);
}

}  // namespace minke
