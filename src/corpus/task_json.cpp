#include "corpus/task_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace minke {
namespace {

const std::string& text_field(const Json& line, const char* key, std::string_view where) {
  const auto found = line.find(key);
  if (found == line.end()) user_error("{}: \"{}\" is missing", where, key);
  if (!found->is_string()) user_error("{}: \"{}\" must be a string, is {}", where, key, found->type_name());
  return found->get_ref<const std::string&>();
}

std::string optional_text(const Json& line, const char* key, std::string_view where) {
  const auto found = line.find(key);
  return found == line.end() || found->is_null() ? "" : text_field(line, key, where);
}

std::string_view trimmed(std::string_view text) {
  const auto space = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return text;
}

// "1,000" → "1000"
std::string without_separators(std::string_view text) {
  const auto digit = [&](size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i)
    if (!(text[i] == ',' && i > 0 && digit(i - 1) && digit(i + 1))) out += text[i];
  return out;
}

void set_gsm8k(Task& task, const std::string& answer, std::string_view where) {
  constexpr std::string_view kMark = "####";
  const size_t at = answer.rfind(kMark);
  if (at == answer.npos) user_error("{}: \"answer\" has no \"#### \" before its last number, as GSM8K's have", where);
  task.reasoning = trimmed(std::string_view(answer).substr(0, at));
  task.answer = without_separators(trimmed(std::string_view(answer).substr(at + kMark.size())));
  if (task.answer.empty()) user_error("{}: \"answer\" has nothing after \"####\"", where);
}

void check_countdown(const Json& answer, std::string_view where) {
  const auto numbers = answer.find("numbers"), target = answer.find("target");
  bool whole = numbers->is_array() && !numbers->empty() && target != answer.end() && target->is_number_integer();
  if (whole)
    for (const Json& n : *numbers) whole &= n.is_number_integer();
  if (!whole)
    user_error("{}: \"answer\" must be {{\"numbers\": [whole numbers], \"target\": whole number}} for a countdown",
               where);
}

void set_reference(Task& task, const Json& line, std::string_view where) {
  const auto found = line.find("answer");
  if (found == line.end()) user_error("{}: \"answer\" is missing", where);
  if (found->is_string()) {
    task.answer = found->get<std::string>();
  } else if (found->is_number_integer()) {
    task.answer = found->dump();
  } else if (found->is_object() && found->contains("numbers")) {
    check_countdown(*found, where);
    task.grader = GraderKind::countdown;
    task.answer = found->dump();
  } else if (found->is_object() && found->contains("test")) {
    for (const char* key : {"language", "test", "entry_point"})
      text_field(*found, key, fmt::format("{}, answer", where));
    task.grader = GraderKind::code;
    task.answer = found->dump();
  } else {
    user_error("{}: \"answer\" must be a string, a whole number, or an object with \"numbers\" or \"test\"; it is {}",
               where, found->type_name());
  }
  if (task.answer.empty()) user_error("{}: \"answer\" is empty", where);
  if (!line.contains("grader")) return;
  const std::string& grader = text_field(line, "grader", where);
  if (grader != name_of(GraderKind::judge) || !found->is_string())
    user_error(
        "{}: \"grader\" can only be \"judge\", beside an answer that is a string; what else grades an answer is seen "
        "from it",
        where);
  task.grader = GraderKind::judge;
}

}  // namespace

std::string task_line(const Task& task, std::string_view name, int level) {
  Json line{{"task", name}, {"level", level}, {"question", task.question}};
  const bool text = task.grader == GraderKind::math || task.grader == GraderKind::judge;
  if (text) line["answer"] = task.answer;
  else line["answer"] = parse_json(task.answer, "answer of a task");
  if (task.grader == GraderKind::judge) line["grader"] = name_of(task.grader);
  if (!task.reasoning.empty()) line["reasoning"] = task.reasoning;
  if (!task.solution.empty()) line["solution"] = task.solution;
  if (task.split == TaskSplit::test) line["split"] = name_of(task.split);
  return line.dump();
}

Task task_of_json(const Json& line, std::string_view where) {
  Task task;
  if (!line.is_object()) user_error("{}: a task must be a JSON object, is {}", where, line.type_name());
  if (line.contains("task_id") || line.contains("canonical_solution")) {
    task.family = optional_text(line, "task_id", where);
    task.question = text_field(line, "prompt", where);
    task.solution = text_field(line, "canonical_solution", where);
    task.grader = GraderKind::code;
    task.answer = Json{{"language", "python"},
                       {"prompt", task.question},
                       {"test", text_field(line, "test", where)},
                       {"entry_point", text_field(line, "entry_point", where)}}
                      .dump();
  } else {
    task.question = text_field(line, "question", where);
    if (line.contains("task")) {
      task.family = text_field(line, "task", where);
      task.reasoning = optional_text(line, "reasoning", where);
      task.solution = optional_text(line, "solution", where);
      if (line.value("split", Json()) == name_of(TaskSplit::test)) task.split = TaskSplit::test;
      set_reference(task, line, where);
    } else {
      task.family = "gsm8k";
      set_gsm8k(task, text_field(line, "answer", where), where);
    }
  }
  if (trimmed(task.question).empty()) user_error("{}: the question is empty", where);
  if (task.grader == GraderKind::math) task.canonical = canonical_form(task.family, task.question);
  else if (task.grader == GraderKind::judge) task.canonical = task.family + " " + task.question;
  else task.canonical = task.family + " " + task.answer;
  return task;
}

}  // namespace minke
