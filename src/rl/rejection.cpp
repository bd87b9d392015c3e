#include "rl/rejection.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "reward/tokens.h"

namespace minke {
namespace {

// What the model has said from the thought's tag on, which the prompt may have opened.
std::string whole_response(const TaskProblem& problem, std::string_view response) {
  const std::string_view said = trimmed(response);
  return thought_after(problem.prompt) == Thought::begun_in_prompt ? "<think>\n" + std::string(said)
                                                                   : std::string(said);
}

}  // namespace

ThoughtLanguage language_of(std::string_view question) {
  for (size_t at = 0; at < question.size();)
    if (is_han(next_code_point(question, at))) return ThoughtLanguage::zh;
  return ThoughtLanguage::en;
}

double language_share(const TaskProblem& problem, std::string_view response) {
  const Thought thought = thought_after(problem.prompt);
  const auto share = [&](ThoughtLanguage l) { return grade_language(response, l, thought).lenient; };
  const ThoughtLanguage own = language_of(problem.task.question);
  const double of_own = share(own);
  if (of_own > 0) return of_own;
  const ThoughtLanguage other = own == ThoughtLanguage::en ? ThoughtLanguage::zh : ThoughtLanguage::en;
  return share(other) > 0 ? 0 : 1;
}

std::optional<Rejection> RejectionSampling::judge(const TaskProblem& problem, const TaskAnswer& a) const {
  if (a.truncated) return Rejection::unfinished;
  if (a.grade.accuracy.strict < 1) return Rejection::wrong;
  if (rules_.well_formed && a.grade.format.strict < 1) return Rejection::malformed;
  if (rules_.longest > 0 && a.tokens > rules_.longest) return Rejection::too_long;
  if (language_share(problem, a.response) < rules_.language_share) return Rejection::mixed_languages;
  return std::nullopt;
}

void RejectionSampling::add(const TaskProblem& problem, const TaskAnswer& a) {
  Question& q = questions_[a.problem];
  if (q.answers.empty())
    q.group = problem.group, q.asked = problem.asked, q.level = problem.level, q.index = problem.index;
  Answer answer{.rejection = judge(problem, a), .tokens = a.tokens};
  if (!answer.rejection) answer.response = whole_response(problem, a.response);
  check(q.answers.emplace(a.sample, std::move(answer)).second, "RejectionSampling: an answer twice");
}

RejectionSampling::Data RejectionSampling::data() const {
  Data data;
  std::map<std::string_view, std::set<std::string_view>> said;  // to each question, which a generator may ask twice
  for (const auto& [problem, q] : questions_) {
    RejectionCounts& level = data.by_level[{q.group, q.level}];
    const auto [place, is_new] = said.try_emplace(q.asked);
    std::set<std::string_view>& before = place->second;
    const bool had_none = before.empty();
    for (const auto& [sample, a] : q.answers) {
      std::optional<Rejection> rejection = a.rejection;
      if (!rejection && before.contains(a.response)) rejection = Rejection::duplicate;
      if (!rejection && rules_.per_question > 0 && int64_t(before.size()) >= rules_.per_question)
        rejection = Rejection::surplus;
      for (RejectionCounts* c : {&data.all, &level}) {
        ++c->drawn;
        if (rejection) ++c->rejected[size_t(*rejection)];
        else ++c->kept, c->kept_tokens += (double(a.tokens) - c->kept_tokens) / double(c->kept);
      }
      if (rejection) continue;
      before.insert(a.response);
      const Json line{{"messages", Json::array({Json{{"role", "user"}, {"content", q.asked}},
                                                Json{{"role", "assistant"}, {"content", a.response}}})},
                      {"task", q.group},
                      {"level", q.level},
                      {"problem", q.index},
                      {"sample", sample},
                      {"tokens", a.tokens}};
      data.lines += line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    }
    for (RejectionCounts* c : {&data.all, &level})
      c->questions += is_new, c->questions_kept += had_none && !before.empty();
  }
  return data;
}

Json to_json(const RejectionCounts& c) {
  Json rejected = Json::object();
  for (const auto& r : EnumNames<Rejection>::all) rejected[r.name] = c[r.value];
  return {{"drawn", c.drawn},
          {"kept", c.kept},
          {"questions", c.questions},
          {"questions_kept", c.questions_kept},
          {"mean_tokens", c.kept_tokens},
          {"rejected", rejected}};
}

std::string counts_line(const RejectionCounts& c) {
  std::string dropped;
  for (const auto& r : EnumNames<Rejection>::all) {
    if (c[r.value] == 0) continue;
    std::string name(r.name);
    std::replace(name.begin(), name.end(), '_', ' ');
    dropped += fmt::format("{}{} {}", dropped.empty() ? "; dropped: " : ", ", c[r.value], name);
  }
  return fmt::format("{:.1f} % of {} answers are kept, for {} of {} questions{}",
                     c.drawn ? 100.0 * double(c.kept) / double(c.drawn) : 0, c.drawn, c.questions_kept, c.questions,
                     dropped);
}

std::vector<std::string> RejectionSampling::Data::level_lines() const {
  std::vector<std::string> out;
  for (const auto& [level, counts] : by_level)
    out.push_back(fmt::format("{}{}: {}", level.first, level.second > 0 ? fmt::format(":{}", level.second) : "",
                              counts_line(counts)));
  if (by_level.size() > 1) out.push_back("all: " + counts_line(all));
  return out;
}

Json RejectionSampling::Data::to_json(const Json& settings) const {
  Json levels = Json::array();
  for (const auto& [level, counts] : by_level) {
    levels.push_back({{"task", level.first}, {"level", level.second}});
    levels.back().update(minke::to_json(counts));
  }
  return {{"settings", settings}, {"all", minke::to_json(all)}, {"by_level", levels}};
}

}  // namespace minke
