#include "reward/grade_line.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace minke {
namespace {

const Json& field(const Json& line, const char* name, std::string_view where) {
  const auto found = line.find(name);
  if (found == line.end()) user_error("{}: no field \"{}\"", where, name);
  return *found;
}

const std::string& text_field(const Json& line, const char* name, std::string_view where) {
  const Json& value = field(line, name, where);
  if (!value.is_string()) user_error("{}: \"{}\" must be a text, it is {}", where, name, value.type_name());
  return value.get_ref<const std::string&>();
}

long whole_number(const Json& value, std::string_view name, long least, std::string_view where) {
  const bool fits = value.is_number_integer() && value.is_number_unsigned()
                        ? value.get<uint64_t>() <= uint64_t(kMaxCountdownNumber)
                        : value.is_number_integer() && value.get<int64_t>() >= -kMaxCountdownNumber;
  if (!fits || value.get<int64_t>() < least)
    user_error("{}: \"{}\" must be a whole number from {} to {}, it is {}", where, name, least, kMaxCountdownNumber,
               printable(value.dump(-1, ' ', false, Json::error_handler_t::replace)));
  return value.get<long>();
}

CountdownTask countdown_task(const Json& object, std::string_view where) {
  const char* const name = object.contains("numbers") ? "numbers" : "nums";
  if (!object.contains(name)) user_error("{}: no field \"numbers\"", where);
  const Json& numbers = object[name];
  if (!numbers.is_array() || numbers.empty() || numbers.size() > kMaxCountdownNumbers)
    user_error("{}: \"{}\" must be a list of 1 to {} numbers", where, name, kMaxCountdownNumbers);
  CountdownTask task;
  for (const Json& n : numbers) task.numbers.push_back(whole_number(n, name, 0, where));
  task.target = whole_number(field(object, "target", where), "target", -kMaxCountdownNumber, where);
  return task;
}

// As text, so that 0.1 is a tenth. Larger ones than a double holds have been rounded by the parser.
std::string number_text(const Json& value, std::string_view where) {
  if (value.is_number_float() && !(std::abs(value.get<double>()) < 9007199254740992.0))
    user_error("{}: \"answer\": {} is too large for a number in JSON; write it as a text", where, value.dump());
  return value.dump();
}

ThoughtLanguage language_named(const std::string& name, std::string_view where) {
  const auto language = find_named<ThoughtLanguage>(name);
  if (!language)
    user_error("{}: \"answer\" must be a language ({}), it is \"{}\"", where, names_of<ThoughtLanguage>(", "),
               printable(name));
  return *language;
}

// The last turn of a conversation, or the prompt as it is.
std::string_view prompt_text(const Json& line, std::string_view where) {
  const auto prompt = line.find("prompt");
  if (prompt == line.end() || prompt->is_null()) return {};
  if (prompt->is_string()) return prompt->get_ref<const std::string&>();
  if (!prompt->is_array())
    user_error("{}: \"prompt\" must be a text or a list of messages, it is {}", where, prompt->type_name());
  if (prompt->empty() || !prompt->back().is_object()) return {};
  const auto content = prompt->back().find("content");
  return content != prompt->back().end() && content->is_string()
             ? std::string_view(content->get_ref<const std::string&>())
             : std::string_view();
}

}  // namespace

CountdownTask parse_countdown_task(std::string_view text, std::string_view where) {
  std::vector<long> all;
  for (size_t i = 0; i < text.size();) {
    if (text[i] < '0' || text[i] > '9') {
      ++i;
      continue;
    }
    const bool negative = i > 0 && text[i - 1] == '-' && (i < 2 || text[i - 2] == ' ' || text[i - 2] == ',');
    long n = 0;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i)
      n = std::min(10 * n + (text[i] - '0'), 10 * kMaxCountdownNumber);
    if (n > kMaxCountdownNumber || all.size() > kMaxCountdownNumbers) all.clear(), i = text.size();
    else all.push_back(negative ? -n : n);
  }
  bool fits = all.size() >= 2;
  for (size_t i = 0; i + 1 < all.size(); ++i) fits &= all[i] >= 0;
  if (!fits)
    user_error("{}: \"answer\": \"{}\" is no task of 1 to {} numbers and a target, such as \"6, 1, 5 -> 9\"", where,
               printable(text), kMaxCountdownNumbers);
  const long target = all.back();
  all.pop_back();
  return {std::move(all), target};
}

Reference reference_of(GradeKind kind, const Json& line, std::string_view where) {
  const auto found = line.find("answer");
  const bool has_answer = found != line.end() && !found->is_null();
  switch (kind) {
    case GradeKind::math: {
      const Json& answer = field(line, "answer", where);
      if (answer.is_number()) return number_text(answer, where);
      return text_field(line, "answer", where);
    }
    case GradeKind::countdown:
      if (!has_answer || line.contains("numbers") || line.contains("nums")) return countdown_task(line, where);
      if (found->is_object()) return countdown_task(*found, where);
      return parse_countdown_task(text_field(line, "answer", where), where);
    case GradeKind::language: return language_named(text_field(line, "answer", where), where);
    case GradeKind::format:
    case GradeKind::code: break;
  }
  return {};
}

Grade grade(GradeKind kind, std::string_view response, const Reference& reference, Thought thought) {
  switch (kind) {
    case GradeKind::math: return grade_math(response, std::get<std::string>(reference), thought);
    case GradeKind::countdown: return grade_countdown(response, std::get<CountdownTask>(reference), thought);
    case GradeKind::format: return grade_format(response, thought);
    case GradeKind::language: return grade_language(response, std::get<ThoughtLanguage>(reference), thought);
    case GradeKind::code: break;
  }
  return {0, 0, "code is not graded here"};
}

Json parse_graded_line(std::string_view text, std::string_view where) {
  Json line = parse_json(text, where);
  if (!line.is_object()) user_error("{}: a JSON object is needed here, this is {}", where, line.type_name());
  text_field(line, "response", where);
  return line;
}

Thought thought_of(const Json& line, std::string_view where) { return thought_after(prompt_text(line, where)); }

void refuse_judged(const Json& line, std::string_view where) {
  const auto grader = line.find("grader");
  if ((grader == line.end() || *grader != "judge") && !line.contains("preference")) return;
  user_error(
      "{}: an answer to a chat, which no rule grades: leave such lines out; a reward model judges them: minke eval "
      "tasks "
      "--judge, or minke reward-model --score",
      where);
}

std::string with_grade(std::string_view text, Json& line, const Grade& g) {
  if (line.contains("strict") || line.contains("lenient") || line.contains("reason")) {  // graded before
    line["strict"] = g.strict, line["lenient"] = g.lenient, line["reason"] = g.reason;
    return line.dump();
  }
  // The line's own text is kept to the byte: its numbers may have more digits than a parser keeps.
  const size_t end = text.rfind('}');
  return fmt::format("{},\"strict\":{},\"lenient\":{},\"reason\":{}}}", text.substr(0, end), Json(g.strict).dump(),
                     Json(g.lenient).dump(), Json(g.reason).dump(-1, ' ', false, Json::error_handler_t::replace));
}

GradedLine grade_line(GradeKind kind, std::string_view text, std::string_view where) {
  Json line = parse_graded_line(text, where);
  if (kind == GradeKind::math || kind == GradeKind::countdown) refuse_judged(line, where);
  const Grade g =
      grade(kind, text_field(line, "response", where), reference_of(kind, line, where), thought_of(line, where));
  return {g, with_grade(text, line, g)};
}

}  // namespace minke
