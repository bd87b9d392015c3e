// Tasks are graded by the rule that they name: their own answers are right, another task's are not, and neither is what only
// looks like one.
#include "eval/task_grade.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "corpus/prompt.h"

namespace minke {
namespace {

TEST(TaskGrade, TheRightAnswerInTheFormat) {
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

TEST(TaskGrade, FinalAnswersForAVote) {
  const Thought begins = Thought::begins_in_response;
  EXPECT_EQ(final_answer("<think>\\boxed{3}</think>\n<answer> 7 </answer>", begins), "7");
  EXPECT_EQ(final_answer("a thought</think> so \\boxed{8}", Thought::begun_in_prompt), "8");
  EXPECT_EQ(final_answer("it is 7", begins), "");
  EXPECT_EQ(final_answer("<think>\\boxed{3}", begins), "");
  EXPECT_EQ(final_answer("<answer>7</answer> or <answer>8</answer>", begins), "");
  EXPECT_TRUE(is_same_answer(GraderKind::math, "1/2", "0.5"));
  EXPECT_TRUE(is_same_answer(GraderKind::math, "6/12", "1/2"));
  EXPECT_TRUE(is_same_answer(GraderKind::math, "1/2", "6/12"));
  EXPECT_FALSE(is_same_answer(GraderKind::math, "1/2", "1/3"));
  EXPECT_TRUE(is_same_answer(GraderKind::countdown, "(25 - 7)*3", "(25-7) * 3"));
  EXPECT_FALSE(is_same_answer(GraderKind::countdown, "(25-7)*3", "3*(25-7)"));
}

TEST(TaskGrade, ReferencesFromHostileFiles) {
  Task task;
  task.grader = GraderKind::countdown;
  for (const char* answer : {R"({"numbers": [99999999999999999999], "target": 1})", R"({"numbers": [-1], "target": 1})",
                             R"({"numbers": [1], "target": 18446744073709551615})"}) {
    task.answer = answer;
    EXPECT_THROW(task_reference(task, "a file, line 3"), UserError) << answer;
  }
}

TEST(TaskGrade, CodeNeedsTheSandbox) {
  const Task program = make_task(1, 0, TaskKind::code, 1), sum = make_task(1, 0, TaskKind::chain, 2);
  EXPECT_THROW(grade_task(program, "", "x"), BugError);
  const std::vector<TaskToGrade> both{{&sum, "", "x"}, {&program, "", "x"}};
  EXPECT_THROW(grade_tasks(both, nullptr), BugError);
  EXPECT_EQ(grade_tasks(std::span(both).first(1), nullptr).size(), 1u);  // not needed
}

}  // namespace
}  // namespace minke
