// Lines of input: in a terminal edited with libedit, with a history that is kept in a file; else as they come. While an answer
// is written Ctrl-C only asks for its end. Test: tests/app/chat_test.sh.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

namespace minke {

class LineEditor {
 public:
  // history: "" = none is kept.
  explicit LineEditor(std::filesystem::path history);
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  bool is_terminal() const { return is_terminal_; }
  // The next line without its end; nothing at the end of input. Ctrl-C here ends the program.
  std::optional<std::string> read(const char* prompt);

 private:
  void keep_history() const;
  std::filesystem::path history_;
  bool is_terminal_;
};

// True once Ctrl-C was pressed since the last call.
bool take_interrupt();

// $XDG_STATE_HOME/minke/chat_history or ~/.local/state/minke/chat_history; "" if there is no home.
std::filesystem::path chat_history_file();

}  // namespace minke
