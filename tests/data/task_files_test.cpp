#include "data/task_files.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "core/error.h"

namespace minke {
namespace {

class TaskFiles : public testing::Test {
 protected:
  fs::path path_ = fs::temp_directory_path() / fmt::format("minke_task_files_test_{}.jsonl", ::getpid());
  ~TaskFiles() override { fs::remove(path_); }
};

TEST_F(TaskFiles, EachLineIsATask) {
  write_file_atomic(
      path_, "{\"question\": \"a\", \"answer\": \"x\\n#### 1\"}\n\n{\"question\": \"b\", \"answer\": \"#### 2\"}\n");
  const std::vector<Task> tasks = read_task_file(path_);
  ASSERT_EQ(tasks.size(), 2u);
  EXPECT_EQ(tasks[1].question, "b");
  EXPECT_EQ(tasks[1].answer, "2");
}

TEST_F(TaskFiles, AMistakeNamesFileAndLine) {
  write_file_atomic(path_, "{\"question\": \"a\", \"answer\": \"#### 1\"}\n{\"question\": \"b\"}\n");
  try {
    read_task_file(path_);
    FAIL();
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find(path_.string() + ", line 2"), std::string::npos) << e.what();
  }
  write_file_atomic(path_, "\n");
  EXPECT_THROW(read_task_file(path_), UserError);
  EXPECT_THROW(read_task_file("/no/such/file.jsonl"), UserError);
}

// GSM8K and HumanEval themselves, where they are.
TEST_F(TaskFiles, PublishedFiles) {
  const fs::path data = fs::path(MINKE_SOURCE_DIR) / "../shared/data";
  if (!fs::exists(data / "gsm8k/test.jsonl")) GTEST_SKIP() << "no GSM8K here";
  const std::vector<Task> gsm8k = read_task_file(data / "gsm8k/test.jsonl");
  EXPECT_GT(gsm8k.size(), 600u);
  for (const Task& t : gsm8k) {
    ASSERT_FALSE(t.answer.empty() || t.reasoning.empty());
    ASSERT_EQ(t.answer.find_first_not_of("0123456789-."), std::string::npos) << t.answer;
  }
  const std::vector<Task> human_eval = read_task_file(data / "humaneval/HumanEval.jsonl.gz");
  EXPECT_EQ(human_eval.size(), 164u);
  for (const Task& t : human_eval) ASSERT_EQ(t.grader, GraderKind::code);
}

}  // namespace
}  // namespace minke
