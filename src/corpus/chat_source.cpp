#include "corpus/chat_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "corpus/source_text.h"

namespace minke {
namespace {

constexpr std::string_view kChats = "builtin:chats", kPairs = "builtin:pairs";

ChatSource parse(std::string_view source, std::string_view name, std::string_view where) {
  const std::string at = fmt::format("{}: \"{}\"", where, printable(source));
  const auto [chosen, count] = split_source(source, name, kUsualChats, kMostChats, at,
                                            fmt::format("Write {0}*2000, or {0} for {1}", name, kUsualChats));
  ChatSource parsed{{Language::english, Language::chinese}, count};
  if (!chosen.empty()) parsed.languages = parse_languages(chosen.substr(1), at);
  return parsed;
}

Language turn_of(uint64_t index, const std::vector<Language>& languages) {
  check(!languages.empty(), "chats have a language");
  return languages[index % languages.size()];
}

}  // namespace

bool is_chat_source(std::string_view source) { return is_named(source, kChats); }
bool is_pair_source(std::string_view source) { return is_named(source, kPairs); }

ChatSource parse_chat_source(std::string_view source, std::string_view where) { return parse(source, kChats, where); }
ChatSource parse_pair_source(std::string_view source, std::string_view where) { return parse(source, kPairs, where); }

std::vector<Language> parse_languages(std::string_view text, std::string_view where) {
  std::vector<Language> languages;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    const auto language = find_named<Language>(word);
    if (!language) user_error("{}: there is no language \"{}\". Use en, zh or en,zh", where, printable(word));
    if (std::find(languages.begin(), languages.end(), *language) != languages.end())
      user_error("{}: {} is named twice. Use en, zh or en,zh", where, word);
    languages.push_back(*language);
    begin = end + 1;
  }
  return languages;
}

Chat chat_of(uint64_t seed, uint64_t index, const std::vector<Language>& languages, TaskSplit split) {
  return make_chat(seed, index, turn_of(index, languages), split);
}
ChatPair pair_of(uint64_t seed, uint64_t index, const std::vector<Language>& languages, TaskSplit split) {
  return make_chat_pair(seed, index, turn_of(index, languages), split);
}

Json chat_json(const Chat& chat) {
  return {{"messages", Json::array({Json{{"role", "user"}, {"content", chat.question}},
                                    Json{{"role", "assistant"}, {"content", chat.answer}}})},
          {"family", chat.family},
          {"language", name_of(chat.language)}};
}

std::string chat_line(const Chat& chat) { return chat_json(chat).dump(); }

Json pair_json(const ChatPair& pair) {
  return {{"prompt", pair.chat.question}, {"chosen", pair.chat.answer}, {"rejected", pair.rejected},
          {"fault", pair.fault},          {"family", pair.chat.family}, {"language", name_of(pair.chat.language)}};
}
std::string pair_line(const ChatPair& pair) { return pair_json(pair).dump(); }

}  // namespace minke
