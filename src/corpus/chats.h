// Built-in chats: one question and a short answer, without a thought and without mathematics. They are the other part of R1's
// data (R1 §2.3.3: writing, factual questions, self-cognition, translation), small enough for a model of a few million
// parameters; and pairs of a good answer and one with a fault, from which a reward model learns to judge. English and Chinese.
// Chat i is a pure function of (seed, i, language, split).
//
// Knowledge cannot be guessed. So the test side of the split (split.h) has no facts that the training side lacks, but unseen
// combinations of an item (a fact, a word, a kind of thing) and a way to ask for it: every item is known from training, asked
// in other words, and every way to ask that a family has, of other items. Tested in tests/corpus/chats_test.cpp.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/enum_names.h"
#include "corpus/corpus.h"
#include "corpus/split.h"
#include "corpus/tasks.h"

namespace minke {

struct Chat {
  std::string family;  // "fact", "advice", …: chat_family_names
  std::string question, answer;
  std::string canonical;  // what the split is decided by: language, family, item and the way to ask
  Language language = Language::english;
};
Chat make_chat(uint64_t seed, uint64_t index, Language language, TaskSplit split);
std::vector<std::string_view> chat_family_names();

// What is wrong with an answer; each is to be seen from question and answer alone.
//   wrong      the answer to another question of the family
//   off_topic  an answer of another family
//   cut_off    ends in the middle of a sentence
//   repeated   says the whole, or its beginning, again and again
//   language   the same answer in the other language
//   unhelpful  "I do not know."
//   shuffled   its words in another order
enum class ChatFault : uint8_t { wrong, off_topic, cut_off, repeated, language, unhelpful, shuffled };
template <> struct EnumNames<ChatFault> {
  static constexpr EnumName<ChatFault> all[] = {{ChatFault::wrong, "wrong"},       {ChatFault::off_topic, "off_topic"},
                                                {ChatFault::cut_off, "cut_off"},   {ChatFault::repeated, "repeated"},
                                                {ChatFault::language, "language"}, {ChatFault::unhelpful, "unhelpful"},
                                                {ChatFault::shuffled, "shuffled"}};
};

struct ChatPair {
  Chat chat;             // with the good answer
  std::string rejected;  // the other one
  std::string fault;     // a name of ChatFault; each comes as often
};
ChatPair make_chat_pair(uint64_t seed, uint64_t index, Language language, TaskSplit split);

namespace corpus {
// Of either side of the split.
Chat draw_chat(Rng rng, Language language);
}  // namespace corpus

}  // namespace minke
