#include "eval/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "core/error.h"
#include "core/rng.h"
#include "data/json_lines.h"

namespace minke {
namespace {

struct Problem {
  std::string answer;  // the reference, as text
  double strict = 0, lenient = 0;
  int64_t answers = 0;
  std::set<int64_t> samples;
};
using ProblemKey = std::pair<std::string, int64_t>;  // "chain:2", number

struct Responses {
  std::map<ProblemKey, Problem> problems;
  Json settings;  // of the first answer
};

Responses read_responses(const fs::path& file) {
  Responses all;
  read_json_lines(file, {}, [&](const Json& line, const std::string& where) {
    try {
      const int64_t level = line.at("level");
      const std::string task = line.at("task");
      const double strict = line.at("strict"), lenient = line.at("lenient");
      if (!(level >= 0 && strict >= 0 && strict <= 1 && lenient >= 0 && lenient <= 1))
        user_error("{}: \"strict\" and \"lenient\" are from 0 to 1, and \"level\" is not below 0", where);
      Problem& p =
          all.problems[{level > 0 ? fmt::format("{}:{}", task, level) : task, line.at("problem").get<int64_t>()}];
      const std::string answer = line.at("answer").dump();
      if (p.answers > 0 && p.answer != answer) user_error("{}: the same problem had another answer before", where);
      if (!p.samples.insert(line.at("sample").get<int64_t>()).second)
        user_error("{}: this answer was there before", where);
      p.answer = answer;
      p.strict += strict, p.lenient += lenient;
      ++p.answers;
      if (all.settings.is_null()) all.settings = line.value("settings", Json::object());
    } catch (const nlohmann::json::exception&) {
      user_error(
          "{}: no graded answer: give files that minke eval tasks --responses has written, or responses.jsonl of a "
          "pipeline's eval stage",
          where);
    }
  });
  if (all.problems.empty()) user_error("{} holds no answers", file.string());
  // Where an evaluation was ended early, some problems have fewer answers: means over one and over two do not compare.
  for (const auto& [key, p] : all.problems)
    if (const auto& first = *all.problems.begin(); p.answers != first.second.answers)
      user_error(
          "{}: {}, problem {} has {} answers, {}, problem {} has {}: the evaluation is not complete; let it end first",
          file.string(), key.first, key.second, p.answers, first.first.first, first.first.second, first.second.answers);
  for (auto& [key, p] : all.problems) p.strict /= double(p.answers), p.lenient /= double(p.answers);
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

std::string difference_text(const PairedDifference& d, int64_t draws) {
  const double least = 1.0 / double(draws + 1);
  const auto points = [](double x) { return 100 * x + 0.0; };  // no "-0.0"
  const std::string p = d.p <= 1.5 * least ? fmt::format("p < {:.2g}", 2 * least) : fmt::format("p = {:.2g}", d.p);
  return fmt::format("{:.1f} → {:.1f} %, {:+.1f} [{:+.1f}, {:+.1f}], {} ({} problem{} differ{})", points(d.first),
                     points(d.second), points(d.second - d.first), points(d.low), points(d.high), p, d.differ,
                     d.differ == 1 ? "" : "s", d.differ == 1 ? "s" : "");
}

Json to_json(const PairedDifference& d) {
  return {{"first", d.first},        {"second", d.second}, {"difference", d.second - d.first},
          {"ci95", {d.low, d.high}}, {"p", d.p},           {"differ", d.differ}};
}

}  // namespace

PairedDifference paired_difference(const std::vector<double>& first, const std::vector<double>& second, int64_t draws,
                                   uint64_t seed) {
  check(first.size() == second.size() && !first.empty() && draws >= 39, "paired_difference: pairs");
  constexpr double kRounding = 1e-9;  // means of a few answers differ by more
  const size_t n = first.size();
  std::vector<double> each(n), means;
  PairedDifference d;
  for (size_t i = 0; i < n; ++i) {
    each[i] = second[i] - first[i];
    if (std::abs(each[i]) < kRounding) each[i] = 0;
    else ++d.differ;
  }
  d.first = mean(first), d.second = mean(second);
  const double observed = std::abs(std::accumulate(each.begin(), each.end(), 0.0));
  Rng pick{RngKey{seed}.at("paired bootstrap")}, swap{RngKey{seed}.at("paired permutation")};
  int64_t as_large = 0;
  for (int64_t r = 0; r < draws; ++r) {
    double drawn = 0, swapped = 0;
    for (size_t i = 0; i < n; ++i) drawn += each[pick.below(n)];
    for (size_t i = 0; i < n; ++i)
      if (each[i] != 0) swapped += swap.below(2) ? each[i] : -each[i];
    means.push_back(std::abs(drawn) < kRounding ? 0 : drawn / double(n));
    as_large += std::abs(swapped) >= observed - kRounding;
  }
  std::sort(means.begin(), means.end());
  const size_t tail = size_t(0.025 * double(draws + 1));  // so many at either end
  d.low = means[tail - 1], d.high = means[means.size() - tail];
  d.p = double(as_large + 1) / double(draws + 1);
  return d;
}

ComparedModels compare_responses(const fs::path& first, const fs::path& second, int64_t draws, uint64_t seed) {
  const Responses read_a = read_responses(first), read_b = read_responses(second);
  const auto &a = read_a.problems, &b = read_b.problems;
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
  ComparedModels compared;
  const auto add = [&](const std::string& name, const Columns& c) {
    compared.tasks.push_back({name, c.strict[0].size(), paired_difference(c.strict[0], c.strict[1], draws, seed),
                              paired_difference(c.lenient[0], c.lenient[1], draws, seed)});
  };
  for (const auto& [name, c] : tasks) add(name, c);
  if (tasks.size() > 1) add("all", all);
  for (const auto& [key, value] : read_a.settings.items())
    if (key != "model" && value != read_b.settings.value(key, Json())) compared.settings.push_back(key);
  if (a.begin()->second.answers != b.begin()->second.answers) compared.settings.push_back("answers to a problem");
  return compared;
}

std::string comparison_line(const ComparedTask& t, int64_t draws) {
  return fmt::format("{}: {} problems, strict {}; lenient {}", t.name, t.problems, difference_text(t.strict, draws),
                     difference_text(t.lenient, draws));
}

Json comparison_json(const std::vector<ComparedTask>& tasks, int64_t draws, uint64_t seed) {
  Json results = Json::array();
  for (const ComparedTask& t : tasks)
    results.push_back(
        {{"task", t.name}, {"problems", t.problems}, {"strict", to_json(t.strict)}, {"lenient", to_json(t.lenient)}});
  return {{"draws", draws}, {"seed", seed}, {"results", results}};
}

}  // namespace minke
