// R1-Zero's answers as R1's cold start has them.
#include "rl/readable.h"

#include <gtest/gtest.h>

#include "eval/task_grade.h"

namespace minke {
namespace {

Task sum(const std::string& question, const std::string& answer) { return {.question = question, .answer = answer}; }

TEST(Readable, StepsBecomeWordsAndTheAnswerIsTold) {
  const Task task = make_task(1, 0, TaskKind::countdown, 3);
  EXPECT_EQ(readable_response(task, "<think>24+9=33 and 20\n33+20=53 for 53 ok</think>\n<answer>(24+9)+20</answer>",
                              Thought::begins_in_response),
            "<think>\n24+9=33, and 20 is left\n33+20=53 for 53: yes\n</think>\n\nThe answer is \\boxed{(24+9)+20}.");
}

TEST(Readable, SignsOfTheBuiltInText) {
  for (const auto& [line, words] : {std::pair{"1+2=3", "1+2=3"},
                                    {"1+2=3 and 4 5", "1+2=3, and 4 5 are left"},
                                    {"1+2=3 for 4 no", "1+2=3 for 4: no"},
                                    {"1+2=3 for 3", "1+2=3 for 3"},
                                    {"1+2=3 ok", "1+2=3, right"},
                                    {"1+2=3 no", "1+2=3, no"},
                                    {"1+2=3 not 4", "1+2=3, not 4"},
                                    {"1+2=3 and 4 for 9 no", "1+2=3, and 4 is left for 9: no"},
                                    {"check", "Check:"},
                                    // What is no sign stays.
                                    {"so there are three", "so there are three"},
                                    {"It is 3.", "It is 3."},
                                    {"一共3个。", "一共3个。"},
                                    {"1+2=3 and more", "1+2=3 and more"},
                                    {"x=1 for all", "x=1 for all"},
                                    {"ok", "ok"}})
    EXPECT_EQ(readable_thought(line), std::string(words) + "\n") << line;
  EXPECT_EQ(readable_thought(" 1+2=3 \n\n\r\n1+2=3\n3+3=6\n1+2=3\n"), "1+2=3\n3+3=6\n1+2=3\n");
  EXPECT_EQ(readable_thought(""), "");
}

TEST(Readable, InTheLanguageOfTheQuestion) {
  EXPECT_EQ(readable_response(sum("一共有多少个？", "3"), "<think>1+2=3</think>\n<answer> 3 </answer>",
                              Thought::begins_in_response),
            "<think>\n1+2=3\n</think>\n\n答案是\\boxed{3}。");
  EXPECT_EQ(readable_response(sum("How many?", "3"), "1+2=3\n</think>\n\\boxed{3}", Thought::begun_in_prompt),
            "<think>\n1+2=3\n</think>\n\nThe answer is \\boxed{3}.");
  EXPECT_EQ(readable_response(sum("How many?", "3"), "It is \\boxed{3}", Thought::begins_in_response),
            "The answer is \\boxed{3}.");
}

// A program is no box; and where nothing is marked, nothing is made up.
TEST(Readable, WhatCannotBeTold) {
  Task code;
  code.grader = GraderKind::code;
  EXPECT_EQ(readable_response(code, "<think>add</think>\n```python\nx\n```", Thought::begins_in_response),
            "<think>\nadd\n</think>\n\n```python\nx\n```");
  EXPECT_EQ(readable_response(sum("How many?", "3"), "<think>1</think> three", Thought::begins_in_response),
            "<think>\n1\n</think>\n\nthree");
}

// Whatever is right stays right, and has the form of a chat: the solutions of all kinds of tasks that a rule can grade.
TEST(Readable, StaysRight) {
  for (const TaskKind kind : {TaskKind::arithmetic, TaskKind::word_problem, TaskKind::word_problem_zh,
                              TaskKind::countdown, TaskKind::chain, TaskKind::logic})
    for (int level = task_levels(kind).first; level <= task_levels(kind).last; ++level)
      for (uint64_t i = 0; i < 20; ++i) {
        const Task task = make_task(3, i, kind, level);
        const std::string response = response_of(task.reasoning, task.right_answer());
        ASSERT_EQ(grade_task(task, "", response).accuracy.strict, 1) << response;
        const std::string readable = readable_response(task, response, Thought::begins_in_response);
        const TaskGrade grade = grade_task(task, "", readable, ResponseForm::chat);
        EXPECT_EQ(grade.accuracy.strict, 1) << readable << grade.accuracy.reason;
        EXPECT_EQ(grade.format.strict, 1) << readable << grade.format.reason;
        EXPECT_EQ(language_share(task, "", readable), 1) << readable;
      }
}

}  // namespace
}  // namespace minke
