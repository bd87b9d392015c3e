// The parts of JSON as rules of a grammar (RFC 8259). Strings are valid UTF-8, and escaped surrogates come in pairs, so that every
// parser reads what was written. Test: tests/structured/json_schema_test.cpp.
#pragma once
#include <optional>

#include "structured/grammar.h"

namespace minke {

class JsonGrammar {
 public:
  using Element = Grammar::Element;
  using Sequence = Grammar::Sequence;

  JsonGrammar() : root_(grammar.new_rule()) {}
  Grammar grammar;

  // The text is of this rule, behind at most four blanks: models like to begin a line first.
  void set_root(int32_t rule);
  void set_root(Sequence sequence) { grammar.add_alternative(root_, std::move(sequence)); }
  // Any bytes, in which `word` comes at most as their end: then `after` follows.
  int32_t text_until(std::string_view word, const Sequence& after);

  int32_t any_of(std::vector<Sequence> alternatives);
  Sequence sequence(std::initializer_list<Sequence> parts) const;
  static Sequence one(int32_t rule) { return {Grammar::rule(rule)}; }
  Sequence byte(std::string_view any_of_these);
  // At least `least` and at most `most` of it, with `between` between two.
  int32_t repeated(const Sequence& what, int64_t least, std::optional<int64_t> most, const Sequence& between = {});

  // Each of these is made once.
  int32_t blank(), character(), string(), number(), integer(), boolean(), null(), value(), object(), array();
  // Of code points.
  int32_t string(int64_t least, std::optional<int64_t> most);
  int32_t integer(std::optional<int64_t> least, std::optional<int64_t> most);
  // "date", "time", "date-time", "uuid"; nothing for others.
  std::optional<int32_t> formatted_string(std::string_view format);
  // In brackets, with blanks around and commas between.
  int32_t array_of(const Sequence& item, int64_t least, std::optional<int64_t> most);
  int32_t object_of(const Sequence& value);  // with any keys
  Sequence comma();

 private:
  Sequence digits(int64_t count);
  void integers_of_one_length(std::string_view from, std::string_view to, Sequence before,
                              std::vector<Sequence>& alternatives);
  std::vector<Sequence> naturals(uint64_t from, uint64_t to);
  int32_t root_;
  int32_t blank_ = -1, character_ = -1, string_ = -1, number_ = -1, integer_ = -1, boolean_ = -1, null_ = -1,
          value_ = -1, object_ = -1, array_ = -1;
};

}  // namespace minke
