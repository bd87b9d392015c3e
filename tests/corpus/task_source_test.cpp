// Tasks by the name of a built-in source.
#include "corpus/task_source.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "corpus/split.h"

namespace minke {
namespace {

TEST(TaskSource, NamesATaskItsLevelsAndHowMany) {
  EXPECT_TRUE(is_task_source("builtin:tasks:chains:2-3*100"));
  EXPECT_TRUE(is_task_source("builtin:tasks"));
  EXPECT_FALSE(is_task_source("builtin:chats"));
  EXPECT_FALSE(is_task_source("builtin:tasksets"));
  const TaskSource s = parse_task_source("builtin:tasks:word_problems:2,4*100", "data.train");
  EXPECT_EQ(s.choice.kind, TaskKind::word_problem);
  EXPECT_EQ(s.count, 100);
  EXPECT_EQ(s.choice.levels.count(), 2);
  const TaskSource all = parse_task_source("builtin:tasks:chains", "data.train");
  EXPECT_EQ(all.count, kUsualTasks);
  EXPECT_EQ(all.choice.levels.count(), 5);
}

// Levels in turn, another problem each time, all of the training split.
TEST(TaskSource, ProblemsAreOfTheTrainingSplit) {
  const TaskSource s = parse_task_source("builtin:tasks:chains:2,4", "data.train");
  for (uint64_t i = 0; i < 40; ++i) {
    const Task task = task_of_source(7, i, s);
    EXPECT_EQ(task.question, make_task(7, i / 2, TaskKind::chain, i % 2 ? 4 : 2).question);
    EXPECT_EQ(split_of(task.canonical), TaskSplit::train);
  }
}

TEST(TaskSource, MistakesSayWhatCanBeWritten) {
  for (const auto& [source, said] : {std::pair{"builtin:tasks", "name a task"},
                                     {"builtin:tasks:", "name a task"},
                                     {"builtin:tasks*5", "name a task"},
                                     {"builtin:tasks:whales", "whales"},
                                     {"builtin:tasks:chains:9", "9"},
                                     {"builtin:tasks:chains*0", "no number from 1"},
                                     {"builtin:tasks:chains*many", "no number from 1"},
                                     {"builtin:tasks:chat", "builtin:chats"}}) {
    try {
      parse_task_source(source, "sft: data.train");
      ADD_FAILURE() << source;
    } catch (const UserError& e) {
      EXPECT_NE(std::string(e.what()).find(said), std::string::npos) << e.what();
      EXPECT_NE(std::string(e.what()).find("sft: data.train"), std::string::npos) << e.what();
    }
  }
}

}  // namespace
}  // namespace minke
