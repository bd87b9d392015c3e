#include "tokenize/unicode.h"

#include <algorithm>
#include <array>
#include <map>

#include "core/error.h"

namespace minke::unicode {
namespace {

constexpr uint32_t kRanges[] = {
#include "tokenize/unicode_table.inc"
};
constexpr std::string_view kCategories[] = {"Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd",
                                            "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm",
                                            "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cs"};
constexpr char32_t kLast = 0x10FFFF;

constexpr char32_t range_first(size_t i) { return kRanges[i] >> 8; }
constexpr char32_t range_end(size_t i) { return i + 1 < std::size(kRanges) ? kRanges[i + 1] >> 8 : kLast + 1; }

bool is_space(char32_t c, std::string_view category) {
  return (c >= '\t' && c <= '\r') || c == 0x85 || category[0] == 'Z';
}

uint8_t class_bits(char32_t c, std::string_view category) {
  uint8_t bits = 0;
  switch (category[0]) {
    case 'L': bits = kLetter; break;
    case 'M': bits = kMark; break;
    case 'N': bits = kNumber; break;
    case 'P': bits = kPunctuation; break;
    case 'S': bits = kSymbol; break;
    default: break;
  }
  if (is_space(c, category)) bits |= kSpace;
  if (c == '\r' || c == '\n') bits |= kNewline;
  if ((c >= 0x4E00 && c <= 0x9FA5) || (c >= 0x3040 && c <= 0x30FF)) bits |= kCjk;
  return bits;
}

Tables build() {
  Tables t;
  t.block.resize((kLast >> 8) + 1);
  std::map<std::array<uint8_t, 256>, uint8_t> known;  // equal blocks are stored once
  size_t range = 0;
  for (char32_t base = 0; base <= kLast; base += 256) {
    std::array<uint8_t, 256> content;
    if (range_end(range) >= base + 256 && base >= 0x10000) {  // one category throughout, and no special class up there
      content.fill(class_bits(base, kCategories[kRanges[range] & 255]));
      if (range_end(range) == base + 256) ++range;
    } else {
      for (char32_t i = 0; i < 256; ++i) {
        content[i] = class_bits(base + i, kCategories[kRanges[range] & 255]);
        if (range_end(range) == base + i + 1) ++range;
      }
    }
    const auto [at, fresh] = known.try_emplace(content, uint8_t(known.size()));
    if (fresh) {
      check(known.size() <= 256, "more than 256 different blocks of code points");
      t.classes.insert(t.classes.end(), content.begin(), content.end());
    }
    t.block[base >> 8] = at->second;
  }
  return t;
}

}  // namespace

const Tables& tables() {
  static const Tables built = build();
  return built;
}

CodePoint decode_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return at + i < text.size() ? uint8_t(text[at + i]) : 0; };  // 0 continues nothing
  const auto continues = [](uint8_t b) { return (b & 0xC0) == 0x80; };
  const uint8_t b0 = byte(0);
  if (b0 < 0x80) return {b0, 1, true};
  const CodePoint invalid{kReplacement, 1, false};
  if (b0 < 0xC2 || b0 > 0xF4) return invalid;
  const uint8_t b1 = byte(1);
  if (!continues(b1)) return invalid;
  if (b0 < 0xE0) return {char32_t(b0 & 0x1F) << 6 | (b1 & 0x3F), 2, true};
  const uint8_t b2 = byte(2);
  if (!continues(b2)) return invalid;
  if (b0 < 0xF0) {
    const char32_t c = char32_t(b0 & 0x0F) << 12 | char32_t(b1 & 0x3F) << 6 | (b2 & 0x3F);
    if (c < 0x800 || (c >= 0xD800 && c < 0xE000)) return invalid;
    return {c, 3, true};
  }
  const uint8_t b3 = byte(3);
  if (!continues(b3)) return invalid;
  const char32_t c = char32_t(b0 & 7) << 18 | char32_t(b1 & 0x3F) << 12 | char32_t(b2 & 0x3F) << 6 | (b3 & 0x3F);
  if (c < 0x10000 || c > kLast) return invalid;
  return {c, 4, true};
}

CodePoint decode_before(std::string_view text, size_t end) {
  const uint8_t last = uint8_t(text[end - 1]);
  if (last < 0x80) return {last, 1, true};
  for (size_t back = 2; back <= 4 && back <= end; ++back) {
    const CodePoint c = decode_at(text, end - back);
    if (c.valid && c.length == back) return c;
  }
  return {kReplacement, 1, false};
}

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += char(c);
  } else if (c < 0x800) {
    out += {char(0xC0 | c >> 6), char(0x80 | (c & 0x3F))};
  } else if (c < 0x10000) {
    out += {char(0xE0 | c >> 12), char(0x80 | (c >> 6 & 0x3F)), char(0x80 | (c & 0x3F))};
  } else {
    out += {char(0xF0 | c >> 18), char(0x80 | (c >> 12 & 0x3F)), char(0x80 | (c >> 6 & 0x3F)), char(0x80 | (c & 0x3F))};
  }
}

bool is_valid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    if (uint8_t(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const CodePoint c = decode_at(text, at);
    if (!c.valid) return false;
    at += c.length;
  }
  return true;
}

std::vector<Range> ranges_of(std::string_view category) {
  std::vector<Range> out;
  for (size_t i = 0; i < std::size(kRanges); ++i) {
    if (!kCategories[kRanges[i] & 255].starts_with(category)) continue;
    if (!out.empty() && out.back().last + 1 == range_first(i)) out.back().last = range_end(i) - 1;
    else out.push_back({range_first(i), range_end(i) - 1});
  }
  return out;
}

std::vector<Range> complement(const std::vector<Range>& ranges) {
  std::vector<Range> out;
  char32_t next = 0;
  for (const Range& r : ranges) {
    if (r.first > next) out.push_back({next, r.first - 1});
    next = r.last + 1;
  }
  if (next <= kLast) out.push_back({next, kLast});
  return out;
}

}  // namespace minke::unicode
