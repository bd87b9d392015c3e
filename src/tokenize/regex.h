// Splitting by any regex of a tokenizer.json, through PCRE2 with its JIT. The files are written for Oniguruma (Ruby
// syntax, Unicode 16), so a pattern is translated first: \s \w \d, \p{…} of categories, {n,m}+ and line anchors mean
// there what they mean in the Hugging Face library. Tested in tests/tokenize/regex_test.cpp.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace minke {

struct Match {
  size_t first, end;
};

class Regex {
 public:
  // `where` (file and field) opens the message of the UserError for a pattern that is no regex, or a too long one.
  Regex(std::string_view pattern, std::string_view where);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  // All matches from left to right, without overlap, empty ones included. Invalid bytes of text count as U+FFFD.
  // Throws UserError if the pattern needs more steps than any sensible one (catastrophic backtracking), or if it names so
  // many categories that it cannot be compiled for code points that Unicode 14 does not have, and text has one.
  // May be called from several threads at once.
  void find_all(std::string_view text, std::vector<Match>& out) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

// The translation, for tests. spell_out: categories as explicit ranges of Unicode 16.
std::string translate_oniguruma(std::string_view pattern, bool spell_out);

}  // namespace minke
