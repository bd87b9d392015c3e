#include "corpus/task_source.h"

#include <fmt/format.h>

#include "core/error.h"
#include "corpus/source_text.h"

namespace minke {
namespace {

constexpr std::string_view kTasks = "builtin:tasks";

}  // namespace

bool is_task_source(std::string_view source) { return is_named(source, kTasks); }

TaskSource parse_task_source(std::string_view source, std::string_view where) {
  const std::string at = fmt::format("{}: \"{}\"", where, printable(source));
  const auto [chosen, count] =
      split_source(source, kTasks, kUsualTasks, kMostTasks, at,
                   fmt::format("Write {}:word_problems:1-5*20000, or no number for {}", kTasks, kUsualTasks));
  if (chosen.size() < 2) user_error("{}: name a task, as in {}:word_problems:1-5*20000", at, kTasks);
  TaskSource parsed{parse_task_choice(chosen.substr(1), at), count};
  if (grader_of(parsed.choice.kind) == GraderKind::judge)
    user_error("{}: the task {} has no solution to learn; builtin:chats are conversations", at,
               name_of(parsed.choice.kind));
  return parsed;
}

Task task_of_source(uint64_t seed, uint64_t index, const TaskSource& source) {
  const Levels& levels = source.choice.levels;
  return make_task(seed, index / uint64_t(levels.count()), source.choice.kind,
                   levels.nth(int(index % uint64_t(levels.count()))));
}

}  // namespace minke
