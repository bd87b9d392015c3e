// The parts of a response: the thought between <think> and </think>, what follows it, and the answer that is marked there
// by <answer>…</answer> or \boxed{…}. Nothing here copies a response; all of it is linear in its length.
// Tested in tests/reward/math_test.cpp and tests/reward/format_test.cpp.
#pragma once
#include <string>
#include <string_view>

namespace minke {

// R1's generation prompt ends with "<think>\n": the response then begins inside the thought.
enum class Thought { begins_in_response, begun_in_prompt };
Thought thought_after(std::string_view prompt);

struct ResponseParts {
  bool has_thought = false;  // any tag of a thought is there
  bool thought_ended = true;
  std::string_view thought;
  std::string_view rest;  // behind the last </think>; empty if the thought has no end; all of it if there is no thought
};
ResponseParts parts_of(std::string_view response, Thought thought);

enum class Mark {
  none,
  exact,     // one <answer>…</answer>, or \boxed{…}
  careless,  // the same answer twice, or an <answer> without its end
  hedge,     // several answers
};
struct MarkedAnswer {
  Mark mark = Mark::none;
  std::string_view text;
  const char* reason = "";  // of what is not exact
};
// In the text behind the thought. <answer> goes before \boxed, and the last \boxed counts; several boxes side by side
// ("\boxed{7} or \boxed{8}") are one answer, a list. A box inside <answer> is the answer.
MarkedAnswer marked_answer(std::string_view text);

std::string_view trimmed(std::string_view text);  // of ASCII blanks
// How often `part` occurs, counting up to 2: more makes no difference.
int count_up_to_two(std::string_view text, std::string_view part);

}  // namespace minke
