// What an answer to a task is worth: the rules of the reward layer for the kind of grader that a task names (R1 §2.2.2: accuracy
// and format). Test: tests/rl/task_reward_test.cpp.
#pragma once
#include <string_view>

#include "corpus/tasks.h"
#include "reward/grade.h"

namespace minke {

struct TaskGrade {
  Grade accuracy, format;
};
// `prompt`: what stands before the response; it may have opened the thought. UserError for a code task: those need the sandbox.
TaskGrade grade_task(const Task& task, std::string_view prompt, std::string_view response);

}  // namespace minke
