// What chats are about: families of questions, each with its items and the ways to ask and to answer, in English and Chinese.
// Knowledge and talk in chat_tables.cpp, words and short texts in chat_words.cpp. Private to corpus/; tested in
// tests/corpus/chats_test.cpp.
#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "corpus/corpus.h"

namespace minke::corpus {

// Of one language; an empty `asked`: the item is not there in this language.
struct ChatSide {
  std::string_view asked;  // $a; where the family has no questions of its own, the questions themselves, "|" between
  std::string_view
      answer;  // $b, a template of grammar.h; where the answer uses $x $y $z: the things of a kind, "|" between
};
struct ChatItem {
  ChatSide side[2];  // by language: the same thing, said in both
};

struct ChatForms {
  std::vector<std::string_view> questions;  // templates that draw nothing: item and number make the question
  std::string_view answer;                  // a template
};

struct ChatFamily {
  std::string_view name;
  // About those who talk, or a tale: such an answer may suit other questions of that sort, too.
  bool personal;
  ChatForms forms[2];  // by language
  std::vector<ChatItem> items;

  std::vector<const ChatItem*> items_in(Language language) const;
};

// Two may have one name: ways of asking that have other items.
std::span<const ChatFamily> chat_families();
void add_talk_families(std::vector<ChatFamily>& families);
void add_word_families(std::vector<ChatFamily>& families);

}  // namespace minke::corpus
