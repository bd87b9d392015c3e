// The commands of a chat: lines that begin with a slash. Test: tests/chat/commands_test.cpp.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace minke {

enum class ChatCommand : uint8_t { help, reset, trim, save, load, system, think, stats, quit };

struct ChatCommandInfo {
  ChatCommand command;
  std::string_view name, argument, description;  // "/save", "FILE", …
};
std::span<const ChatCommandInfo> chat_commands();
std::string chat_help();

struct ChatLine {
  std::optional<ChatCommand> command;  // none: a question
  std::string text;                    // the question, or the command's argument
};
// UserError for a command that does not exist, naming the nearest. "//x" is the question "/x".
ChatLine parse_chat_line(std::string_view line);

}  // namespace minke
