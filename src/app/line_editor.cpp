#include "app/line_editor.h"

#include <editline/readline.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace minke {
namespace {

constexpr int kHistoryLines = 1000;

volatile std::sig_atomic_t interrupted = 0, is_reading = 0;
termios at_start;

extern "C" void on_interrupt(int) {
  if (!is_reading) {
    interrupted = 1;
    return;
  }
  ::tcsetattr(STDIN_FILENO, TCSANOW, &at_start);  // libedit has switched echo off
  [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, "\n", 1);
  std::_Exit(128 + SIGINT);
}

}  // namespace

bool take_interrupt() { return std::exchange(interrupted, 0) != 0; }

LineEditor::LineEditor(std::filesystem::path history)
    : history_(std::move(history)), is_terminal_(::isatty(STDIN_FILENO) && ::isatty(STDERR_FILENO)) {
  if (!is_terminal_) return;
  ::tcgetattr(STDIN_FILENO, &at_start);
  std::signal(SIGINT, on_interrupt);
  rl_readline_name = const_cast<char*>("minke");
  rl_outstream = stderr;  // standard output is for answers
  ::using_history();
  ::stifle_history(kHistoryLines);
  if (!history_.empty()) ::read_history(history_.c_str());
}

// After each line: Ctrl-C at the prompt ends the program at once.
void LineEditor::keep_history() const {
  if (history_.empty()) return;
  std::error_code error;  // a history that cannot be kept is no reason to fail
  std::filesystem::create_directories(history_.parent_path(), error);
  if (error || ::write_history(history_.c_str()) != 0) return;
  using std::filesystem::perms;
  std::filesystem::permissions(history_, perms::owner_read | perms::owner_write, error);
}

std::optional<std::string> LineEditor::read(const char* prompt) {
  if (!is_terminal_) {
    std::string line;
    int c;
    while ((c = std::getchar()) != EOF && c != '\n') line += char(c);
    if (c == EOF && line.empty()) return {};
    if (line.ends_with('\r')) line.pop_back();
    return line;
  }
  is_reading = 1;
  char* text = ::readline(prompt);
  is_reading = 0;
  if (!text) {
    std::fputc('\n', stderr);
    return {};
  }
  std::string line(text);
  std::free(text);
  if (!line.empty()) ::add_history(line.c_str());
  keep_history();
  return line;
}

std::filesystem::path chat_history_file() {
  const auto folder = [](const char* name) -> std::filesystem::path {
    const char* value = std::getenv(name);
    return value && *value == '/' ? value : "";
  };
  std::filesystem::path state = folder("XDG_STATE_HOME");
  if (state.empty() && !folder("HOME").empty()) state = folder("HOME") / ".local/state";
  return state.empty() ? state : state / "minke/chat_history";
}

}  // namespace minke
