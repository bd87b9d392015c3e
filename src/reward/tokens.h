// Mathematical text, LaTeX or plain, as tokens. Spellings of one thing become one token: \dfrac and \tfrac are \frac, ×
// and \times are *, U+2212 is -, full-width forms are those of ASCII, ² is ^2, ½ is \frac{1}{2}; what only shapes the
// text (\left, \displaystyle, \,, $…$) goes. Tested in
// tests/reward/math_answer_test.cpp.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace minke {

enum class TokenKind : unsigned char {
  number,   // "12", "1.5", ".5", "1e3"
  word,     // a run of Latin or Greek letters, or one Chinese character
  symbol,   // + - * / ^ = ( ) [ ] { } , ; : % $ and others; "\{" "\}" are the braces of a set
  command,  // a LaTeX command that is none of the above, without its backslash: frac, sqrt, overline, sin …
};

struct Token {
  TokenKind kind;
  bool space_before = false;
  bool in_text = false;  // inside \text{…} and its like
  std::string text;

  bool is(std::string_view symbol) const { return kind == TokenKind::symbol && text == symbol; }
  bool is_command(std::string_view name) const { return kind == TokenKind::command && text == name; }
};

struct Tokens {
  std::vector<Token> all;
  bool invisible = false;   // zero-width characters were there; they are left out
  bool unreadable = false;  // invalid UTF-8, control characters, or marks that reorder text
};

// Of at most kMaxAnswerBytes; longer text is unreadable.
constexpr size_t kMaxAnswerBytes = 1024;
Tokens tokens_of(std::string_view text);

// The code point at text[at], and `at` moved behind it; -1 for an invalid byte, which is skipped.
long next_code_point(std::string_view text, size_t& at);
bool is_white_space(long code_point);
bool is_invisible(long code_point);  // zero-width characters, soft hyphens, variation selectors, marks of direction
bool is_han(long code_point);
// True if nothing can be seen in it.
bool is_blank_text(std::string_view text);

}  // namespace minke
