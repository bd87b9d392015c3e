#include "rl/rejection.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "corpus/task_json.h"
#include "rl/readable.h"
#include "tokenize/unicode.h"

namespace minke {
namespace {

constexpr std::string_view kOpen = "<think>";

// What the model has said from the thought's tag on, which the prompt may have opened; some models open it again.
std::string whole_response(const TaskProblem& problem, std::string_view response) {
  while (!response.empty() && std::string_view(" \t\r\n").find(response.back()) != response.npos)
    response.remove_suffix(1);
  const bool begun = thought_after(problem.prompt) == Thought::begun_in_prompt;
  return begun && !trimmed(response).starts_with(kOpen) ? fmt::format("{}\n{}", kOpen, response)
                                                        : std::string(response);
}

}  // namespace

void check_rules(const RejectionRules& rules) {
  if (rules.prefer != AnswerOrder::first && rules.per_question == 0)
    user_error("{} answers can be preferred only where not all are kept: say how many to a question (per_question)",
               name_of(rules.prefer));
}

void refuse_rewritten_tokens(bool readable, int64_t top_log_probabilities, std::string_view readable_flag,
                             std::string_view top_flag) {
  if (readable && top_log_probabilities > 0)
    user_error("{} rewrites the answers, and {} {} is of the tokens that the model has drawn: use one of the two",
               readable_flag, top_flag, top_log_probabilities);
}

std::optional<Rejection> RejectionSampling::judge(const TaskProblem& problem, const TaskAnswer& a) const {
  if (a.truncated) return Rejection::unfinished;
  if (a.grade.accuracy.strict < 1) return Rejection::wrong;
  // A character that was cut in two; in a file of answers U+FFFD stands for it.
  if (!unicode::is_valid_utf8(a.response) || a.response.find("\uFFFD") != std::string::npos)
    return Rejection::malformed;
  if (!rules_.any_form && a.grade.format.strict < 1) return Rejection::malformed;
  if (rules_.longest > 0 && a.tokens > rules_.longest) return Rejection::too_long;
  if (language_share(problem.task, problem.prompt, a.response) < rules_.language_share)
    return Rejection::mixed_languages;
  return std::nullopt;
}

void RejectionSampling::add(const TaskProblem& problem, const TaskAnswer& a) {
  Question& q = questions_[a.problem];
  if (q.answers.empty())
    q.group = problem.group, q.asked = problem.asked, q.level = problem.level, q.index = problem.index,
    q.line = task_line(problem.task, problem.group, problem.level);
  Answer answer{
      .rejection = judge(problem, a), .right = !a.truncated && a.grade.accuracy.strict >= 1, .tokens = a.tokens};
  if (!answer.rejection) answer.top = a.top;
  if (!answer.rejection)
    answer.response = rules_.readable ? readable_response(problem.task, a.response, thought_after(problem.prompt))
                                      : whole_response(problem, a.response);
  check(q.answers.emplace(a.sample, std::move(answer)).second, "RejectionSampling: an answer twice");
}

auto RejectionSampling::preferred(const Answers& answers) const -> std::vector<Answers::const_iterator> {
  std::vector<Answers::const_iterator> order;
  for (auto a = answers.begin(); a != answers.end(); ++a) order.push_back(a);
  if (rules_.prefer == AnswerOrder::first) return order;
  const int64_t sign = rules_.prefer == AnswerOrder::longest ? -1 : 1;
  std::stable_sort(order.begin(), order.end(),
                   [sign](const auto& a, const auto& b) { return sign * a->second.tokens < sign * b->second.tokens; });
  return order;
}

RejectionSampling::Data RejectionSampling::data() const {
  Data data;
  std::map<std::string_view, std::set<std::string_view>> said;  // to each question, which a generator may ask twice
  std::set<std::string_view> found;                             // in data.sometimes
  std::set<std::pair<const RejectionCounts*, std::string_view>> asked, kept;  // where a question has been counted
  for (const auto& [problem, q] : questions_) {
    const auto right = std::count_if(q.answers.begin(), q.answers.end(), [](const auto& a) { return a.second.right; });
    const bool sometimes = right > 0 && size_t(right) < q.answers.size();
    if (sometimes && found.insert(q.asked).second) data.sometimes += q.line + "\n";
    RejectionCounts& level = data.by_level[{q.group, q.level}];
    std::set<std::string_view>& before = said[q.asked];
    for (const Answers::const_iterator& answer : preferred(q.answers)) {
      const auto& [sample, a] = *answer;
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
      Json line{{"messages", Json::array({Json{{"role", "user"}, {"content", q.asked}},
                                          Json{{"role", "assistant"}, {"content", a.response}}})},
                {"task", q.group},
                {"level", q.level},
                {"problem", q.index},
                {"sample", sample},
                {"tokens", a.tokens}};
      if (!a.top.empty()) line["top_logprobs"] = to_json(a.top);
      data.lines += line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    }
    for (RejectionCounts* c : {&data.all, &level}) {
      c->questions += asked.insert({c, q.asked}).second;
      if (!before.empty()) c->questions_kept += kept.insert({c, q.asked}).second;
    }
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
