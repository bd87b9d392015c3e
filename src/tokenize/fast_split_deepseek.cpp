// The pre-tokenizers of DeepSeek LLM (also V2) and of DeepSeek Coder: five and four splits in a row, each within the
// pieces of the one before. Where a piece ends can be told from its first character on: line breaks, letters with one
// white-space character before them, and signs with one, end everything; what lies between is a gap.
#include <vector>

#include "tokenize/fast_split.h"

namespace minke {
namespace {

using namespace unicode;

enum Kind : uint8_t { kWhite = 1, kBreak = 2, kWord = 4, kSign = 8, kEast = 16, kDigit = 32 };

// The letters of DeepSeek LLM, as its regex lists them: the cased ones of Unicode 11.
constexpr Range kCased[] = {
    {'A', 'Z'},         {'a', 'z'},         {0xB5, 0xB5},       {0xC0, 0xD6},       {0xD8, 0xF6},
    {0xF8, 0x1BA},      {0x1BC, 0x1BF},     {0x1C4, 0x293},     {0x295, 0x2AF},     {0x370, 0x373},
    {0x376, 0x377},     {0x37B, 0x37D},     {0x37F, 0x37F},     {0x386, 0x386},     {0x388, 0x38A},
    {0x38C, 0x38C},     {0x38E, 0x3A1},     {0x3A3, 0x3F5},     {0x3F7, 0x481},     {0x48A, 0x52F},
    {0x531, 0x556},     {0x10A0, 0x10C5},   {0x13A0, 0x13F5},   {0x13F8, 0x13FD},   {0x1C90, 0x1CBA},
    {0x1CBD, 0x1CBF},   {0x1D00, 0x1D2B},   {0x1D6B, 0x1D77},   {0x1D79, 0x1D9A},   {0x1E00, 0x1F15},
    {0x1F18, 0x1F1D},   {0x1F20, 0x1F45},   {0x1F48, 0x1F4D},   {0x1F50, 0x1F57},   {0x1F59, 0x1F59},
    {0x1F5B, 0x1F5B},   {0x1F5D, 0x1F5D},   {0x1F5F, 0x1F7D},   {0x1F80, 0x1FB4},   {0x1FB6, 0x1FBC},
    {0x1FBE, 0x1FBE},   {0x1FC2, 0x1FC4},   {0x1FC6, 0x1FCC},   {0x1FD0, 0x1FD3},   {0x1FD6, 0x1FDB},
    {0x1FE0, 0x1FEC},   {0x1FF2, 0x1FF4},   {0x1FF6, 0x1FFC},   {0x2102, 0x2102},   {0x2107, 0x2107},
    {0x210A, 0x2113},   {0x2115, 0x2115},   {0x2119, 0x211D},   {0x2124, 0x2124},   {0x2126, 0x2126},
    {0x2128, 0x2128},   {0x212A, 0x212D},   {0x212F, 0x2134},   {0x2139, 0x2139},   {0x213C, 0x213F},
    {0x2145, 0x2149},   {0x214E, 0x214E},   {0x2183, 0x2184},   {0x2C00, 0x2C7B},   {0x2C7E, 0x2CE4},
    {0x2CEB, 0x2CEE},   {0x2CF2, 0x2CF3},   {0xA640, 0xA66D},   {0xA680, 0xA69B},   {0xA722, 0xA76F},
    {0xA771, 0xA787},   {0xA78B, 0xA78E},   {0xAB70, 0xABBF},   {0xFB00, 0xFB06},   {0xFB13, 0xFB17},
    {0xFF21, 0xFF3A},   {0xFF41, 0xFF5A},   {0x10400, 0x1044F}, {0x104B0, 0x104D3}, {0x104D8, 0x104FB},
    {0x10C80, 0x10CB2}, {0x10CC0, 0x10CF2}, {0x118A0, 0x118DF}, {0x1E900, 0x1E943}};
// Its signs: the regex writes :-~ and ！-～ in parts, so that ASCII and full-width letters from A on are among them.
constexpr Range kSigns[] = {{'!', '/'},       {':', '~'},       {0xFF01, 0xFF0F},
                            {0xFF1A, 0xFF5E}, {0x2018, 0x201F}, {0x3000, 0x3002}};
// Both: 一-龥, ࠀ-一, 가-퟿.
constexpr Range kEastern[] = {{0x800, 0x9FA5}, {0xAC00, 0xD7FF}};

struct Rules {
  bool splits_trailing_white;  // \s+$
  uint8_t beyond_letter;       // the kind of letters from 0x20000 on
  std::vector<uint8_t> kinds = std::vector<uint8_t>(0x20000);

  explicit Rules(bool llm) : splits_trailing_white(llm), beyond_letter(llm ? 0 : kWord) {
    for (char32_t c = 0; c < kinds.size(); ++c) {
      const uint8_t bits = tables().class_of(c);
      if (bits & kNewline) kinds[c] = kBreak;
      else if (bits & kSpace) kinds[c] = kWhite;
      if (bits & kNumber) kinds[c] |= kDigit;
      if (!llm && bits & kLetter) kinds[c] |= kWord;
      if (!llm && bits & kPunctuation) kinds[c] |= kSign;
    }
    const auto mark = [&](const auto& ranges, Kind kind) {
      for (const Range& r : ranges)
        for (char32_t c = r.first; c <= r.last; ++c) kinds[c] |= kind;
    };
    if (llm) mark(kCased, kWord), mark(kSigns, kSign);
    mark(kEastern, kEast);
  }
};

struct Splitter {
  const Rules& rules;
  const Tables& tables;
  std::string_view text;

  struct Char {
    uint8_t kind;
    size_t end;
  };
  Char look(size_t at) const {
    if (at >= text.size()) return {kBreak, at};  // ends whatever a line break ends
    const uint8_t b = uint8_t(text[at]);
    if (b < 0x80) return {rules.kinds[b], at + 1};
    const CodePoint c = decode_at(text, at);
    const uint8_t beyond =
        c.value >= rules.kinds.size() && tables.class_of(c.value) & kLetter ? rules.beyond_letter : 0;
    return {c.value < rules.kinds.size() ? rules.kinds[c.value] : beyond, at + c.length};
  }
  // A sign that is white space too (U+3000) goes with the letter behind it.
  bool goes_with_letter(Char c) const { return c.kind & kWhite && look(c.end).kind & kWord; }
  bool begins_sign(Char c) const { return (c.kind & (kSign | kWord)) == kSign && !goes_with_letter(c); }

  // The end of the run from `at` whose characters belong to the unit and are like the first one: Eastern or not, no
  // digits.
  template <class Belongs> size_t run(size_t at, uint8_t first, Belongs belongs) const {
    for (;;) {
      const Char c = look(at);
      if (at >= text.size() || c.kind & kDigit || (c.kind ^ first) & kEast || !belongs(c)) return at;
      at = c.end;
    }
  }
  size_t white_end(size_t at) const {
    for (Char c; (c = look(at)).kind & kWhite && !(c.kind & kSign);) at = c.end;
    return at;
  }

  size_t letters(Char first, Char second) const {
    if (first.kind & kWhite && first.kind & kSign && !(second.kind & kSign)) return first.end;
    const uint8_t sign = (first.kind & kWhite ? second.kind : first.kind) & kSign;
    return run(first.end, first.kind, [&](Char c) { return c.kind & kWord && (c.kind & kSign) == sign; });
  }

  size_t signs(size_t at, Char first) const {
    size_t last_not_white = first.kind & kWhite ? at : first.end;
    const size_t end = run(first.end, first.kind, [&](Char c) {
      if (!begins_sign(c)) return false;
      if (!(c.kind & kWhite)) last_not_white = c.end;
      return true;
    });
    const bool trailing = rules.splits_trailing_white && last_not_white > at && !begins_sign(look(end));
    return trailing ? last_not_white : end;
  }

  size_t gap(size_t at, Char first) const {
    size_t from = first.end;
    if (first.kind & kWhite && rules.splits_trailing_white) {
      size_t last = at;  // where the last white-space character of this run begins
      for (Char c; (c = look(from)).kind & kWhite && !(c.kind & kSign); from = c.end) {
        if ((c.kind ^ first.kind) & kEast) return from;
        last = from;
      }
      const Char next = look(from);
      if (next.kind & kBreak || (next.kind & kSign && goes_with_letter(next))) return from;
      if (next.kind & (kWord | kSign)) return last;  // > at, or this were no gap
    }
    // White space within belongs to it, unless it leads to the end of the gap.
    size_t passed = from;
    return run(from, first.kind, [&](Char c) {
      if (c.kind & (kBreak | kWord | kSign)) return false;
      if (!(c.kind & kWhite) || c.end <= passed) return true;
      passed = rules.splits_trailing_white ? white_end(c.end) : c.end;
      const Char next = look(passed);
      if (rules.splits_trailing_white) return !(next.kind & (kBreak | kWord | kSign));
      return !(next.kind & kWord || begins_sign(next));
    });
  }

  size_t next(size_t at) const {
    const Char first = look(at), second = look(first.end);
    if (first.kind & (kBreak | kDigit)) return first.end;
    if (first.kind & kWord || (first.kind & kWhite && second.kind & kWord)) return letters(first, second);
    if (first.kind & kSign || (first.kind & kWhite && begins_sign(second))) return signs(at, first);
    return gap(at, first);
  }
};

}  // namespace

size_t next_deepseek_llm(const Tables& tables, std::string_view text, size_t at) {
  static const Rules rules(true);
  return Splitter{rules, tables, text}.next(at);
}
size_t next_deepseek_coder(const Tables& tables, std::string_view text, size_t at) {
  static const Rules rules(false);
  return Splitter{rules, tables, text}.next(at);
}

}  // namespace minke
