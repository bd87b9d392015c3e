// Questions with verifiable answers, by kind and level of difficulty; and chats, which only a reward model can judge. Reinforcement learning trains on them, evaluation
// asks them, and the text of pre-training is made from the same families, on the training side of the split (split.h).
// Task i of a kind, level and split is a pure function of (seed, i). Every equation in the reasoning is true. Tested in
// tests/corpus/tasks_test.cpp.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "core/enum_names.h"
#include "corpus/levels.h"
#include "corpus/split.h"

namespace minke {

// Levels: arithmetic and word problems 1 to 5, from one step with small numbers to several with large; countdown by the
// count of numbers, 3 to 6; chains by the count of steps, 2 to 6; logic and code 1 to 4; chats (chats.h) have one.
enum class TaskKind : uint8_t {
  arithmetic,
  word_problem,
  word_problem_zh,
  countdown,
  chain,
  logic,
  code,
  chat,
  chat_zh
};
template <> struct EnumNames<TaskKind> {
  static constexpr EnumName<TaskKind> all[] = {{TaskKind::arithmetic, "arithmetic"},
                                               {TaskKind::word_problem, "word_problem"},
                                               {TaskKind::word_problem_zh, "word_problem_zh"},
                                               {TaskKind::countdown, "countdown"},
                                               {TaskKind::chain, "chain"},
                                               {TaskKind::logic, "logic"},
                                               {TaskKind::code, "code"},
                                               {TaskKind::chat, "chat"},
                                               {TaskKind::chat_zh, "chat_zh"}};
};
inline constexpr int kMinTaskLevel = 1, kMaxTaskLevel = 5;  // of arithmetic and word problems
LevelRange task_levels(TaskKind kind);

// What an answer is compared by. judge: no rule can grade it; a reward model judges.
enum class GraderKind : uint8_t { math, countdown, code, judge };
template <> struct EnumNames<GraderKind> {
  static constexpr EnumName<GraderKind> all[] = {{GraderKind::math, "math"},
                                                 {GraderKind::countdown, "countdown"},
                                                 {GraderKind::code, "code"},
                                                 {GraderKind::judge, "judge"}};
};
GraderKind grader_of(TaskKind kind);

struct Task {
  std::string family;     // the template, for tests and for statistics by family: "share_equally"
  std::string question;   // one paragraph; HumanEval's is the beginning of a program
  std::string reasoning;  // lines, one step each; may be empty
  // The reference that a grader needs. math: the value, canonical: "12", "-3", "3/4", "Ann". judge: a good answer. Else JSON text:
  // countdown {"numbers": [3, 7, 25], "target": 54}; code {"language": "python", "entry_point": "total",
  // "test": "def check(candidate): …"} and, where the answer continues it, "prompt".
  std::string answer;
  GraderKind grader = GraderKind::math;
  std::string solution;                // an answer that is right: the expression, the program; empty: the answer itself
  std::string canonical;               // what the split is decided by (split.h)
  TaskSplit split = TaskSplit::train;  // of generated problems, also where they were written to a file; else train

  const std::string& right_answer() const { return solution.empty() ? answer : solution; }
};

// The level must be one of task_levels(kind).
Task make_task(uint64_t seed, uint64_t index, TaskKind kind, int level, TaskSplit split = TaskSplit::train);

// Question, reasoning and "#### answer", as GSM8K writes it.
std::string task_document(const Task& task);

// "countdown", "countdown:3-4", "chains:2,4": a kind, also in the plural, and levels (all if it names none). UserError
// names `where`, such as "--task", and what there is.
struct TaskChoice {
  TaskKind kind;
  Levels levels;
};
TaskChoice parse_task_choice(std::string_view text, std::string_view where);

}  // namespace minke
