// Chats as data for training, by the name of a built-in source: "builtin:chats" (conversations, for SFT) and "builtin:pairs"
// (a good and a worse answer, for a reward model). Behind the name may stand the languages and how many there are to be:
// "builtin:chats:en", "builtin:chats:en,zh*2000". Both languages and kUsualChats without; languages take turns. Tested in
// tests/corpus/chats_test.cpp.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "corpus/chats.h"

namespace minke {

inline constexpr int64_t kUsualChats = 4000, kMostChats = 10'000'000;

// Whether a source is of this name, well written or not: "builtin:chats…".
bool is_chat_source(std::string_view source);
bool is_pair_source(std::string_view source);

struct ChatSource {
  std::vector<Language> languages;
  int64_t count = kUsualChats;
};
// UserErrors name `where`, such as "sft: data.train", what is wrong and what can be written.
ChatSource parse_chat_source(std::string_view source, std::string_view where);
ChatSource parse_pair_source(std::string_view source, std::string_view where);
// "en,zh": some languages, each once.
std::vector<Language> parse_languages(std::string_view text, std::string_view where);

// Chat i of some languages, which take turns.
Chat chat_of(uint64_t seed, uint64_t index, const std::vector<Language>& languages, TaskSplit split);
ChatPair pair_of(uint64_t seed, uint64_t index, const std::vector<Language>& languages, TaskSplit split);

// {"messages": [user, assistant], "family", "language"}, as minke sft reads conversations. A line has no newline.
Json chat_json(const Chat& chat);
std::string chat_line(const Chat& chat);
// {"prompt", "chosen", "rejected", "fault", "family", "language"}
Json pair_json(const ChatPair& pair);
std::string pair_line(const ChatPair& pair);

}  // namespace minke
