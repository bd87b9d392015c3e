#include "tokenize/fast_split.h"

namespace minke {
namespace {

using namespace unicode;

struct Reader {
  const Tables& tables;
  std::string_view text;

  bool ends(size_t at) const { return at >= text.size(); }
  // Class bits of the code point at `at` < size, and its length.
  uint8_t look(size_t at, size_t& length) const {
    const uint8_t b = uint8_t(text[at]);
    if (b < 0x80) {
      length = 1;
      return tables.classes[b];  // block 0 comes first
    }
    const CodePoint c = decode_at(text, at);
    length = c.length;
    return tables.class_of(c.value);
  }
  // The end of the run of code points that have one of the `wanted` bits and whose `fence` bits equal `kind`.
  size_t run(size_t at, uint8_t wanted, uint8_t fence = 0, uint8_t kind = 0) const {
    for (size_t length; !ends(at); at += length) {
      const uint8_t bits = look(at, length);
      if (!(bits & wanted) || (bits & fence) != kind) break;
    }
    return at;
  }
  size_t run_without(size_t at, uint8_t unwanted) const {
    for (size_t length; !ends(at); at += length)
      if (look(at, length) & unwanted) break;
    return at;
  }
  size_t newlines(size_t at) const {
    while (!ends(at) && (text[at] == '\n' || text[at] == '\r')) ++at;
    return at;
  }
  size_t numbers(size_t at, size_t most) const {
    for (size_t length; most > 0 && !ends(at) && (look(at, length) & kNumber); --most) at += length;
    return at;
  }
  // Whitespace from `at` on: (\s*[\r\n]+ |)? \s+(?!\S) | \s+ . `fence`: bits of a code point that ends the text as far
  // as the look-ahead is concerned, because an earlier split cuts there.
  size_t whitespace(size_t at, bool newline_alternative, uint8_t fence = 0) const {
    size_t last = at, after_newline = 0, end = at;
    bool text_ends = true;
    for (size_t length; !ends(end);) {
      const uint8_t bits = look(end, length);
      if (!(bits & kSpace) || (bits & fence)) {
        text_ends = bits & fence;
        break;
      }
      last = end;
      end += length;
      if (bits & kNewline) after_newline = end;
    }
    if (newline_alternative && after_newline) return after_newline;
    return text_ends || last == at ? end : last;  // before a word, its last space is left to it
  }
};

bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// The third regex of DeepSeek-V3 at `at`, within a piece whose code points have (bits & fence) == kind; 0: no match.
//   [ASCII punctuation][A-Za-z]+ | [^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+ | ?[\p{P}\p{S}]+[\r\n]* | \s*[\r\n]+ |
//   \s+(?!\S) | \s+
size_t match_deepseek_v3(const Reader& r, size_t at, uint8_t bits, size_t length, uint8_t fence, uint8_t kind) {
  constexpr uint8_t kWord = kLetter | kMark, kSign = kPunctuation | kSymbol;
  const auto in_piece = [&](size_t i, uint8_t wanted) {
    size_t ignored;
    if (r.ends(i)) return false;
    const uint8_t b = r.look(i, ignored);
    return (b & wanted) && (b & fence) == kind;
  };
  if (bits & kLetter) return r.run(at + length, kWord, fence, kind);
  if (bits & kSign) {
    if (length == 1 && uint8_t(r.text[at]) < 0x80 && at + 1 < r.text.size() && is_ascii_letter(r.text[at + 1])) {
      at += 2;
      while (!r.ends(at) && is_ascii_letter(r.text[at])) ++at;
      return at;
    }
    const size_t end = r.run(at + length, kSign, fence, kind);
    return kind ? end : r.newlines(end);
  }
  if (!(bits & kNewline)) {
    if (in_piece(at + length, kWord)) return r.run(at + length, kWord, fence, kind);
    if (bits & kMark) return at + length;
    if (r.text[at] == ' ' && in_piece(at + 1, kSign)) return r.newlines(r.run(at + 1, kSign, fence, kind));
  }
  return bits & kSpace ? r.whitespace(at, true, fence) : 0;
}

// 's 't 're 've 'm 'll 'd after the apostrophe at `at`; `any_case` as (?i:…), where ſ (U+017F) folds to s. 0: none.
size_t contraction(std::string_view text, size_t at, bool any_case) {
  if (at + 1 >= text.size()) return 0;
  const auto letter = [&](size_t i) {
    const char c = i < text.size() ? text[i] : 0;
    return any_case && c >= 'A' && c <= 'Z' ? char(c + 32) : c;
  };
  const char a = letter(at + 1), b = letter(at + 2);
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return at + 2;
  if (any_case && text.substr(at + 1, 2) == "\xC5\xBF") return at + 3;
  return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? at + 3 : 0;
}

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ ; with a fence, code points with one of
// its bits are cut out before.
size_t match_gpt2(const Reader& r, size_t at, uint8_t fence) {
  if (r.text[at] == '\'')
    if (const size_t end = contraction(r.text, at, false)) return end;
  size_t length;
  size_t start = at;
  uint8_t bits = r.look(at, length);
  if (r.text[at] == ' ' && !r.ends(at + 1)) {
    const uint8_t next = r.look(at + 1, length);
    if (!(next & (kSpace | fence))) start = at + 1, bits = next;
  }
  if (bits & kSpace) return r.whitespace(at, false, fence);
  if (bits & kLetter) return r.run(start, kLetter);
  if (bits & kNumber) return r.run(start, kNumber);
  return r.run_without(start, uint8_t(kSpace | kLetter | kNumber | fence));
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
size_t match_llama3(const Reader& r, size_t at, size_t most_digits) {
  if (r.text[at] == '\'')
    if (const size_t end = contraction(r.text, at, true)) return end;
  size_t length, ignored;
  const uint8_t bits = r.look(at, length);
  if (bits & kLetter) return r.run(at + length, kLetter);
  if (bits & kNumber) return r.numbers(at, most_digits);
  const uint8_t next = r.ends(at + length) ? uint8_t(kSpace) : r.look(at + length, ignored);
  if (!(bits & kNewline) && (next & kLetter)) return r.run(at + length, kLetter);
  constexpr uint8_t kNotSign = kSpace | kLetter | kNumber;
  if (!(bits & kSpace)) return r.newlines(r.run_without(at, kNotSign));
  if (r.text[at] == ' ' && !(next & kNotSign)) return r.newlines(r.run_without(at + 1, kNotSign));
  return r.whitespace(at, true);
}

}  // namespace

size_t next_deepseek_v3(const Tables& tables, std::string_view text, size_t at) {
  // Splits 1 and 2 cut out \p{N}{1,3} and runs of ideographs and kana; split 3 sees each part as a text of its own.
  constexpr uint8_t kFence = kNumber | kCjk;
  const Reader r{tables, text};
  size_t length;
  uint8_t bits = r.look(at, length);
  if (bits & kNumber) return r.numbers(at, 3);
  const uint8_t kind = bits & kFence;
  for (size_t here = at;;) {  // what no alternative matches gathers in a piece that ends where the next match begins
    if (const size_t end = match_deepseek_v3(r, here, bits, length, kFence, kind)) return here == at ? end : here;
    here += length;
    if (r.ends(here)) return here;
    bits = r.look(here, length);
    if ((bits & kFence) != kind) return here;
  }
}

size_t next_gpt2(const Tables& tables, std::string_view text, size_t at) { return match_gpt2({tables, text}, at, 0); }

size_t next_smollm(const Tables& tables, std::string_view text, size_t at) {
  const Reader r{tables, text};
  size_t length;
  return r.look(at, length) & kNumber ? at + length : match_gpt2(r, at, kNumber);
}

size_t next_single_signs(const Tables& tables, std::string_view text, size_t at) {
  constexpr uint8_t kSingle = kNumber | kPunctuation | kSymbol | kNewline;
  const Reader r{tables, text};
  size_t length;
  return r.look(at, length) & kSingle ? at + length : match_gpt2(r, at, kSingle);
}

size_t next_llama3(const Tables& tables, std::string_view text, size_t at) {
  return match_llama3({tables, text}, at, 3);
}
size_t next_qwen2(const Tables& tables, std::string_view text, size_t at) {
  return match_llama3({tables, text}, at, 1);
}

size_t next_character(const Tables&, std::string_view text, size_t at) { return at + decode_at(text, at).length; }

}  // namespace minke
