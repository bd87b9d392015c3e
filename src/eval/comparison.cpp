#include "eval/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/error.h"
#include "core/rng.h"
#include "data/json_lines.h"

namespace minke {
namespace {

struct Problem {
  std::string answer;  // the reference, as text
  double strict = 0, lenient = 0;
  int64_t answers = 0;
};
using ProblemKey = std::pair<std::string, int64_t>;  // "chain:2", number

std::map<ProblemKey, Problem> read_problems(const fs::path& file) {
  std::map<ProblemKey, Problem> all;
  read_json_lines(file, {}, [&](const Json& line, const std::string& where) {
    try {
      const int64_t level = line.at("level");
      const std::string task = line.at("task");
      Problem& p = all[{level > 0 ? fmt::format("{}:{}", task, level) : task, line.at("problem").get<int64_t>()}];
      const std::string answer = line.at("answer").dump();
      if (p.answers > 0 && p.answer != answer) user_error("{}: another answer to the same problem before", where);
      p.answer = answer;
      p.strict += line.at("strict").get<double>(), p.lenient += line.at("lenient").get<double>();
      ++p.answers;
    } catch (const nlohmann::json::exception&) {
      user_error(
          "{}: no graded answer: give files that minke eval tasks --responses has written, or responses.jsonl of a "
          "pipeline's eval stage",
          where);
    }
  });
  if (all.empty()) user_error("{} holds no answers", file.string());
  for (auto& [key, p] : all) p.strict /= double(p.answers), p.lenient /= double(p.answers);
  return all;
}

void check_same(const std::map<ProblemKey, Problem>& a, const std::map<ProblemKey, Problem>& b, const fs::path& file_a,
                const fs::path& file_b) {
  for (const auto& [key, p] : a) {
    const auto found = b.find(key);
    if (found == b.end())
      user_error("{} has answers to {}, problem {}, and {} has none: compare evaluations of the same problems",
                 file_a.string(), key.first, key.second, file_b.string());
    if (found->second.answer != p.answer)
      user_error(
          "{} and {}: {}, problem {} has another answer in each: they were not asked the same (--test-seed, files)",
          file_a.string(), file_b.string(), key.first, key.second);
  }
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / double(values.size());
}

std::string difference_text(const PairedDifference& d, int64_t resamples) {
  const std::string p =
      d.p * double(resamples) <= 2 ? fmt::format("p < {:.2g}", 4 / double(resamples)) : fmt::format("p = {:.2g}", d.p);
  return fmt::format("{:.1f} → {:.1f} %, {:+.1f} [{:+.1f}, {:+.1f}], {}", 100 * d.first, 100 * d.second,
                     100 * (d.second - d.first), 100 * d.low, 100 * d.high, p);
}

Json to_json(const PairedDifference& d) {
  return {{"first", d.first},
          {"second", d.second},
          {"difference", d.second - d.first},
          {"ci95", {d.low, d.high}},
          {"p", d.p}};
}

}  // namespace

PairedDifference paired_difference(const std::vector<double>& first, const std::vector<double>& second,
                                   int64_t resamples, uint64_t seed) {
  check(first.size() == second.size() && !first.empty() && resamples > 0, "paired_difference: pairs");
  const size_t n = first.size();
  std::vector<double> each(n), means;
  for (size_t i = 0; i < n; ++i) each[i] = second[i] - first[i];
  Rng rng{RngKey{seed}.at("paired bootstrap")};
  for (int64_t r = 0; r < resamples; ++r) {
    double sum = 0;
    for (size_t i = 0; i < n; ++i) sum += each[rng.below(n)];
    means.push_back(sum / double(n));
  }
  std::sort(means.begin(), means.end());
  const auto quantile = [&](double q) { return means[std::min(size_t(q * double(resamples)), size_t(resamples) - 1)]; };
  const auto not_above = std::upper_bound(means.begin(), means.end(), 0.0) - means.begin();
  const auto not_below = means.end() - std::lower_bound(means.begin(), means.end(), 0.0);
  return {.first = mean(first),
          .second = mean(second),
          .low = quantile(0.025),
          .high = quantile(0.975),
          .p = std::min(1.0, 2 * double(std::min(not_above, not_below) + 1) / double(resamples + 1))};
}

std::vector<ComparedTask> compare_responses(const fs::path& first, const fs::path& second, int64_t resamples,
                                            uint64_t seed) {
  const auto a = read_problems(first), b = read_problems(second);
  check_same(a, b, first, second);
  check_same(b, a, second, first);
  struct Columns {
    std::vector<double> strict[2], lenient[2];
  };
  std::map<std::string, Columns> tasks;
  Columns all;
  for (const auto& [key, p] : a)
    for (Columns* c : {&tasks[key.first], &all}) {
      const Problem& q = b.at(key);
      c->strict[0].push_back(p.strict), c->strict[1].push_back(q.strict);
      c->lenient[0].push_back(p.lenient), c->lenient[1].push_back(q.lenient);
    }
  std::vector<ComparedTask> compared;
  const auto add = [&](const std::string& name, const Columns& c) {
    compared.push_back({name, c.strict[0].size(), paired_difference(c.strict[0], c.strict[1], resamples, seed),
                        paired_difference(c.lenient[0], c.lenient[1], resamples, seed)});
  };
  for (const auto& [name, c] : tasks) add(name, c);
  if (tasks.size() > 1) add("all", all);
  return compared;
}

std::string comparison_line(const ComparedTask& t, int64_t resamples) {
  return fmt::format("{}: {} problems, strict {}; lenient {}", t.name, t.problems, difference_text(t.strict, resamples),
                     difference_text(t.lenient, resamples));
}

Json comparison_json(const std::vector<ComparedTask>& tasks, int64_t resamples, uint64_t seed) {
  Json results = Json::array();
  for (const ComparedTask& t : tasks)
    results.push_back(
        {{"task", t.name}, {"problems", t.problems}, {"strict", to_json(t.strict)}, {"lenient", to_json(t.lenient)}});
  return {{"resamples", resamples}, {"seed", seed}, {"results", results}};
}

}  // namespace minke
