// Splitting by any regex of a tokenizer.json, with the matches that the Hugging Face library finds (Oniguruma, Unicode
// 16). A matcher of our own: the steps it takes grow with the text's length and no faster, whatever the pattern, because
// what has once failed at a place is not tried there again (BitState, as in RE2); and patterns that it does not
// understand are refused by name (regex_parser.h). Tested in tests/tokenize/regex_test.cpp.
#pragma once
#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

namespace minke {

struct Match {
  size_t first, end;
};

class Regex {
 public:
  // `where` (file and field) opens the message of the UserError for a pattern that is no regex, is not understood or is
  // too long.
  Regex(std::string_view pattern, std::string_view where);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  // All matches from left to right, without overlap, empty ones included. Invalid bytes of text count as U+FFFD.
  // Throws UserError where look-arounds or atomic groups take more steps than any sensible pattern does.
  // May be called from several threads at once.
  void find_all(std::string_view text, std::vector<Match>& out) const;

 private:
  struct Compiled;
  std::unique_ptr<const Compiled> compiled_;
};

}  // namespace minke
