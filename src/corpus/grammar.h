// A small template language for the genres of the built-in corpus. Expansion is a pure function of the templates and the
// Rng, so a document depends only on (seed, index). Tested in tests/corpus/corpus_test.cpp.
//
//   {red|blue|}     one of the alternatives, chosen evenly; they nest, and one may be empty
//   {toy=kite|ball} binds $toy for the rest of the document and prints nothing
//   $toy, ${toy}     the value of a variable; $$ prints a dollar sign
//   #happy          expands the rule "happy", again at every use
//   @ apple         the article a or an, by the letter that follows
//   ^               the next letter is a capital; sentence starts are capitalised without it
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/rng.h"

namespace minke::corpus {

struct Rule {
  std::string_view name, text;
};

class Expander {
 public:
  explicit Expander(Rng rng, std::span<const Rule> rules = {}) : rng(rng), rules_(rules) {}

  // Binds a variable to the expansion of a template. `name` and the text of templates must outlive the expander.
  void set(std::string_view name, std::string_view text) { assign(name, expand(text)); }
  void set(std::string_view name, int64_t value) { assign(name, std::to_string(value)); }
  const std::string& get(std::string_view name) const;
  // Expands a template and appends it.
  void add(std::string_view text);
  // Appends text as it is.
  void add_plain(std::string_view text);
  // The expansion of a template on its own, capitalised like a new sentence when `sentence`.
  std::string expand(std::string_view text, bool sentence = false);
  // The text so far; the expander keeps its variables and starts an empty text.
  std::string take();

  size_t below(size_t n) { return size_t(rng.below(n)); }
  bool chance(double p) { return rng.uniform() < p; }
  int64_t between(int64_t low, int64_t high) { return low + int64_t(rng.below(uint64_t(high - low + 1))); }
  template <class T, size_t N> const T& pick(const T (&items)[N]) { return items[below(N)]; }
  template <class T> const T& pick(const std::vector<T>& items) { return items[below(items.size())]; }

  Rng rng;
  bool capitals = true;  // capitalise sentence starts; off for programs

 private:
  template <class F> std::string captured(bool sentence, F&& write);  // what `write` puts, instead of appending it
  void assign(std::string_view name, std::string value);
  void run(std::string_view text, int depth);
  void choose(std::string_view inside, int depth);
  void put(char c);
  void put(std::string_view text) {
    for (char c : text) put(c);
  }

  std::span<const Rule> rules_;
  std::vector<std::pair<std::string_view, std::string>> variables_;
  std::string out_;
  bool capital_ = true;   // the next letter starts a sentence
  bool ended_ = false;    // the last characters end a sentence; a space makes the next letter a capital
  bool article_ = false;  // "a" is written and waits for the letter that decides about the n
};

// Removes the traces of empty alternatives: double spaces, spaces before a stop, at the ends of lines and of the text.
std::string tidy(std::string_view text);
// "the lost kite" → "The Lost Kite"
std::string title_case(std::string_view text);
// 1234567 → "1,234,567"
std::string with_commas(int64_t value);
// "apple" → "apples", "box" → "boxes", "baby" → "babies"
std::string plural(std::string_view noun);

}  // namespace minke::corpus
