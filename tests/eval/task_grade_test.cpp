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

TEST(TaskGrade, ChatsAreForAJudge) {
  for (const TaskKind kind : {TaskKind::chat, TaskKind::chat_zh})
    for (uint64_t i = 0; i < 500; ++i) {
      const Task task = make_task(1, i, kind, 1);
      const ThoughtLanguage language = kind == TaskKind::chat ? ThoughtLanguage::en : ThoughtLanguage::zh;
      EXPECT_EQ(language_of(task.question), language) << task.question;
      EXPECT_GE(language_share(task.answer, language).value(), 0.5) << task.question << " " << task.answer;
      EXPECT_EQ(std::get<std::string>(task_reference(task, "test")), task.answer);
      // Not even the good answer itself is right by a rule.
      const TaskGrade grade = grade_task(task, prompt_of(task.question), response_of("a thought", task.answer));
      EXPECT_EQ(grade.accuracy.strict, 0);
      EXPECT_EQ(grade.accuracy.lenient, 0);
      EXPECT_NE(grade.accuracy.reason.find("only a reward model"), std::string::npos);
      EXPECT_EQ(grade.format.strict, 1);
    }
  const std::vector<GraderKind> rules{GraderKind::math, GraderKind::code, GraderKind::countdown},
      mixed{GraderKind::math, GraderKind::judge};
  EXPECT_FALSE(needs_judge(rules));
  EXPECT_TRUE(needs_judge(mixed));
  EXPECT_NO_THROW(check_judge(rules, false, "--task", "--judge"));
  EXPECT_NO_THROW(check_judge(mixed, true, "--task", "--judge"));
  EXPECT_THROW(check_judge(mixed, false, "--task", "--judge"), UserError);
  EXPECT_THROW(check_judge(rules, true, "--task", "--judge"), UserError);  // it would have no effect
}

// Likes long texts, and notes what it was given.
struct LengthJudge : Judge {
  std::vector<std::pair<std::string, std::string>> seen;
  std::vector<double> judge(const Context&, std::span<const JudgedText> texts) override {
    std::vector<double> all;
    for (const JudgedText& t : texts) {
      seen.emplace_back(t.question, t.answer);
      all.push_back(std::min(1.0, double(t.answer.size()) / 10));
    }
    return all;
  }
};

// What is said to the user is judged; thoughts are not, nor what a rule grades.
TEST(TaskGrade, AJudgeIsShownTheSummary) {
  Task chat, sum;
  chat.question = "How are you?", chat.grader = GraderKind::judge;
  sum.question = "1+2?", sum.answer = "3";
  const std::vector<TaskToGrade> all{{&chat, "q<think>\n", "long thoughts\n</think>\n\nFine", ResponseForm::chat},
                                     {&sum, "q", "\\boxed{3}", ResponseForm::chat},
                                     {&chat, "q", " Very well. ", ResponseForm::chat},
                                     {&chat, "q<think>\n", "a thought without an end", ResponseForm::chat},
                                     {&chat, "q", "<think>well</think>  ", ResponseForm::chat},
                                     {&chat, "q", "Fine, I am", ResponseForm::chat, true}};
  std::vector<TaskGrade> grades = grade_tasks(all, nullptr);
  LengthJudge judge;
  const Context none;
  judge_tasks(none, judge, all, grades);
  using Seen = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(judge.seen, (Seen{{"How are you?", "Fine"}, {"How are you?", "Very well."}}));
  EXPECT_EQ(grades[0].preference, 0.4);
  EXPECT_EQ(grades[0].accuracy.strict, 0);
  EXPECT_EQ(grades[0].accuracy.reason, "the judge gives 0.400");
  EXPECT_EQ(grades[0].format.strict, 1);
  EXPECT_FALSE(grades[1].preference);
  EXPECT_EQ(grades[1].accuracy.strict, 1);
  EXPECT_EQ(grades[2].preference, 1.0);
  EXPECT_EQ(grades[2].accuracy.strict, 1);
  EXPECT_EQ(grades[2].accuracy.lenient, 1);
  for (const size_t i : {3, 4}) {
    EXPECT_EQ(grades[i].preference, 0.0) << i;
    EXPECT_EQ(grades[i].accuracy.strict, 0) << i;
    EXPECT_EQ(grades[i].format.strict, 0) << i;
  }
  EXPECT_EQ(grades[5].preference, 0.0) << "without an end";
  EXPECT_EQ(grades[5].accuracy.strict, 0);
  EXPECT_EQ(judged_grade(kGoodAnswer).strict, 1);
  EXPECT_EQ(judged_grade(0.4999).strict, 0);
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
