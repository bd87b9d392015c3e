#include "rl/task_reward.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/json.h"

namespace minke {
namespace {

CountdownTask countdown_of(const std::string& answer) {
  const Json j = parse_json(answer, "countdown");
  CountdownTask task{.numbers = {}, .target = j.at("target").get<long>()};
  for (const Json& n : j.at("numbers")) task.numbers.push_back(n.get<long>());
  return task;
}

}  // namespace

TaskGrade grade_task(const Task& task, std::string_view prompt, std::string_view response) {
  const Thought thought = thought_after(prompt);
  TaskGrade g{.accuracy = {}, .format = grade_format(response, thought)};
  switch (task.grader) {
    case GraderKind::math: g.accuracy = grade_math(response, task.answer, thought); return g;
    case GraderKind::countdown: g.accuracy = grade_countdown(response, countdown_of(task.answer), thought); return g;
    case GraderKind::code: break;
  }
  user_error(
      "tasks of code are graded in the sandbox, which training does not use yet: leave \"code\" out of grpo.tasks");
}

}  // namespace minke
