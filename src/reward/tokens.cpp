#include "reward/tokens.h"

#include <algorithm>
#include <array>
#include <utility>

namespace minke {
namespace {

constexpr bool is_digit(long c) { return c >= '0' && c <= '9'; }
constexpr bool is_letter(long c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_foreign_letter(long c) {  // accented Latin, Greek
  return (c >= 0xC0 && c <= 0x24F && c != 0xD7 && c != 0xF7) || (c >= 0x370 && c <= 0x3FF) || c == 0xB5;
}

// What one character stands for, where that is another token than the character itself.
struct Spelling {
  long code;
  const char* text;
};
constexpr Spelling kSymbols[] = {
    {0x2212, "-"}, {0x2010, "-"}, {0x2011, "-"}, {0x2012, "-"}, {0x2013, "-"}, {0xFE63, "-"}, {0xD7, "*"},
    {0xB7, "*"},   {0x22C5, "*"}, {0x2219, "*"}, {0x2217, "*"}, {0x2715, "*"}, {0xF7, "/"},   {0x2215, "/"},
    {0x2044, "/"}, {0x221A, "√"}, {0x221E, "∞"}, {0x222A, "∪"}, {0x2208, "∈"}, {0x2248, "≈"}, {0xB1, "±"},
    {0xB0, "°"},   {0x2030, "‰"}, {0x20AC, "€"}, {0xA3, "£"},   {0xA5, "¥"},   {0xFFE5, "¥"}, {0x20B9, "₹"},
    {0x3001, ","}, {0x3002, "."}, {0x2264, "≤"}, {0x2265, "≥"}, {0x2260, "≠"}, {0x2026, "…"}, {0x2103, "℃"}};
constexpr std::pair<long, const char*> kVulgarFractions[] = {
    {0xBD, "12"},   {0xBC, "14"},   {0xBE, "34"},   {0x2153, "13"}, {0x2154, "23"},
    {0x2155, "15"}, {0x2156, "25"}, {0x2157, "35"}, {0x2158, "45"}, {0x2159, "16"},
    {0x215A, "56"}, {0x215B, "18"}, {0x215C, "38"}, {0x215D, "58"}, {0x215E, "78"}};
constexpr std::array<std::string_view, 24> kShapesOnly = {
    "left",  "right", "displaystyle", "textstyle", "limits", "big",   "Big",   "bigg",
    "Bigg",  "bigl",  "bigr",         "Bigl",      "Bigr",   "biggl", "biggr", "mathstrut",
    "strut", "right", "large",        "Large",     "it",     "rm",    "bf",    "scriptstyle"};
constexpr std::array<std::string_view, 7> kTextWrappers = {"text",   "textrm", "textbf",      "textit",
                                                           "mathrm", "mbox",   "operatorname"};
constexpr std::array<std::string_view, 7> kOtherWrappers = {"boxed", "mathbf", "mathit", "boldsymbol",
                                                            "bm",    "fbox",   "mathsf"};
constexpr std::pair<std::string_view, const char*> kCommands[] = {
    {"times", "*"}, {"cdot", "*"},     {"ast", "*"},      {"div", "/"},    {"pm", "±"},     {"infty", "∞"},
    {"cup", "∪"},   {"in", "∈"},       {"approx", "≈"},   {"circ", "°"},   {"degree", "°"}, {"le", "≤"},
    {"leq", "≤"},   {"ge", "≥"},       {"geq", "≥"},      {"ne", "≠"},     {"neq", "≠"},    {"lt", "<"},
    {"gt", ">"},    {"lbrace", "\\{"}, {"rbrace", "\\}"}, {"lbrack", "["}, {"rbrack", "]"}, {"ldots", "…"},
    {"dots", "…"},  {"sqrt", "√"},     {"lparen", "("},   {"rparen", ")"}, {"colon", ":"},  {"bullet", "*"}};

class Reader {
 public:
  Tokens read(std::string_view text) {
    if (text.size() > kMaxAnswerBytes) return {{}, false, true};
    const std::string visible = without_invisible(text);
    text_ = visible;
    while (at_ < text_.size()) step();
    return std::move(tokens_);
  }

 private:
  char here(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  void add(TokenKind kind, std::string text) {
    // ^\circ and ^{\circ} are °.
    auto& all = tokens_.all;
    if (text == "°" && !all.empty() && all.back().is("^")) {
      all.pop_back();
    } else if (text == "°" && all.size() >= 2 && all.back().is("{") && all[all.size() - 2].is("^")) {
      all.resize(all.size() - 2);
      if (!braces_.empty()) braces_.back() = Brace::dropped;
    }
    all.push_back({kind, space_, texts_ > 0, std::move(text)});
    space_ = false;
    wrapper_ = Brace::kept;
  }
  void add_symbol(std::string text) { add(TokenKind::symbol, std::move(text)); }

  void step() {
    const size_t begin = at_;
    const long c = next_code_point(text_, at_);
    if (c < 0) tokens_.unreadable = true;
    else if (is_white_space(c)) space_ = true;
    else if (c < 0x20 || (c >= 0x7F && c < 0xA0)) tokens_.unreadable = true;
    else if (c >= 0xFF01 && c <= 0xFF5E) ascii(c - 0xFEE0, begin);
    else if (c < 0x80) ascii(c, begin);
    else other(c, begin);
  }

  std::string without_invisible(std::string_view text) {
    std::string visible;
    for (size_t at = 0; at < text.size();) {
      const size_t begin = at;
      const long c = next_code_point(text, at);
      if (!is_invisible(c)) {
        visible += text.substr(begin, at - begin);
        continue;
      }
      tokens_.invisible = true;
      // 0x200E and what follows reorder what is seen: "12" may be shown as "21".
      if ((c >= 0x200E && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0x61C)
        tokens_.unreadable = true;
    }
    return visible;
  }

  void ascii(long c, size_t begin) {
    if (is_digit(c) || (c == '.' && is_digit(peek()) && !follows_digit())) number(c);
    else if (is_letter(c)) word(begin);
    else if (c == '\\') command();
    else if (c == '{') open_brace();
    else if (c == '}') close_brace();
    else if (c == '~') space_ = true;
    else add_symbol(std::string(1, char(c)));
  }

  void other(long c, size_t begin) {
    for (const Spelling& s : kSymbols)
      if (s.code == c) return add_symbol(s.text);
    for (const auto& [code, digits] : kVulgarFractions)
      if (code == c) return fraction(digits);
    if (c == 0xB2 || c == 0xB3) {
      add_symbol("^");
      return add(TokenKind::number, c == 0xB2 ? "2" : "3");
    }
    if (is_han(c)) return add(TokenKind::word, std::string(text_.substr(begin, at_ - begin)));
    if (is_foreign_letter(c)) return word(begin);
    add_symbol(std::string(text_.substr(begin, at_ - begin)));
  }

  void fraction(const char* digits) {
    add(TokenKind::command, "frac");
    for (int i = 0; i < 2; ++i) {
      add_symbol("{");
      add(TokenKind::number, std::string(1, digits[i]));
      add_symbol("}");
    }
  }

  // The next character, a full-width one as its ASCII; not moved over.
  long peek() const {
    if (at_ >= text_.size()) return -1;
    size_t behind = at_;
    const long c = next_code_point(text_, behind);
    return c >= 0xFF01 && c <= 0xFF5E ? c - 0xFEE0 : c;
  }
  void skip() { (void)next_code_point(text_, at_); }
  bool follows_digit() const { return !space_ && !tokens_.all.empty() && tokens_.all.back().kind == TokenKind::number; }

  void number(long c) {
    std::string digits(1, char(c));
    bool point = c == '.';
    for (;;) {
      const long next = peek();
      if (is_digit(next)) {
        digits += char(next);
        skip();
      } else if (next == '.' && !point) {
        const size_t before = at_;
        skip();
        if (!is_digit(peek())) {  // the end of a sentence, or "42."
          at_ = before;
          break;
        }
        digits += '.';
        point = true;
      } else {
        break;
      }
    }
    exponent(digits);
    add(TokenKind::number, std::move(digits));
  }

  void exponent(std::string& digits) {
    if (here() != 'e' && here() != 'E') return;
    size_t n = 1;
    if (here(n) == '-' || here(n) == '+') ++n;
    const size_t first = n;
    while (is_digit(here(n))) ++n;
    if (n == first || is_letter(here(n))) return;
    digits += text_.substr(at_, n);
    at_ += n;
  }

  void word(size_t begin) {
    std::string letters;
    at_ = begin;
    while (at_ < text_.size()) {
      const size_t before = at_;
      const long c = next_code_point(text_, at_);
      if (c >= 0xFF21 && c <= 0xFF5A && is_letter(c - 0xFEE0)) {
        letters += char(c - 0xFEE0);
      } else if (is_letter(c) || is_foreign_letter(c)) {
        letters += text_.substr(before, at_ - before);
      } else {
        at_ = before;
        break;
      }
    }
    add(TokenKind::word, letters == "pi" ? "π" : std::move(letters));
  }

  void command() {
    const size_t begin = at_;
    while (is_letter(here())) ++at_;
    if (at_ == begin) return escaped();
    const std::string_view name = text_.substr(begin, at_ - begin);
    const auto listed = [&](const auto& names) { return std::find(names.begin(), names.end(), name) != names.end(); };
    if (name == "dfrac" || name == "tfrac" || name == "cfrac") return add(TokenKind::command, "frac");
    if (name == "pi") return add(TokenKind::word, "π");
    if (name == "quad" || name == "qquad") return void(space_ = true);
    if (listed(kShapesOnly)) return;
    if (listed(kTextWrappers)) return void(wrapper_ = Brace::text);
    if (listed(kOtherWrappers)) return void(wrapper_ = Brace::dropped);
    for (const auto& [command, symbol] : kCommands)
      if (name == command) return add_symbol(symbol);
    add(TokenKind::command, std::string(name));
  }

  void escaped() {
    if (at_ == text_.size()) return add_symbol("\\");
    const char c = here();
    ++at_;
    if (c == '\\') add_symbol("\\\\");  // the next line
    else if (c == ',' || c == ';' || c == ':' || c == '>' || c == ' ') space_ = true;
    else if (c == '{' || c == '}') add_symbol(std::string("\\") + c);
    else if (c == '%' || c == '$' || c == '_' || c == '&' || c == '#') add_symbol(std::string(1, c));
    else if (c == '!' || c == '(' || c == ')' || c == '[' || c == ']') return;  // mathematics begins or ends
    else --at_, add_symbol("\\");
  }

  void open_brace() {
    if (here() == ',' && here(1) == '}') {  // 1{,}000
      at_ += 2;
      return add_symbol(",");
    }
    braces_.push_back(wrapper_);
    if (wrapper_ == Brace::text) ++texts_;
    if (wrapper_ == Brace::kept) return add_symbol("{");
    wrapper_ = Brace::kept;
  }
  void close_brace() {
    const Brace brace = braces_.empty() ? Brace::kept : braces_.back();
    if (!braces_.empty()) braces_.pop_back();
    if (brace == Brace::text) --texts_;
    if (brace == Brace::kept) add_symbol("}");
  }

  enum class Brace { kept, dropped, text };
  std::string_view text_;
  size_t at_ = 0;
  bool space_ = false;
  Brace wrapper_ = Brace::kept;  // what the next brace opens
  std::vector<Brace> braces_;
  int texts_ = 0;
  Tokens tokens_;
};

// $…$ around mathematics goes; the sign of money stays.
void drop_delimiters(std::vector<Token>& all) {
  const auto count = std::count_if(all.begin(), all.end(), [](const Token& t) { return t.is("$"); });
  if (count == 0 || count % 2 != 0) return;
  size_t last = all.size() - 1;
  while (last > 0 && all[last].is(".")) --last;
  const bool ends = all[last].is("$");
  std::vector<Token> kept;
  for (size_t i = 0; i < all.size(); ++i) {
    const bool money = !ends && i + 1 < all.size() && all[i + 1].kind == TokenKind::number && !all[i + 1].space_before;
    if (!all[i].is("$") || money) kept.push_back(std::move(all[i]));
    else if (all[i].space_before && i + 1 < all.size()) all[i + 1].space_before = true;
  }
  all = std::move(kept);
}

}  // namespace

Tokens tokens_of(std::string_view text) {
  Tokens tokens = Reader().read(text);
  drop_delimiters(tokens.all);
  return tokens;
}

}  // namespace minke
