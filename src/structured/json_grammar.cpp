#include "structured/json_grammar.h"

#include <algorithm>
#include <map>
#include <string>

namespace minke {
namespace {

constexpr std::string_view kDigits = "0123456789", kHex = "0123456789abcdefABCDEF";
constexpr int64_t kMostDigits = 16, kMostBlanks = 20;

ByteSet between(int first, int last) {
  ByteSet set;
  for (int b = first; b <= last; ++b) set.set(size_t(b));
  return set;
}

}  // namespace

void JsonGrammar::set_root(int32_t rule) {
  grammar.add_alternative(root_, sequence({one(repeated(byte(" \n"), 0, 4)), one(rule)}));
}

// A state for each beginning of the word that the text may end with (Knuth, Morris and Pratt 1977).
int32_t JsonGrammar::text_until(std::string_view word, const Sequence& after) {
  std::vector<int32_t> states;
  for (size_t i = 0; i < word.size(); ++i) states.push_back(any_of({{}}));
  for (size_t i = 0; i < word.size(); ++i) {
    std::map<size_t, ByteSet> to;
    for (int byte = 0; byte < 256; ++byte) {
      std::string text = std::string(word.substr(0, i)) + char(byte);
      size_t n = std::min(text.size(), word.size());
      while (!text.ends_with(word.substr(0, n))) --n;
      to[n].set(size_t(byte));
    }
    for (const auto& [n, bytes] : to)
      grammar.add_alternative(states[i], n == word.size() ? sequence({{grammar.one_of(bytes)}, after})
                                                          : sequence({{grammar.one_of(bytes)}, one(states[n])}));
  }
  return states[0];
}

int32_t JsonGrammar::any_of(std::vector<Sequence> alternatives) {
  const int32_t rule = grammar.new_rule();
  for (Sequence& s : alternatives) grammar.add_alternative(rule, std::move(s));
  return rule;
}

JsonGrammar::Sequence JsonGrammar::sequence(std::initializer_list<Sequence> parts) const {
  Sequence all;
  for (const Sequence& s : parts) all.insert(all.end(), s.begin(), s.end());
  return all;
}

JsonGrammar::Sequence JsonGrammar::byte(std::string_view any_of_these) {
  ByteSet set;
  for (const char c : any_of_these) set.set(uint8_t(c));
  return {grammar.one_of(set)};
}

int32_t JsonGrammar::repeated(const Sequence& what, int64_t least, std::optional<int64_t> most,
                              const Sequence& between) {
  // more: what may follow one that is there already, from the last to the first.
  int32_t more = any_of({{}});
  if (!most) {
    grammar.add_alternative(more, sequence({between, what, one(more)}));
  } else {
    for (int64_t i = std::max<int64_t>(least, 1); i < *most; ++i) {
      const int32_t one_more = any_of({{}});
      grammar.add_alternative(one_more, sequence({between, what, one(more)}));
      more = one_more;
    }
  }
  Sequence all;
  for (int64_t i = 0; i < std::max<int64_t>(least, 1); ++i) {
    if (i > 0) all.insert(all.end(), between.begin(), between.end());
    all.insert(all.end(), what.begin(), what.end());
  }
  all.push_back(Grammar::rule(more));
  std::vector<Sequence> alternatives;
  if (!most || *most > 0) alternatives.push_back(std::move(all));
  if (least == 0) alternatives.push_back({});
  return any_of(std::move(alternatives));
}

int32_t JsonGrammar::blank() {
  if (blank_ < 0) {
    const int32_t indent = repeated(byte(" \t"), 0, kMostBlanks);
    blank_ = any_of({{}, byte(" "), sequence({byte("\n"), one(indent)})});
  }
  return blank_;
}

int32_t JsonGrammar::character() {
  if (character_ >= 0) return character_;
  const auto in = [&](int first, int last) { return Sequence{grammar.one_of(between(first, last))}; };
  const Sequence tail = in(0x80, 0xBF), hex = byte(kHex), hex_but_d = byte("0123456789abcefABCEF");
  ByteSet plain = between(0x20, 0x7F);
  plain.reset('"'), plain.reset('\\');
  const Sequence low = sequence({grammar.literal("\\u"), byte("dD"), byte("cdefCDEF"), hex, hex});
  character_ = any_of({
      {grammar.one_of(plain)},
      sequence({in(0xC2, 0xDF), tail}),
      sequence({in(0xE0, 0xE0), in(0xA0, 0xBF), tail}),
      sequence({in(0xE1, 0xEC), tail, tail}),
      sequence({in(0xED, 0xED), in(0x80, 0x9F), tail}),
      sequence({in(0xEE, 0xEF), tail, tail}),
      sequence({in(0xF0, 0xF0), in(0x90, 0xBF), tail, tail}),
      sequence({in(0xF1, 0xF3), tail, tail, tail}),
      sequence({in(0xF4, 0xF4), in(0x80, 0x8F), tail, tail}),
      sequence({byte("\\"), byte("\"\\/bfnrt")}),
      sequence({grammar.literal("\\u"), hex_but_d, hex, hex, hex}),
      sequence({grammar.literal("\\u"), byte("dD"), byte("01234567"), hex, hex}),
      sequence({grammar.literal("\\u"), byte("dD"), byte("89abAB"), hex, hex, low}),
  });
  return character_;
}

int32_t JsonGrammar::string(int64_t least, std::optional<int64_t> most) {
  return any_of({sequence({byte("\""), one(repeated(one(character()), least, most)), byte("\"")})});
}

int32_t JsonGrammar::string() { return string_ >= 0 ? string_ : string_ = string(0, {}); }

int32_t JsonGrammar::integer() {
  if (integer_ < 0) {
    const int32_t natural =
        any_of({byte("0"), sequence({byte("123456789"), one(repeated(byte(kDigits), 0, kMostDigits - 1))})});
    integer_ = any_of({one(natural), sequence({byte("-"), one(natural)})});
  }
  return integer_;
}

int32_t JsonGrammar::number() {
  if (number_ < 0) {
    const int32_t digits = repeated(byte(kDigits), 1, kMostDigits);
    const int32_t fraction = any_of({{}, sequence({byte("."), one(digits)})});
    const int32_t sign = any_of({{}, byte("+-")});
    const int32_t exponent = any_of({{}, sequence({byte("eE"), one(sign), one(repeated(byte(kDigits), 1, 2))})});
    number_ = any_of({sequence({one(integer()), one(fraction), one(exponent)})});
  }
  return number_;
}

int32_t JsonGrammar::boolean() {
  return boolean_ >= 0 ? boolean_ : boolean_ = any_of({grammar.literal("true"), grammar.literal("false")});
}
int32_t JsonGrammar::null() { return null_ >= 0 ? null_ : null_ = any_of({grammar.literal("null")}); }

JsonGrammar::Sequence JsonGrammar::comma() { return sequence({byte(","), one(blank())}); }

int32_t JsonGrammar::array_of(const Sequence& item, int64_t least, std::optional<int64_t> most) {
  const int32_t items = repeated(item, std::max<int64_t>(least, 1), most, comma());
  const int32_t array = any_of({sequence({byte("["), one(blank()), one(items), one(blank()), byte("]")})});
  if (most && *most == 0) return any_of({grammar.literal("[]")});
  if (least == 0) grammar.add_alternative(array, grammar.literal("[]"));
  return array;
}

int32_t JsonGrammar::object_of(const Sequence& value) {
  const int32_t members = repeated(sequence({one(string()), byte(":"), one(blank()), value}), 1, {}, comma());
  return any_of({sequence({byte("{"), one(blank()), one(members), one(blank()), byte("}")}), grammar.literal("{}")});
}

int32_t JsonGrammar::value() {
  if (value_ >= 0) return value_;
  value_ = grammar.new_rule();  // before its parts, which contain it
  for (const int32_t part : {string(), number(), boolean(), null(), object(), array()})
    grammar.add_alternative(value_, one(part));
  return value_;
}
int32_t JsonGrammar::object() { return object_ >= 0 ? object_ : object_ = object_of(one(value())); }
int32_t JsonGrammar::array() { return array_ >= 0 ? array_ : array_ = array_of(one(value()), 0, {}); }

JsonGrammar::Sequence JsonGrammar::digits(int64_t count) {
  Sequence all;
  for (int64_t i = 0; i < count; ++i) all = sequence({all, byte(kDigits)});
  return all;
}

// The numbers from `from` to `to`, of as many digits, behind what they have in common.
void JsonGrammar::integers_of_one_length(std::string_view from, std::string_view to, Sequence before,
                                         std::vector<Sequence>& alternatives) {
  const auto all = [](std::string_view text, char c) { return text.find_first_not_of(c) == text.npos; };
  if (from.empty() || (all(from, '0') && all(to, '9'))) {
    alternatives.push_back(sequence({before, digits(int64_t(from.size()))}));
    return;
  }
  const auto some = [&](char first, char last) {
    return sequence({before, {grammar.one_of(between(uint8_t(first), uint8_t(last)))}});
  };
  char first = from[0], last = to[0];
  const std::string_view low = from.substr(1), high = to.substr(1);
  if (first == last) return integers_of_one_length(low, high, some(first, first), alternatives);
  const std::string zeros(low.size(), '0'), nines(low.size(), '9');
  if (low != zeros) integers_of_one_length(low, nines, some(first, first), alternatives), ++first;
  const bool part_of_last = high != nines;
  if (part_of_last) --last;
  if (first <= last) alternatives.push_back(sequence({some(first, last), digits(int64_t(low.size()))}));
  if (part_of_last) integers_of_one_length(zeros, high, some(to[0], to[0]), alternatives);
}

std::vector<JsonGrammar::Sequence> JsonGrammar::naturals(uint64_t from, uint64_t to) {
  std::vector<Sequence> alternatives;
  const std::string low = std::to_string(from), high = std::to_string(to);
  for (size_t length = low.size(); length <= high.size(); ++length) {
    std::string least(length, '0');
    least[0] = '1';
    integers_of_one_length(length == low.size() ? low : least, length == high.size() ? high : std::string(length, '9'),
                           {}, alternatives);
  }
  return alternatives;
}

int32_t JsonGrammar::integer(std::optional<int64_t> least, std::optional<int64_t> most) {
  if (!least && !most) return integer();
  constexpr int64_t kMost = 9'999'999'999'999'999;  // kMostDigits
  const int64_t from = std::max(least.value_or(-kMost), -kMost), to = std::min(most.value_or(kMost), kMost);
  const int32_t rule = grammar.new_rule();
  if (from > to) return rule;
  if (to >= 0)
    for (Sequence& s : naturals(uint64_t(std::max<int64_t>(from, 0)), uint64_t(to)))
      grammar.add_alternative(rule, std::move(s));
  if (from < 0)
    for (Sequence& s : naturals(uint64_t(std::max<int64_t>(-to, 1)), uint64_t(-from)))
      grammar.add_alternative(rule, sequence({byte("-"), s}));
  return rule;
}

std::optional<int32_t> JsonGrammar::formatted_string(std::string_view format) {
  const auto numbers = [&](int64_t from, int64_t to) {  // of two digits
    std::vector<Sequence> alternatives;
    const auto two = [](int64_t x) { return std::string(x < 10 ? "0" : "") + std::to_string(x); };
    integers_of_one_length(two(from), two(to), {}, alternatives);
    return one(any_of(std::move(alternatives)));
  };
  // Every month has 28 days; the 29th to 31st where every year has them.
  const auto date = [&] {
    const auto months = [&](std::initializer_list<const char*> names, int64_t days) {
      std::vector<Sequence> month;
      for (const char* name : names) month.push_back(grammar.literal(name));
      return sequence({one(any_of(std::move(month))), byte("-"), numbers(1, days)});
    };
    return sequence({digits(4), byte("-"),
                     one(any_of({months({"01", "03", "05", "07", "08", "10", "12"}, 31),
                                 months({"04", "06", "09", "11"}, 30), months({"02"}, 28)}))});
  };
  const auto time = [&] {
    const Sequence hours = numbers(0, 23), minutes = numbers(0, 59);
    const int32_t fraction = any_of({{}, sequence({byte("."), one(repeated(byte(kDigits), 1, 9))})});
    const int32_t zone = any_of({byte("Z"), sequence({byte("+-"), hours, byte(":"), minutes})});
    return sequence({hours, byte(":"), minutes, byte(":"), minutes, one(fraction), one(zone)});
  };
  Sequence text;
  if (format == "date") {
    text = date();
  } else if (format == "time") {
    text = time();
  } else if (format == "date-time") {
    text = sequence({date(), byte("T"), time()});
  } else if (format == "uuid") {
    for (const int64_t length : {8, 4, 4, 4, 12}) {
      if (!text.empty()) text = sequence({text, byte("-")});
      for (int64_t i = 0; i < length; ++i) text = sequence({text, byte(kHex)});
    }
  } else {
    return {};
  }
  return any_of({sequence({byte("\""), text, byte("\"")})});
}

}  // namespace minke
