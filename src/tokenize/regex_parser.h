// A regex as the Hugging Face library reads it (Oniguruma, its own syntax, UTF-8), as a tree. What is not understood here
// is refused by name, never guessed at. Tested in tests/tokenize/regex_test.cpp.
#pragma once
#include <memory>
#include <string_view>
#include <vector>

#include "tokenize/char_set.h"

namespace minke {

struct RegexNode {
  enum class Kind {
    set,          // one character of `set`
    sequence,     // the children, one after the other; none: nothing
    alternation,  // the first child that leads to a match
    repeat,       // the child, min to max times
    atomic,       // the child; once it has matched, nothing else is tried
    look,         // the child matches here, ahead or behind, or with `negated` does not
    anchor,
  };
  enum class Anchor { line_begin, line_end, text_begin, text_end, last_line_end, word_edge, no_word_edge };
  static constexpr int kNoLimit = -1;

  Kind kind;
  CharSet set;
  std::vector<RegexNode> children;
  int min = 0, max = kNoLimit;
  bool greedy = true;
  bool ahead = true, negated = false;
  Anchor anchor = Anchor::text_begin;
};

// UserError, which begins with `where`, for what is no regex or is not understood.
RegexNode parse_regex(std::string_view pattern, std::string_view where);

// \w and \b: those of [\w], and ², ³, ¹, ¼, ½, ¾, which the library's table of the first 256 characters has.
const CharSet& word_characters();

}  // namespace minke
