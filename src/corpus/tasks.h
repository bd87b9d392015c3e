// Questions with verifiable answers. SFT and RL will train on them, and the word problems and arithmetic of the built-in
// corpus are made from the same families. Task i of a kind and level is a pure function of (seed, i). Every equation in
// the reasoning is true. Tested in tests/corpus/tasks_test.cpp.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "core/enum_names.h"

namespace minke {

enum class TaskKind : uint8_t { arithmetic, word_problem, word_problem_zh };
template <> struct EnumNames<TaskKind> {
  static constexpr EnumName<TaskKind> all[] = {{TaskKind::arithmetic, "arithmetic"},
                                               {TaskKind::word_problem, "word_problem"},
                                               {TaskKind::word_problem_zh, "word_problem_zh"}};
};
inline constexpr int kMinTaskLevel = 1, kMaxTaskLevel = 5;  // from one step with small numbers to several with large

struct Task {
  std::string family;     // the template, for tests and for statistics by family: "share_equally"
  std::string question;   // one paragraph
  std::string reasoning;  // lines, one step each; may be empty for level 1 arithmetic
  std::string answer;     // a number, canonical: "12", "-3", "3/4"
};

Task make_task(uint64_t seed, uint64_t index, TaskKind kind, int level);

// Question, reasoning and "#### answer", as GSM8K writes it.
std::string task_document(const Task& task);

}  // namespace minke
