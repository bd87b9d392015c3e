#include "corpus/tasks.h"

#include <fmt/format.h>

#include "core/error.h"
#include "corpus/chains.h"
#include "corpus/genres.h"

namespace minke {

LevelRange task_levels(TaskKind kind) {
  switch (kind) {
    case TaskKind::arithmetic:
    case TaskKind::word_problem:
    case TaskKind::word_problem_zh: return {kMinTaskLevel, kMaxTaskLevel};
    case TaskKind::countdown: return {3, 6};
    case TaskKind::chain: return {2, 6};
    case TaskKind::logic:
    case TaskKind::code: return {1, 4};
    case TaskKind::chat:
    case TaskKind::chat_zh: return {1, 1};
  }
  check(false, "known task kind");
  return {};
}

GraderKind grader_of(TaskKind kind) {
  switch (kind) {
    case TaskKind::arithmetic:
    case TaskKind::word_problem:
    case TaskKind::word_problem_zh:
    case TaskKind::chain:
    case TaskKind::logic: return GraderKind::math;
    case TaskKind::countdown: return GraderKind::countdown;
    case TaskKind::code: return GraderKind::code;
    case TaskKind::chat:
    case TaskKind::chat_zh: return GraderKind::judge;
  }
  check(false, "known task kind");
  return {};
}

Task make_task(uint64_t seed, uint64_t index, TaskKind kind, int level, TaskSplit split) {
  const LevelRange levels = task_levels(kind);
  check(level >= levels.first && level <= levels.last, "task level is one of the kind");
  const Rng rng{RngKey{seed}.at("task").at(name_of(kind)).at(uint64_t(level)).at(index)};
  Task task = corpus::task_of_split(rng, kind, level, split);
  task.split = split;
  return task;
}

Task corpus::task_of_split(Rng rng, TaskKind kind, int level, TaskSplit split) {
  const auto make = [&](Rng draw) -> Task {
    switch (kind) {
      case TaskKind::arithmetic: return corpus::arithmetic_task(draw, level);
      case TaskKind::word_problem: return corpus::word_problem_en(draw, level);
      case TaskKind::word_problem_zh: return corpus::word_problem_zh(draw, level);
      case TaskKind::countdown: return corpus::countdown_task(draw, level);
      case TaskKind::chain: return corpus::chain_task(draw, level);
      case TaskKind::logic: return corpus::logic_task(draw, level);
      case TaskKind::code: return corpus::code_task(draw, level);
      case TaskKind::chat: return corpus::chat_task(draw, false);
      case TaskKind::chat_zh: return corpus::chat_task(draw, true);
    }
    check(false, "known task kind");
    return {};
  };
  return first_that_fits(rng, make, [&](Task& task) {
    if (task.canonical.empty()) task.canonical = canonical_form(task.family, task.question);
    return split_of(task.canonical) == split && (split == TaskSplit::test || !shows_test_problem(task.reasoning));
  });
}

std::string task_document(const Task& task) {
  std::string text = task.question + "\n";
  if (!task.reasoning.empty()) text += task.reasoning + "\n";
  return text + "#### " + task.right_answer();
}

TaskChoice parse_task_choice(std::string_view text, std::string_view where) {
  const size_t colon = std::min(text.find(':'), text.size());
  const std::string_view name = text.substr(0, colon);
  auto kind = find_named<TaskKind>(name);
  if (!kind && name.ends_with('s')) kind = find_named<TaskKind>(name.substr(0, name.size() - 1));
  if (!kind)
    user_error("{} {}: there is no task \"{}\". Use one of {}", where, printable(text), printable(name),
               names_of<TaskKind>(", "));
  const LevelRange all = task_levels(*kind);
  if (colon == text.size()) return {*kind, Levels::range(all)};
  if (grader_of(*kind) == GraderKind::judge && text.substr(colon + 1) != "1")
    user_error("{} {}: chats have one level, 1, and their language is in their name, chat or chat_zh: leave \"{}\" out",
               where, printable(text), printable(text.substr(colon)));
  return {*kind, parse_levels(text.substr(colon + 1), all, fmt::format("{} {}", where, printable(text)))};
}

}  // namespace minke
