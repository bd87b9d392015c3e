#include "chat/conversation.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "core/error.h"

namespace minke {
namespace {

class ConversationTest : public ::testing::Test {
 protected:
  fs::path folder_ = fs::temp_directory_path() / ("minke-conversation-" + std::to_string(::getpid()));
  fs::path file_ = folder_ / "c.jsonl";
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  std::string error_of(std::string_view text) {
    write_file_atomic(file_, text);
    try {
      Conversation::load(file_);
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  }
};

Conversation two_questions() {
  Conversation c;
  c.set_system("Be brief.");
  c.add("user", "1+1?"), c.add("assistant", "<think>\none\n</think>\n\n2");
  c.add("user", "é \"x\"\n?"), c.add("assistant", "\xff");
  return c;
}

TEST_F(ConversationTest, SavesAndLoads) {
  const Conversation c = two_questions();
  c.save(file_);
  const std::string text = read_file(file_);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_TRUE(
      text.starts_with(R"({"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"1+1?"},)"));
  const Conversation again = Conversation::load(file_);
  Json expected = c.messages();
  expected.back()["content"] = "\uFFFD";  // what is no UTF-8 cannot stand in JSON
  EXPECT_EQ(again.messages(), expected);
  again.save(file_);  // a conversation may be replaced
  write_file_atomic(file_, "precious");
  EXPECT_THROW(again.save(file_), UserError);
  EXPECT_EQ(read_file(file_), "precious");
  EXPECT_THROW(again.save(folder_), UserError);
  EXPECT_THROW(again.save(folder_ / "none" / "c.jsonl"), UserError);
}

TEST_F(ConversationTest, TrimsTheOldestQuestion) {
  Conversation c = two_questions();
  EXPECT_TRUE(c.trim());
  ASSERT_EQ(c.messages().size(), 3u);
  EXPECT_EQ(c.system(), "Be brief.");
  EXPECT_EQ(c.messages()[1]["content"], "é \"x\"\n?");
  EXPECT_FALSE(c.trim());
  c.clear();
  EXPECT_EQ(c.messages().size(), 1u);
  EXPECT_FALSE(c.trim());
  c.set_system("");
  EXPECT_TRUE(c.empty());
  EXPECT_FALSE(c.trim());
}

TEST_F(ConversationTest, SaysWhatIsWrongWithAFile) {
  EXPECT_NE(error_of("nonsense").find("c.jsonl"), std::string::npos);
  EXPECT_NE(error_of("{}").find("no list \"messages\""), std::string::npos);
  EXPECT_NE(error_of(R"({"messages":[{"role":"user"}]})").find("message 1 has no text"), std::string::npos);
  EXPECT_NE(error_of(R"({"messages":[{"role":"tool","content":"x"}]})").find("the role \"tool\""), std::string::npos);
  EXPECT_NE(error_of(R"({"messages":[{"role":"user","content":"x"}]})").find("no answer"), std::string::npos);
  EXPECT_NE(error_of("{\"messages\":[]}\n{\"messages\":[]}\n").find("several lines"), std::string::npos);
  EXPECT_EQ(error_of("{\"messages\":[]}\r\n"), "");
  EXPECT_EQ(error_of("[{\"role\":\"system\",\"content\":\"x\"}]"), "");
  EXPECT_EQ(error_of("{\n \"messages\": []\n}\n"), "");
}

}  // namespace
}  // namespace minke
