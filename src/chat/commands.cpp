#include "chat/commands.h"

#include <vector>

#include "core/error.h"

namespace minke {
namespace {

constexpr ChatCommandInfo kCommands[] = {
    {ChatCommand::help, "/help", "", "this list"},
    {ChatCommand::reset, "/reset", "", "forgets the conversation, not the system's message"},
    {ChatCommand::trim, "/trim", "", "forgets the oldest question and its answer"},
    {ChatCommand::save, "/save", "FILE", "writes the conversation: one line of JSON with its messages"},
    {ChatCommand::load, "/load", "FILE", "goes on with a saved conversation"},
    {ChatCommand::system, "/system", "[TEXT]", "sets the system's message; without TEXT: shows it; \"\" takes it away"},
    {ChatCommand::think, "/think", "[on|off]", "shows the last thought; on or off: asks the model to think, or not to"},
    {ChatCommand::stats, "/stats", "", "speed and context of the last answer"},
    {ChatCommand::quit, "/quit", "", "ends the program, as Ctrl-D does"},
};

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

}  // namespace

std::span<const ChatCommandInfo> chat_commands() { return kCommands; }

std::string chat_help() {
  std::string help;
  for (const ChatCommandInfo& c : kCommands)
    help += fmt::format("  {:<16} {}\n", fmt::format("{} {}", c.name, c.argument), c.description);
  help +=
      "  \"\"\"              begins and ends a question of several lines; a line that ends with \\ goes on, too\n"
      "  Ctrl-C           stops the answer\n";
  return help;
}

ChatLine parse_chat_line(std::string_view line) {
  const std::string_view text = trimmed(line);
  if (!text.starts_with('/')) return {{}, std::string(text)};
  if (text.starts_with("//")) return {{}, std::string(text.substr(1))};
  const std::string_view name = text.substr(0, text.find_first_of(" \t"));
  std::vector<std::string> names;
  for (const ChatCommandInfo& c : kCommands) {
    if (c.name == name) return {c.command, std::string(trimmed(text.substr(name.size())))};
    names.emplace_back(c.name);
  }
  const std::string near = nearest(name, names);
  user_error("there is no command {}{} (/help lists all; a question that begins with a slash is written with two)",
             printable(name), near.empty() ? "" : fmt::format("; did you mean {}?", near));
}

}  // namespace minke
