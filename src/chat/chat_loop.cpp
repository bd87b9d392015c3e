#include "chat/chat_loop.h"

#include <fmt/format.h>

#include "chat/commands.h"
#include "core/clock.h"

namespace minke {
namespace {

constexpr const char *kDim = "\033[2m", *kRed = "\033[31m", *kPlain = "\033[0m", *kEraseLine = "\r\033[K";

// What a model writes must not command the terminal: control characters are shown as U+FFFD.
std::string harmless(std::string_view text) {
  std::string out;
  for (const char c : text)
    if ((uint8_t(c) < 0x20 && c != '\n' && c != '\t') || c == '\x7f') out += "\uFFFD";
    else out += c;
  return out;
}

class Chat {
 public:
  Chat(ChatSession& session, const ChatScreen& screen) : session_(session), screen_(screen) {}

  int64_t run() {
    int64_t errors = 0;
    while (const auto line = read()) {
      try {
        const ChatLine parsed = parse_chat_line(*line);
        if (parsed.command == ChatCommand::quit) break;
        if (parsed.command) obey(*parsed.command, parsed.text);
        else if (!parsed.text.empty()) ask(parsed.text);
      } catch (const UserError& e) {
        if (writing_) throw;  // nobody would read the next answer either
        ++errors;
        note(e.what(), kRed);
      }
    }
    return errors;
  }

 private:
  // A question may have several lines: """ … """, or lines that end with a backslash.
  std::optional<std::string> read() {
    auto line = screen_.read_line("> ");
    if (!line) return line;
    constexpr std::string_view kQuotes = "\"\"\"";
    if (const size_t at = line->find_first_not_of(" \t"); at != line->npos && line->compare(at, 3, kQuotes) == 0) {
      std::string text = line->substr(at + 3);
      size_t end = text.npos;
      while ((end = text.find(kQuotes)) == text.npos) {
        const auto more = screen_.read_line("… ");
        if (!more) break;
        text += '\n' + *more;
      }
      return end == text.npos ? text : text.erase(end, kQuotes.size());
    }
    while (line->ends_with('\\')) {
      line->back() = '\n';
      const auto more = screen_.read_line("… ");
      if (!more) break;
      *line += *more;
    }
    return line;
  }

  std::string styled(std::string_view text, const char* style) const {
    return screen_.has_colours ? fmt::format("{}{}{}", style, text, kPlain) : std::string(text);
  }
  void note(std::string_view text, const char* style = kDim) { screen_.note(styled(text, style) + "\n"); }

  void obey(ChatCommand command, const std::string& argument) {
    Conversation& conversation = session_.conversation();
    const auto file = [&] {
      if (argument.empty()) user_error("name a file: {} FILE", command == ChatCommand::save ? "/save" : "/load");
      return fs::path(argument);
    };
    switch (command) {
      case ChatCommand::help: return screen_.note(chat_help());
      case ChatCommand::reset: conversation.clear(); return note("the conversation begins anew");
      case ChatCommand::trim:
        if (conversation.empty()) user_error("there is no question yet");
        if (!conversation.trim()) user_error("there is no older question than the last one; /reset forgets that, too");
        return note(fmt::format("the oldest question is gone; {} messages are left", conversation.messages().size()));
      case ChatCommand::save:
        if (conversation.empty()) user_error("there is nothing to save yet");
        conversation.save(file());
        return note(fmt::format("{} messages are in {}", conversation.messages().size(), argument));
      case ChatCommand::load:
        conversation = Conversation::load(file());
        return note(fmt::format("{} messages of {}", conversation.messages().size(), argument));
      case ChatCommand::system:
        if (argument.empty())
          return note(conversation.system().empty() ? "there is no system's message" : conversation.system());
        conversation.set_system(argument == "\"\"" ? "" : argument);
        return note("it holds from the next question on");
      case ChatCommand::think: return think(argument);
      case ChatCommand::stats: return note(stats());
      case ChatCommand::quit: return;
    }
  }

  void think(const std::string& argument) {
    if (argument == "on" || argument == "off") {
      session_.settings().thinking = argument == "on";
      return note(
          fmt::format("the model is asked {}to think, if its template can say so", argument == "on" ? "" : "not "));
    }
    if (!argument.empty()) user_error("/think {}: only on or off, or nothing", printable(argument));
    note(session_.last_thought().empty() ? "there was no thought" : session_.last_thought());
  }

  std::string stats() const {
    const AnswerStats& s = session_.stats();
    if (s.new_tokens == 0) return "there was no answer yet";
    const double rest = s.all_s - s.first_s;
    return fmt::format(
        "{} prompt tokens, {} of them known already; first token after {:.2f} s; {} new tokens{}; {} of {} tokens of "
        "context used{}",
        s.prompt_tokens, s.known_tokens, s.first_s, s.new_tokens,
        s.new_tokens > 1 ? fmt::format(", {:.1f} a second", double(s.new_tokens - 1) / std::max(rest, 1e-9)) : "",
        s.context_used, session_.context(), s.drafts.drafted > 0 ? "; " + s.drafts.text() : "");
  }

  void ask(const std::string& question) {
    screen_.interrupted();  // what was pressed before does not count
    line_ = "", thinking_ = false, at_line_start_ = true;
    const AnswerStats& s = session_.ask(question, [&](const ThoughtSplitter::Piece& piece) {
      if (!piece.thought.empty()) show_thought(piece.thought);
      if (!piece.answer.empty()) {
        end_thought();
        write(piece.answer);
      }
      return !screen_.interrupted();
    });
    end_thought();
    if (!at_line_start_) write("\n");
    if (s.trimmed > 0) note(fmt::format("{} of the oldest questions had to go: the context was full", s.trimmed));
    if (s.stopped) note("stopped");
    else if (s.ending == Ending::context_full || s.context_used == session_.context())
      note(
          fmt::format("the context of {} tokens is full: the answer ends here; /trim takes away the oldest question, "
                      "/reset all of them, and --ctx-size makes the context larger",
                      session_.context()));
    else if (s.ending == Ending::max_new) note("the answer was cut after as many tokens as -n allows");
  }

  void write(std::string_view text) {
    if (text.empty()) return;
    writing_ = true;
    screen_.write(screen_.is_terminal ? harmless(text) : text);
    writing_ = false;
    at_line_start_ = text.back() == '\n';
  }

  void show_thought(const std::string& text) {
    if (screen_.shows_thoughts) {
      if (!thinking_) screen_.write(screen_.has_colours ? kDim : "<think>");  // our own, not the model's
      thinking_ = true;
      return write(text);
    }
    if (!screen_.is_terminal) return;
    if (!thinking_) thinking_ = true, began_ = Clock::now();
    // The end of the thought so far, on one line.
    for (const char c : harmless(text)) line_ += c == '\n' || c == '\t' ? ' ' : c;
    const std::string head = fmt::format("thinking {:.0f} s … ", seconds_since(began_));
    const size_t room = size_t(std::max(screen_.columns() - int(head.size()) - 2, 0));
    if (line_.size() > room) {
      size_t cut = line_.size() - room;
      while (cut < line_.size() && (uint8_t(line_[cut]) & 0xc0) == 0x80) ++cut;
      line_.erase(0, cut);
    }
    screen_.note(kEraseLine + styled(head + line_, kDim));
  }

  void end_thought() {
    if (!thinking_) return;
    thinking_ = false;
    at_line_start_ = true;
    if (screen_.shows_thoughts)
      return screen_.write(screen_.has_colours ? fmt::format("{}\n\n", kPlain) : "</think>\n\n");
    screen_.note(kEraseLine +
                 styled(fmt::format("thought for {:.1f} s; /think shows it", seconds_since(began_)), kDim) + "\n");
  }

  ChatSession& session_;
  const ChatScreen& screen_;
  std::string line_;
  bool thinking_ = false, at_line_start_ = true, writing_ = false;
  Clock::time_point began_;
};

}  // namespace

int64_t run_chat(ChatSession& session, const ChatScreen& screen) { return Chat(session, screen).run(); }

}  // namespace minke
