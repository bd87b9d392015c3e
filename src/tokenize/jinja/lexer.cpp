// Text and tags to tokens, with trim_blocks and lstrip_blocks.
#include <algorithm>

#include "core/error.h"
#include "tokenize/jinja/syntax.h"
#include "tokenize/jinja/text.h"
#include "tokenize/unicode.h"

namespace minke::jinja {
namespace {

using text::kNone;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool begins_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
int hex_digit(char c) {
  const char small = char(c | 0x20);
  return is_digit(c) ? c - '0' : small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

// As Jinja2 reads it: "\r\n" and "\r" become "\n", and the last newline goes.
std::string normalized(std::string_view s) {
  std::string out;
  for (size_t i = 0; i < s.size(); ++i)
    if (s[i] != '\r') out += s[i];
    else if (i + 1 == s.size() || s[i + 1] != '\n') out += '\n';
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  Lexer(std::string_view source, int& line) : s_(normalized(source)), line_(line) {}

  std::vector<Token> run() {
    for (size_t tag; (tag = next_tag()) != kNone;) {
      const char what = s_[tag + 1];
      size_t behind = tag + 2;
      const char sign = at(behind) == '-' || at(behind) == '+' ? s_[behind++] : 0;
      add_text(stripped(std::string_view(s_).substr(at_, tag - at_), sign, what == '{'));
      move_to(behind);
      if (what == '#') comment();
      else tag_of(what == '{');
    }
    add_text(std::string_view(s_).substr(at_));
    add(Token::Kind::end, "");
    return std::move(out_);
  }

 private:
  char at(size_t i) const { return i < s_.size() ? s_[i] : 0; }
  void add(Token::Kind kind, std::string text) { out_.push_back({kind, line_, std::move(text)}); }
  void add_text(std::string_view text) {
    if (!text.empty()) add(Token::Kind::text, std::string(text));
  }
  void move_to(size_t to) {
    line_ += int(std::count(s_.begin() + ptrdiff_t(at_), s_.begin() + ptrdiff_t(to), '\n'));
    if (to > at_) line_starts_ = s_[to - 1] == '\n';
    at_ = to;
  }

  size_t next_tag() const {
    for (size_t i = s_.find('{', at_); i != kNone; i = s_.find('{', i + 1))
      if (at(i + 1) == '{' || at(i + 1) == '%' || at(i + 1) == '#') return i;
    return kNone;
  }

  // The text in front of a tag: "-" takes its white space, lstrip_blocks that between the line's begin and a block.
  std::string_view stripped(std::string_view text, char sign, bool print) const {
    if (sign == '-') return text::strip(text, nullptr, false, true);
    if (sign == '+' || print) return text;
    const size_t newline = text.rfind('\n');
    if (newline == kNone && !line_starts_) return text;
    const std::string_view last_line = text.substr(newline == kNone ? 0 : newline + 1);
    return text::strip(last_line, nullptr).empty() ? text.substr(0, text.size() - last_line.size()) : text;
  }

  // If the tag's end stands at `i`: behind it and what it takes away ("-": white space; trim_blocks: one newline).
  size_t behind_end(std::string_view end, size_t i) const {
    const std::string_view rest = std::string_view(s_).substr(i);
    if (rest.starts_with('-') && rest.substr(1).starts_with(end)) {
      const std::string_view behind = rest.substr(1 + end.size());
      return s_.size() - text::strip(behind, nullptr, true, false).size();
    }
    const bool print = end == "}}";
    if (!print && rest.starts_with('+') && rest.substr(1).starts_with(end)) return i + 1 + end.size();
    if (!rest.starts_with(end)) return kNone;
    i += end.size();
    return !print && at(i) == '\n' ? i + 1 : i;
  }

  void comment() {
    for (size_t i = at_; i < s_.size(); ++i)
      if (const size_t behind = behind_end("#}", i); behind != kNone) return move_to(behind);
    fail("a comment has no end: \"#}}\" is missing");
  }

  void tag_of(bool print) {
    add(print ? Token::Kind::print : Token::Kind::block, print ? "{{" : "{%");
    std::string open;  // the brackets that are to be closed
    while (at_ < s_.size()) {
      const size_t behind = open.empty() ? behind_end(print ? "}}" : "%}", at_) : kNone;
      if (behind != kNone) {
        add(Token::Kind::symbol, print ? "}}" : "%}");
        return move_to(behind);
      }
      const char c = s_[at_];
      if (c == ' ' || (c >= '\t' && c <= '\r')) move_to(at_ + 1);
      else if (begins_name(c)) name();
      else if (is_digit(c)) number();
      else if (c == '\'' || c == '"') string(c);
      else symbol(open);
    }  // the parser says which tag has no end
  }

  void name() {
    size_t end = at_;
    while (begins_name(at(end)) || is_digit(at(end))) ++end;
    add(Token::Kind::name, s_.substr(at_, end - at_));
    move_to(end);
  }

  void number() {
    size_t end = at_;
    const auto digits = [&] {
      while (is_digit(at(end))) ++end;
    };
    digits();
    bool real = false;
    if (at(end) == '.' && is_digit(at(end + 1))) ++end, digits(), real = true;
    if (at(end) == 'e' || at(end) == 'E') {
      const size_t first = end + 1 + (at(end + 1) == '-' || at(end + 1) == '+');
      if (is_digit(at(first))) end = first, digits(), real = true;
    }
    std::string written = s_.substr(at_, end - at_);
    if (begins_name(at(end)) || (!real && written.size() > 1 && written[0] == '0'))
      fail("a number like {}{} is not supported", printable(written), begins_name(at(end)) ? "…" : "");
    add(real ? Token::Kind::real : Token::Kind::integer, std::move(written));
    move_to(end);
  }

  void string(char quote) {
    size_t end = at_ + 1;
    while (end < s_.size() && s_[end] != quote) end += s_[end] == '\\' ? 2 : 1;
    if (end >= s_.size()) fail("a string has no end");
    add(Token::Kind::string, unescaped(std::string_view(s_).substr(at_ + 1, end - at_ - 1)));
    move_to(end + 1);
  }

  std::string unescaped(std::string_view s) const {
    std::string out;
    for (size_t i = 0; i < s.size();) {
      if (s[i] != '\\') {
        out += s[i++];
        continue;
      }
      const char c = s[i + 1];  // there is one: the quote that ends the string is not escaped
      i += 2;
      constexpr std::string_view kFrom = "\\'\"abfnrtv", kTo = "\\'\"\a\b\f\n\r\t\v";
      if (c == '\n') continue;
      if (const size_t found = kFrom.find(c); found != kNone) out += kTo[found];
      else if (c == 'x' || c == 'u' || c == 'U') out += code_point(s, i, c == 'x' ? 2 : c == 'u' ? 4 : 8);
      else if (is_digit(c) || c == 'N' || uint8_t(c) >= 0x80)
        fail("the escape \\{}… is not supported", uint8_t(c) >= 0x80 ? ' ' : c);
      else (out += '\\') += c;
    }
    return out;
  }

  std::string code_point(std::string_view s, size_t& i, int count) const {
    char32_t value = 0;
    for (int n = 0; n < count; ++n, ++i) {
      if (i >= s.size() || hex_digit(s[i]) < 0) fail("a string has an escape with too few digits");
      value = value * 16 + char32_t(hex_digit(s[i]));
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) fail("a string has an escape that is no character");
    std::string out;
    unicode::append_utf8(out, value);
    return out;
  }

  void symbol(std::string& open) {
    for (std::string_view two : {"//", "**", "==", "!=", ">=", "<="}) {
      if (std::string_view(s_).substr(at_, 2) != two) continue;
      add(Token::Kind::symbol, std::string(two));
      return move_to(at_ + 2);
    }
    const char c = s_[at_];
    if (c == 0 || std::string_view("+-/*%~[](){}><=.:|,").find(c) == kNone)
      fail("unexpected character \"{}\"", printable(s_.substr(at_, unicode::decode_at(s_, at_).length)));
    if (c == '(' || c == '[' || c == '{') {
      open += c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
      if (open.empty()) fail("unexpected \"{}\"", c);
      if (open.back() != c) fail("unexpected \"{}\", expected \"{}\"", c, open.back());
      open.pop_back();
    }
    add(Token::Kind::symbol, std::string(1, c));
    move_to(at_ + 1);
  }

  std::string s_;
  size_t at_ = 0;
  int& line_;
  bool line_starts_ = true;
  std::vector<Token> out_;
};

}  // namespace

std::vector<Token> tokens_of(std::string_view source, int& line) { return Lexer(source, line).run(); }

}  // namespace minke::jinja
