// A conversation in a terminal or a pipe: reads lines, obeys commands, shows answers. In a terminal a thought is one dim line
// while it lasts, and its time afterwards. Test: tests/chat/chat_loop_test.cpp, tests/app/chat_test.sh.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "chat/session.h"

namespace minke {

// Where lines come from and where text goes. Of a pipe: only answers go out, and messages to the other side.
struct ChatScreen {
  std::function<std::optional<std::string>(const char* prompt)> read_line;  // nothing: the input has ended
  std::function<void(std::string_view)> write;                              // answers
  std::function<void(std::string_view)> note;                               // all else
  std::function<bool()> interrupted;                                        // since the last call
  bool is_terminal = false, has_colours = false, shows_thoughts = false;
  std::function<int()> columns = [] { return 80; };  // of the terminal
};

// Until the input ends. UserErrors are shown and the conversation goes on; returns how many there were.
int64_t run_chat(ChatSession& session, const ChatScreen& screen);

}  // namespace minke
