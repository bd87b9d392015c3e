// Tasks are graded by the rule that they name: their own answers are right, another task's are not, and neither is what only
// looks like one.
#include "rl/task_reward.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "corpus/prompt.h"

namespace minke {
namespace {

TEST(TaskReward, TheRightAnswerInTheFormat) {
  for (const TaskKind kind : {TaskKind::countdown, TaskKind::chain, TaskKind::word_problem, TaskKind::logic})
    for (uint64_t i = 0; i < 20; ++i) {
      const Task task = make_task(1, i, kind, 3), other = make_task(1, i + 1, kind, 3);
      const std::string prompt = prompt_of(task.question);
      const TaskGrade right = grade_task(task, prompt, response_of("a thought", task.right_answer()));
      EXPECT_EQ(right.accuracy.strict, 1)
          << task.question << " " << task.right_answer() << ": " << right.accuracy.reason;
      EXPECT_EQ(right.format.strict, 1);
      // The thought was opened by the prompt.
      EXPECT_EQ(
          grade_task(task, prompt + "<think>\n", "a thought</think>\n<answer>" + task.right_answer() + "</answer>")
              .format.strict,
          1);
      EXPECT_EQ(grade_task(task, prompt, "<think>a thought").accuracy.strict, 0);
      EXPECT_EQ(grade_task(task, prompt, "").accuracy.lenient, 0);
      if (other.answer == task.answer) continue;
      EXPECT_EQ(grade_task(task, prompt, response_of("a thought", other.right_answer())).accuracy.strict, 0)
          << task.question << " " << other.right_answer();
    }
}

TEST(TaskReward, CodeNeedsTheSandbox) {
  EXPECT_THROW(grade_task(make_task(1, 0, TaskKind::code, 1), "", "x"), UserError);
}

}  // namespace
}  // namespace minke
