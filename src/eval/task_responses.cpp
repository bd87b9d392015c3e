#include "eval/task_responses.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "core/error.h"

namespace minke {
namespace {

template <class T> T field(const Json& line, const char* key, std::string_view where) {
  const auto found = line.find(key);
  bool fits = found != line.end();
  if constexpr (std::is_same_v<T, bool>) fits = fits && found->is_boolean();
  else if constexpr (std::is_same_v<T, std::string>) fits = fits && found->is_string();
  else if constexpr (std::is_same_v<T,
                                    int64_t>)  // not beyond what a double holds exactly, so that sums do not overflow
    fits = fits && found->is_number_integer() && found->get<double>() >= 0 && found->get<double>() <= 0x1p53;
  else fits = fits && found->is_number() && found->get<double>() >= 0 && found->get<double>() <= 1;
  if (!fits) user_error("{}: \"{}\" is not what minke writes there: give another file to --responses", where, key);
  return found->template get<T>();
}

std::string answer_line(const TaskProblem& p, const TaskAnswer& a, const Json& settings) {
  const bool is_text = p.task.grader == GraderKind::math || p.task.grader == GraderKind::judge;
  Json line{{"task", p.group},
            {"level", p.level},
            {"problem", p.index},
            {"sample", a.sample},
            {"prompt", p.prompt},
            {"response", a.response},
            {"answer", is_text ? Json(p.task.answer) : parse_json(p.task.answer, "answer of a task")},
            {"strict", a.grade.accuracy.strict},
            {"lenient", a.grade.accuracy.lenient},
            {"reason", a.grade.accuracy.reason},
            {"format", a.grade.format.strict},
            {"tokens", a.tokens},
            {"truncated", a.truncated},
            {"final_answer", a.final_answer},
            {"settings", settings}};
  if (p.task.grader == GraderKind::judge) line["grader"] = name_of(p.task.grader);
  if (a.grade.preference) line["preference"] = *a.grade.preference;
  if (!a.top.empty()) line["top_logprobs"] = to_json(a.top);
  return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";  // an answer may have half a character
}

// "max_new 3, now 60; seed none, now 1"
std::string differences(const Json& before, const Json& now) {
  if (!before.is_object()) return "they are no object";
  std::string text;
  const auto value = [](const Json& of, const std::string& key) {
    const auto at = of.find(key);
    return at == of.end() ? "none" : printable(at->dump(-1, ' ', false, Json::error_handler_t::replace));
  };
  Json all = before;
  all.update(now);
  for (const auto& [key, unused] : all.items())
    if (value(before, key) != value(now, key))
      text +=
          fmt::format("{}{} {}, now {}", text.empty() ? "" : "; ", printable(key), value(before, key), value(now, key));
  return text;
}

// The answers in a file. `bytes`: of the whole lines.
std::vector<TaskAnswer> read_answers(const fs::path& file, const std::vector<TaskProblem>& problems, int64_t samples,
                                     const Json& settings, size_t& bytes) {
  std::map<std::tuple<std::string, int64_t, int64_t>, size_t> problem_of;
  for (size_t p = 0; p < problems.size(); ++p)
    problem_of[{problems[p].group, problems[p].level, problems[p].index}] = p;
  const std::string text = read_file(file);
  std::vector<TaskAnswer> answers;
  AnswerKeys seen;
  bytes = 0;
  for (size_t number = 1, end; (end = text.find('\n', bytes)) != text.npos; bytes = end + 1, ++number) {
    const std::string where = fmt::format("{}, line {}", file.string(), number);
    const Json line = parse_json(std::string_view(text).substr(bytes, end - bytes), where);
    if (!line.is_object()) user_error("{}: no JSON object: give another file to --responses", where);
    if (const auto found = line.find("settings"); found == line.end() || *found != settings)
      user_error(
          "{}: was answered with other settings ({}): goes on only with the same; delete the file to begin again, or "
          "give another one",
          where, found == line.end() ? "it says none" : differences(*found, settings));
    const auto found = problem_of.find({field<std::string>(line, "task", where), field<int64_t>(line, "level", where),
                                        field<int64_t>(line, "problem", where)});
    TaskAnswer a{.sample = field<int64_t>(line, "sample", where),
                 .final_answer = field<std::string>(line, "final_answer", where),
                 .tokens = field<int64_t>(line, "tokens", where),
                 .truncated = field<bool>(line, "truncated", where)};
    a.grade.accuracy = {field<double>(line, "strict", where), field<double>(line, "lenient", where),
                        field<std::string>(line, "reason", where)};
    a.grade.format.strict = field<double>(line, "format", where);
    if (line.contains("preference")) a.grade.preference = field<double>(line, "preference", where);
    if (const auto top = line.find("top_logprobs"); top != line.end()) a.top = top_log_probabilities(*top, where);
    if (int64_t(a.top.tokens.size()) != (settings.contains("top_logprobs") ? a.tokens : 0))
      user_error("{}: has log-probabilities of {} of {} tokens: give another file to --responses", where,
                 a.top.tokens.size(), a.tokens);
    const std::string prompt = field<std::string>(line, "prompt", where);
    a.response = field<std::string>(line, "response", where);
    a.reflection = reflection_of(prompt, a.response);
    if (found == problem_of.end() || a.sample >= samples) continue;
    a.problem = found->second;
    if (prompt != problems[a.problem].prompt)
      user_error("{}: is an answer to another problem than {} is now: give another file to --responses", where,
                 problems[a.problem].where());
    if (!seen.insert({a.problem, a.sample}).second)
      user_error("{}: a second answer {} to {}: give another file to --responses", where, a.sample,
                 problems[a.problem].where());
    a.single_language = language_share(problems[a.problem].task, prompt, a.response) >= kSingleLanguage;
    answers.push_back(std::move(a));
  }
  return answers;
}

}  // namespace

ResponsesFile::ResponsesFile(const fs::path& path, bool resume, const std::vector<TaskProblem>& problems,
                             int64_t samples, const Json& settings)
    : path_(path), problems_(problems), settings_(settings) {
  std::error_code none;
  if (fs::is_directory(path, none)) user_error("--responses {} is a folder; give a file", path.string());
  if (fs::is_regular_file(path, none) && fs::file_size(path, none) > 0) {
    if (!resume)
      user_error("--responses {} exists already: --resume goes on with what it holds, or give another name",
                 path.string());
    known_ = read_answers(path, problems, samples, settings, whole_);
  }
}

void ResponsesFile::open() {
  std::error_code none, failed;
  if (fs::is_regular_file(path_, none)) fs::resize_file(path_, whole_, failed);
  errno = failed ? failed.value() : 0;
  file_.reset(failed ? nullptr : std::fopen(path_.c_str(), "a"));
  if (!file_) user_error("cannot write to --responses {}: {}", path_.string(), std::strerror(errno));
}

void ResponsesFile::add(const TaskAnswer& answer) {
  if (!file_) open();
  const std::string line = answer_line(problems_[answer.problem], answer, settings_);
  // Out at once: what has been answered is not lost with the program.
  if (std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size() || std::fflush(file_.get()) != 0)
    user_error("cannot write to --responses {}: {}. What it holds stays; go on with --resume", path_.string(),
               std::strerror(errno));
}

}  // namespace minke
