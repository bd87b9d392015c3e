// People and word lists that the genres share: names with their pronouns, animals with their sounds and homes,
// things with prices. Tested in tests/corpus/corpus_test.cpp.
#pragma once
#include <span>
#include <string_view>

#include "corpus/grammar.h"

namespace minke::corpus {

struct Person {
  std::string_view name;
  bool female;
};

struct Animal {
  std::string_view kind, home, food, sound;
};

std::span<const Person> english_names();
std::span<const Person> chinese_names();
std::span<const Animal> english_animals();

// Binds $x, $x_he, $x_him, $x_his, $x_himself, where `keys` are those five names.
struct PersonKeys {
  std::string_view name, he, him, his, himself;
};
inline constexpr PersonKeys kHero{"a", "a_he", "a_him", "a_his", "a_himself"};
inline constexpr PersonKeys kFriend{"b", "b_he", "b_him", "b_his", "b_himself"};
inline constexpr PersonKeys kThird{"c", "c_he", "c_him", "c_his", "c_himself"};
void bind_person(Expander& e, const PersonKeys& keys, const Person& person);
// A person whose name is none of those bound before.
const Person& fresh_person(Expander& e, std::span<const Person> names, std::span<const std::string_view> taken);

// Rules (#happy, #said, …) of the English genres.
std::span<const Rule> english_rules();

}  // namespace minke::corpus
