// Tasks as data for fine-tuning, by the name of a built-in source: "builtin:tasks:word_problems:1-5*20000", a task with its levels
// (corpus/tasks.h) and how many problems of the training split there are to be. Tested in tests/corpus/task_source_test.cpp.
#pragma once
#include <string_view>

#include "corpus/tasks.h"

namespace minke {

inline constexpr int64_t kUsualTasks = 4000, kMostTasks = 10'000'000;

// Whether a source is of this name, well written or not: "builtin:tasks…".
bool is_task_source(std::string_view source);

struct TaskSource {
  TaskChoice choice;
  int64_t count = kUsualTasks;
};
// UserErrors name `where`, such as "sft: data.train", what is wrong and what can be written; also for tasks that no solution is known
// of: those that only a reward model judges (builtin:chats has conversations).
TaskSource parse_task_source(std::string_view source, std::string_view where);

// Problem i of the training split; levels take turns.
Task task_of_source(uint64_t seed, uint64_t index, const TaskSource& source);

}  // namespace minke
