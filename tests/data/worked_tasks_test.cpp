// Problems with their solutions as conversations, and as a grader finds them.
#include "data/worked_tasks.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "corpus/task_json.h"

namespace minke {
namespace {

Json assistant_of(const Task& task, bool as_thought) {
  const Json line = conversation_of(task, as_thought);
  EXPECT_EQ(line.at("messages").size(), 2u);
  EXPECT_EQ(line["messages"][0], (Json{{"role", "user"}, {"content", task.question}}));
  EXPECT_EQ(line["messages"][1].at("role"), "assistant");
  return line["messages"][1];
}

TEST(WorkedTasks, Gsm8kLosesItsCalculator) {
  const Task task = task_of_json(
      Json{{"question", "How many clips?"},
           {"answer", "She sold 48/2 = <<48/2=24>>24 clips.\nThat makes 48+24 = <<48+24=72>>72.\n#### 1,072"}},
      "t.jsonl, line 1");
  EXPECT_EQ(assistant_of(task, false).at("content"),
            "She sold 48/2 = 24 clips.\nThat makes 48+24 = 72.\n\nThe answer is \\boxed{1072}.");
  const Json thought = assistant_of(task, true);
  EXPECT_EQ(thought.at("content"), "The answer is \\boxed{1072}.");
  EXPECT_EQ(thought.at("reasoning_content"), "She sold 48/2 = 24 clips.\nThat makes 48+24 = 72.");
  Task open = task;
  open.reasoning = "a << b, 3<<";  // no calculator's
  EXPECT_EQ(assistant_of(open, true).at("reasoning_content"), "a << b, 3<<");
  open.reasoning = "";
  EXPECT_FALSE(assistant_of(open, true).contains("reasoning_content"));
  EXPECT_EQ(assistant_of(open, false).at("content"), "The answer is \\boxed{1072}.");
}

TEST(WorkedTasks, EachKindInItsForm) {
  const Task countdown = make_task(1, 0, TaskKind::countdown, 3);
  EXPECT_EQ(assistant_of(countdown, true).at("content"), "The answer is \\boxed{" + countdown.solution + "}.");
  const Task chinese = make_task(1, 0, TaskKind::word_problem_zh, 2);
  EXPECT_EQ(assistant_of(chinese, true).at("content"), "答案是\\boxed{" + chinese.answer + "}。");
  EXPECT_EQ(assistant_of(chinese, true).at("reasoning_content"), chinese.reasoning);
  const Task code = make_task(1, 0, TaskKind::code, 1);
  EXPECT_EQ(assistant_of(code, true).at("content"), "```python\n" + code.solution + "\n```");
  const Task chat =
      task_of_json(Json{{"task", "chat"}, {"question", "Hello!"}, {"answer", "Hi."}, {"grader", "judge"}}, "t");
  EXPECT_EQ(assistant_of(chat, true).at("content"), "Hi.");
}

}  // namespace
}  // namespace minke
