// A line of JSON Lines that holds a response and what it is graded by, and the same line with its grade.
// Tested in tests/reward/grade_line_test.cpp.
#pragma once
#include <string>
#include <string_view>
#include <variant>

#include "core/json.h"
#include "reward/grade.h"

namespace minke {

// What a response is held against, by the kind: math (text), countdown, format (nothing), language.
using Reference = std::variant<std::monostate, std::string, CountdownTask, ThoughtLanguage>;

// From the line's "answer". Countdown: an object with numbers (or nums) and target, or these as fields of the line, or
// text whose last number is the target: "6, 1, 5 -> 9". UserErrors name `where` and the field.
Reference reference_of(GradeKind kind, const Json& line, std::string_view where);
// A countdown task as text; nothing if it is none.
CountdownTask parse_countdown_task(std::string_view text, std::string_view where);

// `reference` has what `kind` needs. Throws nothing. Not of code, which is run: code.h.
Grade grade(GradeKind kind, std::string_view response, const Reference& reference, Thought thought);

struct GradedLine {
  Grade grade;
  std::string line;  // the text of the line with "strict", "lenient" and "reason" behind its own fields, unchanged
};
// `text` is an object with "response", perhaps "prompt" (text, or a list of messages), and what reference_of needs.
GradedLine grade_line(GradeKind kind, std::string_view text, std::string_view where);

// Its parts, for kinds that grade many at once (code_lines.h): an object with the text "response"; whether the thought was begun in its
// "prompt"; the line with its grade.
Json parse_graded_line(std::string_view text, std::string_view where);
Thought thought_of(const Json& line, std::string_view where);
// UserError for an answer to a chat, as minke eval tasks writes it: no rule can grade that.
void refuse_judged(const Json& line, std::string_view where);
std::string with_grade(std::string_view text, Json& line, const Grade& grade);

}  // namespace minke
