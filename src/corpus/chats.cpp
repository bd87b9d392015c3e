#include "corpus/chats.h"

#include <fmt/format.h>

#include <algorithm>

#include "corpus/chat_tables.h"
#include "corpus/genres.h"
#include "corpus/grammar.h"
#include "corpus/prompt.h"

namespace minke {
namespace corpus {
namespace {

std::vector<std::string_view> split_at_bars(std::string_view text) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('|', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

struct Topic {
  const ChatFamily* family;
  const ChatItem* item;
};

Topic draw_topic(Expander& e, Language language) {
  for (;;) {
    const ChatFamily& family = chat_families()[e.below(chat_families().size())];
    const std::vector<const ChatItem*> items = family.items_in(language);
    if (!items.empty()) return {&family, e.pick(items)};
  }
}

std::string answer_of(Expander& e, const ChatFamily& family, const ChatItem& item, Language language) {
  const ChatSide& side = item.side[size_t(language)];
  const ChatForms& forms = family.forms[size_t(language)];
  e.capitals = language == Language::english;  // "minke是一种小鲸鱼"
  e.set("a", side.asked);
  if (forms.answer.find("$x") != forms.answer.npos) {  // three of a kind
    std::vector<std::string_view> things = split_at_bars(side.answer);
    for (const std::string_view name : {"x", "y", "z"}) {
      const size_t n = e.below(things.size());
      e.set(name, things[n]);
      things.erase(things.begin() + std::ptrdiff_t(n));
    }
  } else {
    e.set("b", side.answer);
  }
  return tidy(e.expand(forms.answer, true));
}

Chat chat_about(Expander& e, const Topic& topic, Language language) {
  const ChatSide& side = topic.item->side[size_t(language)];
  const ChatForms& forms = topic.family->forms[size_t(language)];
  const bool own = forms.questions.empty();
  const std::vector<std::string_view> questions = own ? split_at_bars(side.asked) : forms.questions;
  const size_t way = e.below(questions.size());
  Chat chat;
  chat.family = topic.family->name;
  chat.language = language;
  e.capitals = language == Language::english;
  if (!own) e.set("a", side.asked);
  chat.question = e.expand(questions[way], true);
  chat.answer = answer_of(e, *topic.family, *topic.item, language);
  chat.canonical = fmt::format("chat {} {} {} {}", name_of(language), chat.family,
                               own ? split_at_bars(side.asked)[0] : side.asked, way);
  return chat;
}

bool is_word_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '\'';
}
// The first byte of a Chinese character; the others of three bytes are punctuation.
bool begins_han(char c) { return uint8_t(c) >= 0xE4 && uint8_t(c) <= 0xE9; }

// Words: runs of letters, and each Chinese character.
struct Word {
  size_t begin, end;
};
std::vector<Word> words_of(std::string_view text) {
  std::vector<Word> words;
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    if (begins_han(text[i])) end = i + 3;
    else if (is_word_byte(text[i]))
      while (end < text.size() && is_word_byte(text[end])) ++end;
    if (begins_han(text[i]) || is_word_byte(text[i])) words.push_back({i, end});
    i = end;
  }
  return words;
}

// The first words, of which something is missing: the cut is not at a mark, after a quarter to three quarters of them.
// Empty where there is no such place.
std::string beginning_of(Expander& e, const std::string& text) {
  const std::vector<Word> words = words_of(text);
  std::vector<size_t> ends;
  for (size_t i = std::max<size_t>(1, words.size() / 4); i < words.size() * 3 / 4; ++i) {
    const size_t gap = words[i].begin - words[i - 1].end;
    if (gap == 0 || (gap == 1 && text[words[i - 1].end] == ' ')) ends.push_back(words[i - 1].end);
  }
  return ends.empty() ? "" : text.substr(0, e.pick(ends));
}

std::string repeated(Expander& e, const std::string& text, Language language) {
  const std::string between = language == Language::english ? " " : "";
  const std::string beginning = beginning_of(e, text);
  const bool loop = !beginning.empty() && e.chance(0.5);
  const std::string& part = loop ? beginning : text;
  std::string all = part;
  for (int64_t n = loop ? e.between(3, 5) : e.between(1, 2); n > 0; --n) all += between + part;
  return all;
}

// The marks stay where they are. Empty where there are too few words for it to be seen.
std::string shuffled(Expander& e, const std::string& text) {
  const std::vector<Word> words = words_of(text);
  if (words.size() < 5) return "";
  std::vector<size_t> order(words.size());
  for (int tries = 0; tries < 20; ++tries) {
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[e.below(i)]);
    size_t kept = 0;  // words that are still followed by the same one
    for (size_t i = 0; i + 1 < order.size(); ++i) kept += order[i + 1] == order[i] + 1;
    if (kept > words.size() / 4) continue;
    std::string out;
    for (size_t i = 0, at = 0; i < words.size(); at = words[i++].end) {
      out += text.substr(at, words[i].begin - at);
      out += text.substr(words[order[i]].begin, words[order[i]].end - words[order[i]].begin);
    }
    out += text.substr(words.back().end);
    if (out != text) return out;
  }
  return "";
}

constexpr std::string_view kUnhelpful[2] = {
    "{I do not know|I am not sure|It depends|Please ask somebody else|I cannot help you with that|Maybe|I have no "
    "answer}.",
    "{我不知道|我不确定|看情况吧|你去问别人吧|这个我帮不了你|也许吧|我没有答案}。"};

// Whether the other item's answer is none to this question: not the same one, not the other way round.
bool answers_otherwise(const ChatItem& item, const ChatItem& other, Language language) {
  const ChatSide &a = item.side[size_t(language)], &b = other.side[size_t(language)];
  return &item != &other && b.answer != a.asked;
}

// An answer to the chat's question with this fault; empty where the chat has none.
std::string faulty(Expander& e, const Topic& topic, const Chat& chat, ChatFault fault) {
  const Language language = chat.language,
                 other_language = language == Language::english ? Language::chinese : Language::english;
  switch (fault) {
    case ChatFault::wrong: {
      const std::vector<const ChatItem*> items = topic.family->items_in(language);
      const ChatItem* other = e.pick(items);
      if (!answers_otherwise(*topic.item, *other, language)) return "";
      return answer_of(e, *topic.family, *other, language);
    }
    case ChatFault::off_topic: {
      const Topic other = draw_topic(e, language);
      const bool may_suit = topic.family->personal && other.family->personal;
      if (other.family->name == topic.family->name || may_suit) return "";
      return answer_of(e, *other.family, *other.item, language);
    }
    case ChatFault::cut_off: return beginning_of(e, chat.answer);
    case ChatFault::repeated: return repeated(e, chat.answer, language);
    case ChatFault::language:
      if (topic.item->side[size_t(other_language)].asked.empty()) return "";
      return answer_of(e, *topic.family, *topic.item, other_language);
    case ChatFault::unhelpful: return e.expand(kUnhelpful[size_t(language)], true);
    case ChatFault::shuffled: return shuffled(e, chat.answer);
  }
  return "";
}

}  // namespace

Chat draw_chat(Rng rng, Language language) {
  Expander e(rng);
  const Topic topic = draw_topic(e, language);
  return chat_about(e, topic, language);
}

std::string chat_text(Rng rng, bool chinese, Problems& problems) {
  std::string text;
  for (uint64_t i = 0, n = 3 + rng.below(4); i < n; ++i) {
    const Chat chat = first_that_fits(
        Rng{rng.key.at("chat").at(i)},
        [&](Rng draw) { return draw_chat(draw, chinese ? Language::chinese : Language::english); },
        [](const Chat& c) { return split_of(c.canonical) == TaskSplit::train; });
    problems.push_back(chat.canonical);
    text += (i ? "\n" : "") + prompt_of(chat.question) + " " + chat.answer;
  }
  return text;
}

Task chat_task(Rng rng, bool chinese) {
  Chat chat = draw_chat(rng, chinese ? Language::chinese : Language::english);
  Task task;
  task.family = std::move(chat.family), task.question = std::move(chat.question);
  task.answer = std::move(chat.answer), task.canonical = std::move(chat.canonical);
  task.grader = GraderKind::judge;
  return task;
}

}  // namespace corpus

std::vector<std::string_view> chat_family_names() {
  std::vector<std::string_view> names;
  for (const corpus::ChatFamily& family : corpus::chat_families())
    if (std::find(names.begin(), names.end(), family.name) == names.end()) names.push_back(family.name);
  return names;
}

Chat make_chat(uint64_t seed, uint64_t index, Language language, TaskSplit split) {
  const Rng rng{RngKey{seed}.at("chat").at(name_of(language)).at(index)};
  return corpus::first_that_fits(
      rng, [&](Rng draw) { return corpus::draw_chat(draw, language); },
      [&](const Chat& chat) { return split_of(chat.canonical) == split; });
}

ChatPair make_chat_pair(uint64_t seed, uint64_t index, Language language, TaskSplit split) {
  Rng rng{RngKey{seed}.at("chat pair").at(name_of(language)).at(index)};
  // Drawn before the chat: a fault that few chats can have comes as often as the others.
  const EnumName<ChatFault>& fault = EnumNames<ChatFault>::all[rng.below(std::size(EnumNames<ChatFault>::all))];
  return corpus::first_that_fits(
      Rng{rng.key.at("content")},
      [&](Rng draw) {
        corpus::Expander e(draw);
        const corpus::Topic topic = corpus::draw_topic(e, language);
        ChatPair pair{corpus::chat_about(e, topic, language), "", fault.name};
        pair.rejected = corpus::faulty(e, topic, pair.chat, fault.value);
        return pair;
      },
      [&](const ChatPair& pair) {
        return split_of(pair.chat.canonical) == split && !pair.rejected.empty() && pair.rejected != pair.chat.answer;
      });
}

}  // namespace minke
