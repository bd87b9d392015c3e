// Questions that are learned and tested on are found, however they are written down.
#include "eval/test_overlap.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace minke {
namespace {

class TestOverlaps : public testing::Test {
 protected:
  fs::path folder_ = fs::temp_directory_path() / fmt::format("minke_overlap_test_{}", ::getpid());
  ~TestOverlaps() override { fs::remove_all(folder_); }
  std::string file(const char* name, const std::string& text) {
    fs::create_directories(folder_);
    write_file_atomic(folder_ / name, text);
    return (folder_ / name).string();
  }
  std::string test_ = file("test.jsonl",
                           "{\"question\": \"How many whales?\", \"answer\": \"#### 3\"}\n"
                           "{\"question\": \"How many seas?\", \"answer\": \"#### 7\"}\n");
};

TEST_F(TestOverlaps, AreFoundInProblemsAndConversations) {
  const std::string apart = file("apart.jsonl", "{\"question\": \"How many whale?\", \"answer\": \"#### 3\"}\n");
  EXPECT_EQ(test_overlap({test_}, {apart, "builtin:tasks:word_problems:1-3*10"}), std::nullopt);
  const std::string problems = file("p.jsonl", "\n{\"question\": \" how MANY\\nwhales? \", \"answer\": \"#### 4\"}\n");
  const auto one = test_overlap({test_}, {apart, problems});
  ASSERT_TRUE(one);
  EXPECT_EQ(one->questions, 1u);
  EXPECT_EQ(one->test, test_ + ", problem 1");
  EXPECT_EQ(one->train, problems + ", line 2");
  const std::string chats = file(
      "c.jsonl",
      "{\"messages\":[{\"role\":\"system\",\"content\":\"How many seas?\"},{\"role\":\"user\",\"content\":\"Hello\"},"
      "{\"role\":\"assistant\",\"content\":\"Hi\"},{\"role\":\"user\",\"content\":\"How many whales?\"}]}\n");
  const auto chat = test_overlap({test_}, {chats});
  ASSERT_TRUE(chat);
  EXPECT_EQ(chat->questions, 1u);  // what the system says is no question
  // A folder; each question counts once.
  const auto all = test_overlap({test_}, {folder_.string()});
  ASSERT_TRUE(all);
  EXPECT_EQ(all->questions, 2u);
}

TEST_F(TestOverlaps, NothingOfNothing) {
  EXPECT_EQ(test_overlap({}, {test_}), std::nullopt);
  EXPECT_EQ(test_overlap({test_}, {}), std::nullopt);
}

}  // namespace
}  // namespace minke
