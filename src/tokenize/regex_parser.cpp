#include "tokenize/regex_parser.h"

#include <fmt/format.h>

#include <optional>
#include <string>

#include "core/error.h"

namespace minke {
namespace {

using Kind = RegexNode::Kind;
using Anchor = RegexNode::Anchor;

struct Options {
  bool ignore_case = false, dot_is_any = false, extended = false;
};

RegexNode node_of(CharSet set) { return {.kind = Kind::set, .set = std::move(set), .children = {}}; }
RegexNode node_of(Anchor anchor) { return {.kind = Kind::anchor, .set = {}, .children = {}, .anchor = anchor}; }
RegexNode node_of(Kind kind, RegexNode child) {
  RegexNode node{.kind = kind, .set = {}, .children = {}};
  node.children.push_back(std::move(child));
  return node;
}
RegexNode repeat(RegexNode child, int min, int max, bool greedy) {
  RegexNode node = node_of(Kind::repeat, std::move(child));
  node.min = min, node.max = max, node.greedy = greedy;
  return node;
}

bool may_be_empty(const RegexNode& node) {
  switch (node.kind) {
    case Kind::set: return false;
    case Kind::look:
    case Kind::anchor: return true;
    case Kind::repeat: return node.min == 0 || may_be_empty(node.children[0]);
    case Kind::sequence:
    case Kind::atomic:
      for (const RegexNode& child : node.children)
        if (!may_be_empty(child)) return false;
      return true;
    case Kind::alternation:
      for (const RegexNode& child : node.children)
        if (may_be_empty(child)) return true;
      return false;
  }
  return true;
}

class Parser {
 public:
  Parser(std::string_view pattern, std::string_view where) : in_(pattern), where_(where) {}

  RegexNode parse() {
    RegexNode all = alternation({}, 0);
    if (at_ < in_.size()) fail("\")\" without a \"(\"");
    return all;
  }

 private:
  static constexpr int kMaxDepth = 100, kMaxCount = 1000, kMaxClasses = 1000;
  static constexpr const char* kSeveral = "with (?i) a letter that equals two others, as ß equals ss,";

  [[noreturn]] void fail(std::string_view what) const {
    user_error("{}: in the regex \"{}\" at byte {}: {}", where_, printable(in_), at_, what);
  }
  [[noreturn]] void not_supported(std::string_view what) const { fail(fmt::format("{} is not supported", what)); }

  bool more() const { return at_ < in_.size(); }
  char peek(size_t ahead = 0) const { return at_ + ahead < in_.size() ? in_[at_ + ahead] : '\0'; }
  bool accept(std::string_view text) {
    if (!in_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }
  char32_t character() {
    const unicode::CodePoint c = unicode::decode_at(in_, at_);
    at_ += c.length;
    return c.value;
  }

  RegexNode alternation(Options options, int depth) {
    if (depth > kMaxDepth) fail(fmt::format("more than {} groups within each other", kMaxDepth));
    RegexNode all{.kind = Kind::alternation, .set = {}, .children = {}};
    do {
      all.children.push_back(sequence(options, depth));
    } while (accept("|"));
    if (all.children.size() > 1) return all;
    RegexNode only = std::move(all.children[0]);
    return only;
  }

  void skip_comments(const Options& options) {
    for (;;) {
      if (accept("(?#")) {
        const size_t close = in_.find(')', at_);
        if (close == in_.npos) fail("a comment without end");
        at_ = close + 1;
      } else if (options.extended && more() && std::string_view(" \t\n\r\f\v").find(peek()) != std::string_view::npos) {
        ++at_;
      } else if (options.extended && peek() == '#') {
        at_ = std::min(in_.find('\n', at_), in_.size());
      } else {
        return;
      }
    }
  }

  RegexNode sequence(Options& options, int depth) {
    RegexNode all{.kind = Kind::sequence, .set = {}, .children = {}};
    for (;;) {
      skip_comments(options);
      if (!more() || peek() == '|' || peek() == ')') return all;
      if (std::optional<Options> changed = isolated_options(options)) {
        // From here to the end of the group, alternatives included.
        all.children.push_back(alternation(*changed, depth + 1));
        return all;
      }
      previous_literal_ = std::exchange(literal_, {});
      RegexNode item = atom(options, depth);
      check_folding(options);
      skip_comments(options);
      all.children.push_back(quantified(std::move(item)));
    }
  }

  // Two characters in a row that together are the folded form of one: then ß is ss, which sets cannot say.
  void check_folding(const Options& options) const {
    if (options.ignore_case && previous_literal_ && literal_ && is_several_folded(*previous_literal_, *literal_))
      not_supported(kSeveral);
  }

  // "(?i)" without a colon; `(?i:…)` is a group.
  std::optional<Options> isolated_options(const Options& options) {
    const size_t begin = at_;
    if (!accept("(?")) return {};
    Options changed = options;
    if (read_options(changed) && accept(")")) return changed;
    at_ = begin;
    return {};
  }
  bool read_options(Options& options) {
    bool on = true, any = false;
    for (;; ++at_, any = true) {
      switch (peek()) {
        case '-': on = false; break;
        case 'i': options.ignore_case = on; break;
        case 'm': options.dot_is_any = on; break;
        case 'x': options.extended = on; break;
        default: return any;
      }
    }
  }

  RegexNode quantified(RegexNode item) {
    for (bool first = true;; first = false) {
      int min = 0, max = RegexNode::kNoLimit;
      const bool braces = peek() == '{';
      if (accept("*")) {
      } else if (accept("+")) {
        min = 1;
      } else if (accept("?")) {
        max = 1;
      } else if (!interval(min, max)) {
        return item;
      }
      if (item.kind == Kind::anchor || item.kind == Kind::look) not_supported("repeating an anchor or a look-around");
      if (!first && !braces) not_supported("a repetition of a repetition without a group between them");
      literal_.reset();
      const bool fixed = braces && min == max;  // {2}? is an optional {2}, as {1,2}+ is a repeated {1,2}
      const bool lazy = !fixed && accept("?");
      const bool possessive = !lazy && !braces && accept("+");
      if (max == RegexNode::kNoLimit && may_be_empty(item)) not_supported("repeating without limit what may be empty");
      item = repeat(std::move(item), min, max, !lazy);
      if (possessive) item = node_of(Kind::atomic, std::move(item));
      if (braces && accept("+")) {
        if (may_be_empty(item)) not_supported("repeating without limit what may be empty");
        item = repeat(std::move(item), 1, RegexNode::kNoLimit, true);
        if (peek() == '?' || peek() == '+') not_supported("a repetition of a repetition without a group between them");
      } else if (fixed && accept("?")) {
        item = repeat(std::move(item), 0, 1, true);
      }
    }
  }

  // {n} {n,} {n,m} {,m}; anything else in braces is text.
  bool interval(int& min, int& max) {
    const size_t begin = at_;
    const auto number = [&]() -> std::optional<int> {
      if (peek() < '0' || peek() > '9') return {};
      int value = 0;
      for (; peek() >= '0' && peek() <= '9'; ++at_) {
        value = value * 10 + (peek() - '0');
        if (value > kMaxCount) fail(fmt::format("more than {} repetitions", kMaxCount));
      }
      return value;
    };
    if (!accept("{")) return false;
    const std::optional<int> low = number();
    std::optional<int> high = low;
    const bool comma = accept(",");
    if (comma) high = number();
    if ((!low && !high) || !accept("}")) {
      at_ = begin;
      return false;
    }
    min = low.value_or(0);
    max = high.value_or(RegexNode::kNoLimit);
    if (high && *high < min) not_supported("a repetition whose bounds are in the wrong order");
    return true;
  }

  RegexNode literal(char32_t c, const Options& options) {
    literal_ = c;
    if (!options.ignore_case) return node_of(CharSet::of(c));
    if (folds_to_several(CharSet::of(c))) not_supported(kSeveral);
    return node_of(fold_case(CharSet::of(c)));
  }

  RegexNode atom(Options options, int depth) {
    const char c = peek();
    if (c == '(') return group(options, depth);
    if (c == '[') return node_of(char_class(options, 0));
    if (c == '\\') return escape(options);
    if (c == '*' || c == '+' || c == '?') fail(fmt::format("\"{}\" with nothing before it to repeat", c));
    if (int min, max; c == '{' && interval(min, max)) fail("a repetition with nothing before it");
    if (accept(".")) return node_of(options.dot_is_any ? ~CharSet() : ~CharSet::of('\n'));
    if (accept("^")) return node_of(Anchor::line_begin);
    if (accept("$")) return node_of(Anchor::line_end);
    return literal(character(), options);
  }

  RegexNode group(Options options, int depth) {
    accept("(");
    if (peek() == '*') not_supported("a callout (*…)");
    const auto body = [&](Options inner) {
      RegexNode node = alternation(inner, depth + 1);
      if (!accept(")")) fail("a \"(\" without its \")\"");
      literal_.reset();
      return node;
    };
    const auto look = [&](bool ahead, bool negated) {
      RegexNode node = node_of(Kind::look, body(options));
      node.ahead = ahead, node.negated = negated;
      return node;
    };
    if (!accept("?")) return body(options);
    if (accept(":")) return body(options);
    if (accept("=")) return look(true, false);
    if (accept("!")) return look(true, true);
    if (accept("<=")) return look(false, false);
    if (accept("<!")) return look(false, true);
    if (accept(">")) return node_of(Kind::atomic, body(options));
    if (peek() == '<' || peek() == '\'') {  // a name, which nothing here can refer to
      const char close = peek() == '<' ? '>' : '\'';
      const size_t end = in_.find(close, at_ + 1);
      if (end == in_.npos || end == at_ + 1) fail("a group's name without end");
      at_ = end + 1;
      return body(options);
    }
    if (peek() == '~') not_supported("the absent operator (?~…)");
    if (peek() == '(') not_supported("a condition (?(…)…)");
    if (peek() == '{') not_supported("a callout (?{…})");
    if (!read_options(options) || !accept(":"))
      not_supported(
          fmt::format("the group (?{}", printable(in_.substr(at_, more() ? unicode::decode_at(in_, at_).length : 0))));
    return body(options);
  }

  // The digits of \x{…}, \o{…}, \u0041 and their like.
  char32_t number(int base, size_t most, bool at_least_one = true) {
    uint64_t value = 0;
    size_t digits = 0;
    for (; digits < most && more(); ++digits, ++at_) {
      const char c = peek();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : 99;
      if (digit >= base) break;
      value = value * uint64_t(base) + uint64_t(digit);
      if (value > 0x10FFFF) fail("a code point beyond U+10FFFF");
    }
    if (digits == 0 && at_least_one) fail("an escape without its digits");
    if (value >= 0xD800 && value < 0xE000) fail("a surrogate, which is no character");
    return char32_t(value);
  }
  char32_t in_braces(int base) {
    const char32_t value = number(base, 12);
    if (!accept("}")) not_supported("an escape of several code points, or one without its \"}\",");
    return value;
  }

  // A backslash and what stands for one character; nothing if it stands for something else.
  std::optional<char32_t> escaped_character(bool in_class) {
    const size_t begin = at_;
    accept("\\");
    if (!more()) fail("a \"\\\" at the end");
    if (uint8_t(peek()) >= 0x80) return character();
    const char c = in_[at_++];
    switch (c) {
      case 't': return '\t';
      case 'n': return '\n';
      case 'r': return '\r';
      case 'v': return '\v';
      case 'f': return '\f';
      case 'a': return '\a';
      case 'e': return 0x1B;
      case 'b':
        if (in_class) return '\b';
        break;
      case 'x': {
        if (accept("{")) return in_braces(16);
        const char32_t value = number(16, 2, false);
        if (value >= 0x80) not_supported("a byte \\x80 to \\xff (write \\x{…} for the character)");
        return value;
      }
      case 'u': {
        const size_t digits = at_;
        const char32_t value = number(16, 4);
        if (at_ != digits + 4) fail("\\u without its four digits");
        return value;
      }
      case 'o':
        if (accept("{")) return in_braces(8);
        break;
      case '0': return number(8, 2, false);
      default:
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))) return char32_t(c);
    }
    at_ = begin;
    return {};
  }

  // \d \w \s \h \p{…} and their opposites; nothing if it is something else.
  std::optional<CharSet> escaped_set() {
    const char c = peek(1);
    if (c == 'p' || c == 'P') {
      if (peek(2) != '{') not_supported(fmt::format("\\{} without braces", c));
      const size_t close = in_.find('}', at_);
      if (close == in_.npos) fail("a property without its \"}\"");
      std::string_view name = in_.substr(at_ + 3, close - at_ - 3);
      bool negated = c == 'P';
      if (name.starts_with('^')) negated = !negated, name.remove_prefix(1);
      const std::optional<CharSet> set = named_set(name);
      if (!set) not_supported(fmt::format("the property \"{}\"", printable(name)));
      at_ = close + 1;
      return negated ? ~*set : *set;
    }
    const char* name = nullptr;
    switch (c | 0x20) {
      case 'd': name = "digit"; break;
      case 'w': name = "word"; break;
      case 's': name = "space"; break;
      case 'h': name = "xdigit"; break;
      default: return {};
    }
    at_ += 2;
    return (c & 0x20) ? *posix_set(name) : ~*posix_set(name);
  }

  RegexNode escape(const Options& options) {
    if (accept("\\w")) return node_of(word_characters());
    if (accept("\\W")) return node_of(~word_characters());
    if (std::optional<CharSet> set = escaped_set()) return node_of(std::move(*set));
    if (std::optional<char32_t> c = escaped_character(false)) return literal(*c, options);
    const char c = peek(1);
    at_ += 2;
    switch (c) {
      case 'A': return node_of(Anchor::text_begin);
      case 'z': return node_of(Anchor::text_end);
      case 'Z': return node_of(Anchor::last_line_end);
      case 'b': return node_of(Anchor::word_edge);
      case 'B': return node_of(Anchor::no_word_edge);
      case 'N': return node_of(~CharSet::of('\n'));
      case 'O': return node_of(~CharSet());
      case 'R': {  // (?>\r\n|…)
        RegexNode pair{.kind = Kind::sequence, .set = {}, .children = {}};
        pair.children.push_back(node_of(CharSet::of('\r')));
        pair.children.push_back(node_of(CharSet::of('\n')));
        RegexNode either{.kind = Kind::alternation, .set = {}, .children = {}};
        either.children.push_back(std::move(pair));
        either.children.push_back(node_of(CharSet({{'\n', '\r'}, {0x85, 0x85}, {0x2028, 0x2029}})));
        return node_of(Kind::atomic, std::move(either));
      }
      default: break;
    }
    at_ -= 2;
    if (c >= '1' && c <= '9') not_supported(fmt::format("a reference \\{} to a group", c));
    not_supported(fmt::format("\\{}", c));
  }

  CharSet char_class(const Options& options, int depth) {
    if (depth > 16) fail("more than 16 classes within each other");
    if (++num_classes_ > kMaxClasses) fail(fmt::format("more than {} classes", kMaxClasses));
    accept("[");
    const bool negated = accept("^");
    CharSet all = class_operand(options, depth, true);
    while (accept("&&")) {
      if (peek() == '^') not_supported("\"^\" after && without brackets");
      all = all & class_operand(options, depth, false);
    }
    if (!accept("]")) fail("a \"[\" without its \"]\"");
    literal_.reset();
    if (options.ignore_case) {
      all = fold_case(all);
      if (!negated && folds_to_several(all)) not_supported(kSeveral);
    }
    return negated ? ~all : all;
  }

  // Up to "&&" or "]".
  CharSet class_operand(const Options& options, int depth, bool first) {
    CharSet all;
    bool is_empty = true;
    bool has_low = false, after_set = false;
    char32_t low = 0;  // could begin a range
    for (;; is_empty = false) {
      if (!more()) fail("a \"[\" without its \"]\"");
      if (in_.substr(at_).starts_with("&&") || (peek() == ']' && !(is_empty && first))) break;
      if (peek() == '[' && peek(1) == ':') {
        all = all | posix_bracket();
        has_low = false, after_set = true;
        continue;
      }
      if (peek() == '[') {
        if (options.ignore_case) not_supported("with (?i) a class within a class");
        all = all | char_class(options, depth + 1);
        has_low = false, after_set = true;
        continue;
      }
      if (peek() == '-' && !is_empty && peek(1) != ']') {
        if (!has_low) {
          if (!after_set)
            not_supported(
                "a \"-\" within a class that is neither first, nor last, nor between two characters (write \\-)");
          not_supported("a range that begins with a class (write \\- for a \"-\")");
        }
        ++at_;
        if (peek() == '[' || in_.substr(at_).starts_with("&&"))
          not_supported("a range that ends with a class (write \\- for a \"-\")");
        const char32_t high = class_character();
        if (high < low) fail("a range that ends before it begins");
        all = all | CharSet({{low, high}});
        has_low = after_set = false;
        continue;
      }
      if (peek() == '\\')
        if (std::optional<CharSet> set = escaped_set()) {
          all = all | *set;
          has_low = false, after_set = true;
          continue;
        }
      low = class_character();
      has_low = true, after_set = false;
      all = all | CharSet::of(low);
    }
    if (is_empty) not_supported("an empty class");
    return all;
  }

  char32_t class_character() {
    if (peek() != '\\') return character();
    if (std::optional<char32_t> c = escaped_character(true)) return *c;
    not_supported(fmt::format("\\{} in a class here", peek(1)));
  }

  CharSet posix_bracket() {
    const size_t close = in_.find(":]", at_);
    const std::string_view name = close == in_.npos ? "" : in_.substr(at_ + 2, close - at_ - 2);
    const bool negated = name.starts_with('^');
    const std::optional<CharSet> set = posix_set(negated ? name.substr(1) : name);
    if (!set) not_supported(fmt::format("the bracket \"[:{}\"", printable(name.substr(0, 40))));
    at_ = close + 2;
    return negated ? ~*set : *set;
  }

  std::string_view in_, where_;
  size_t at_ = 0;
  int num_classes_ = 0;
  std::optional<char32_t> literal_, previous_literal_;  // the characters just read, if they were plain ones
};

}  // namespace

RegexNode parse_regex(std::string_view pattern, std::string_view where) { return Parser(pattern, where).parse(); }

const CharSet& word_characters() {
  static const CharSet set = *posix_set("word") | CharSet({{0xB2, 0xB3}, {0xB9, 0xB9}, {0xBC, 0xBE}});
  return set;
}

}  // namespace minke
