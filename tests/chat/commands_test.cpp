#include "chat/commands.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace minke {
namespace {

TEST(ChatCommands, AreParsed) {
  for (const ChatCommandInfo& c : chat_commands()) {
    EXPECT_EQ(parse_chat_line(c.name).command, c.command);
    EXPECT_EQ(parse_chat_line(fmt::format("  {} a b ", c.name)).text, "a b");
    EXPECT_NE(chat_help().find(c.name), std::string::npos);
  }
  EXPECT_EQ(parse_chat_line(" 1 / 2 ").command, std::nullopt);
  EXPECT_EQ(parse_chat_line(" 1 / 2 ").text, "1 / 2");
  EXPECT_EQ(parse_chat_line("//etc/passwd?").text, "/etc/passwd?");
  EXPECT_EQ(parse_chat_line("").text, "");
  try {
    parse_chat_line("/sav x");
    FAIL();
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("did you mean /save?"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace minke
