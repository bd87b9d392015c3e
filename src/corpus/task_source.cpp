#include "corpus/task_source.h"

#include <fmt/format.h>

#include <charconv>

#include "core/error.h"

namespace minke {
namespace {

constexpr std::string_view kTasks = "builtin:tasks";

}  // namespace

bool is_task_source(std::string_view source) {
  if (!source.starts_with(kTasks)) return false;
  const std::string_view rest = source.substr(kTasks.size());
  return rest.empty() || rest[0] == ':' || rest[0] == '*';
}

TaskSource parse_task_source(std::string_view source, std::string_view where) {
  check(is_task_source(source), "parse_task_source: a source of this name");
  const std::string at = fmt::format("{}: \"{}\"", where, printable(source));
  std::string_view rest = source.substr(kTasks.size());
  TaskSource parsed;
  if (const size_t star = rest.find('*'); star != rest.npos) {
    const std::string_view count = rest.substr(star + 1);
    const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), parsed.count);
    if (error != std::errc() || end != count.data() + count.size() || parsed.count < 1 || parsed.count > kMostTasks)
      user_error("{}: \"{}\" is no number from 1 to {}. Write {}:word_problems:1-5*20000, or no number for {}", at,
                 printable(count), kMostTasks, kTasks, kUsualTasks);
    rest = rest.substr(0, star);
  }
  if (rest.size() < 2) user_error("{}: name a task, as in {}:word_problems:1-5*20000", at, kTasks);
  parsed.choice = parse_task_choice(rest.substr(1), at);
  if (parsed.choice.levels.empty()) parsed.choice.levels = Levels::range(task_levels(parsed.choice.kind));
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
