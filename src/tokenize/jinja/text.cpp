#include "tokenize/jinja/text.h"

#include <fmt/format.h>
#include <unicode/locid.h>
#include <unicode/stringoptions.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "tokenize/unicode.h"

namespace minke::jinja::text {
namespace {

std::string utf8(const icu::UnicodeString& s) {
  std::string out;
  s.toUTF8String(out);
  return out;
}
icu::UnicodeString utf16(std::string_view s) { return icu::UnicodeString::fromUTF8({s.data(), int32_t(s.size())}); }

std::string title_of_one(std::string_view character) {
  icu::UnicodeString s = utf16(character);
  s.toTitle(nullptr, icu::Locale::getRoot(), U_TITLECASE_WHOLE_STRING | U_TITLECASE_NO_BREAK_ADJUSTMENT);
  return utf8(s);
}

bool is_cased(char32_t c) {
  return u_isULowercase(UChar32(c)) || u_isUUppercase(UChar32(c)) || u_charType(UChar32(c)) == U_TITLECASE_LETTER;
}

bool is_printable(char32_t c) {
  constexpr uint32_t kHidden = U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CS_MASK | U_GC_CO_MASK | U_GC_CN_MASK | U_GC_Z_MASK;
  return c == ' ' || !(U_GET_GC_MASK(UChar32(c)) & kHidden);
}

bool is_line_end(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

// Calls f(code point, its bytes) for each.
template <class F> void each(std::string_view s, F f) {
  for (size_t at = 0; at < s.size();) {
    const unicode::CodePoint c = unicode::decode_at(s, at);
    f(c.value, s.substr(at, c.length));
    at += c.length;
  }
}

}  // namespace

size_t length(std::string_view s) {
  return size_t(std::count_if(s.begin(), s.end(), [](char c) { return (uint8_t(c) & 0xC0) != 0x80; }));
}

size_t byte_of(std::string_view s, size_t index) {
  for (size_t at = 0; at < s.size(); ++at)
    if ((uint8_t(s[at]) & 0xC0) != 0x80 && index-- == 0) return at;
  return s.size();
}

std::vector<std::string_view> characters(std::string_view s) {
  std::vector<std::string_view> out;
  each(s, [&](char32_t, std::string_view c) { out.push_back(c); });
  return out;
}

bool is_space(char32_t c) {  // str.isspace, which has four characters more than White_Space
  return (c >= 0x1C && c <= 0x1F) || unicode::tables().class_of(c) & unicode::kSpace;
}

std::string_view strip(std::string_view s, const std::string* chars, bool left, bool right) {
  const auto goes = [&](unicode::CodePoint c, std::string_view bytes) {
    return chars ? find(*chars, bytes) != kNone : is_space(c.value);
  };
  while (left && !s.empty()) {
    const unicode::CodePoint c = unicode::decode_at(s, 0);
    if (!goes(c, s.substr(0, c.length))) break;
    s.remove_prefix(c.length);
  }
  while (right && !s.empty()) {
    const unicode::CodePoint c = unicode::decode_before(s, s.size());
    if (!goes(c, s.substr(s.size() - c.length))) break;
    s.remove_suffix(c.length);
  }
  return s;
}

size_t find(std::string_view s, std::string_view what, size_t from) {
  if (from > s.size()) return kNone;
  if (what.empty()) return from;
  const void* at = ::memmem(s.data() + from, s.size() - from, what.data(), what.size());
  return at ? size_t(static_cast<const char*>(at) - s.data()) : kNone;
}

size_t count(std::string_view s, std::string_view what) {
  if (what.empty()) return length(s) + 1;
  size_t n = 0;
  for (size_t at = find(s, what); at != kNone; at = find(s, what, at + what.size())) ++n;
  return n;
}

std::vector<std::string_view> split(std::string_view s, std::string_view separator, int64_t max) {
  std::vector<std::string_view> out;
  for (size_t i; max-- != 0 && (i = find(s, separator)) != kNone;) {
    out.push_back(s.substr(0, i));
    s.remove_prefix(i + separator.size());
  }
  out.push_back(s);
  return out;
}

std::vector<std::string_view> split_space(std::string_view s, int64_t max) {
  std::vector<std::string_view> out;
  for (s = strip(s, nullptr, true, false); !s.empty(); s = strip(s, nullptr, true, false)) {
    size_t end = 0;
    while (max != 0 && end < s.size() && !is_space(unicode::decode_at(s, end).value))
      end += unicode::decode_at(s, end).length;
    out.push_back(max-- == 0 ? s : s.substr(0, end));
    s = end == 0 ? "" : s.substr(end);
  }
  return out;
}

std::vector<std::string_view> split_lines(std::string_view s) {
  std::vector<std::string_view> out;
  size_t begin = 0;
  for (size_t at = 0; at < s.size();) {
    const unicode::CodePoint c = unicode::decode_at(s, at);
    if (is_line_end(c.value)) out.push_back(s.substr(begin, at - begin));
    at += c.length;
    if (!is_line_end(c.value)) continue;
    if (c.value == '\r' && at < s.size() && s[at] == '\n') ++at;
    begin = at;
  }
  if (begin < s.size()) out.push_back(s.substr(begin));
  return out;
}

std::string upper(std::string_view s) { return utf8(utf16(s).toUpper(icu::Locale::getRoot())); }
std::string lower(std::string_view s) { return utf8(utf16(s).toLower(icu::Locale::getRoot())); }

std::string capitalize(std::string_view s) {
  if (s.empty()) return "";
  const size_t first = unicode::decode_at(s, 0).length;
  return title_of_one(s.substr(0, first)) + lower(s.substr(first));
}

std::string title(std::string_view s) {
  std::string out;
  bool after_cased = false;
  each(s, [&](char32_t code, std::string_view c) {
    out += after_cased ? lower(c) : title_of_one(c);
    after_cased = is_cased(code);
  });
  return out;
}

std::string title_filter(std::string_view s) {
  std::string out;
  size_t word = 0, at = 0;  // the word's first byte, and the present one
  const auto end_word = [&] {
    if (word == at) return;
    const size_t head = unicode::decode_at(s, word).length;
    out += upper(s.substr(word, head)) + lower(s.substr(word + head, at - word - head));
  };
  each(s, [&](char32_t code, std::string_view c) {
    if (is_space(code) || std::string_view("-({[<").find(c) != kNone) {
      end_word();
      out += c;
      word = at + c.size();
    }
    at += c.size();
  });
  end_word();
  return out;
}

bool has_digits_of_python(std::string_view s) {
  bool found = false;
  char32_t before = 0, last = 0;
  const auto is_digit = [](char32_t c) { return c >= '0' && c <= '9'; };
  each(s, [&](char32_t code, std::string_view) {
    if (code >= 0x80 && unicode::tables().class_of(code) & unicode::kNumber) found = true;
    if (last == '_' && is_digit(before) && is_digit(code)) found = true;
    before = std::exchange(last, code);
  });
  return found;
}

std::string repr(std::string_view s) {
  const char quote = s.find('\'') != kNone && s.find('"') == kNone ? '"' : '\'';
  std::string out(1, quote);
  each(s, [&](char32_t code, std::string_view c) {
    if (code == char32_t(quote) || code == '\\') (out += '\\') += c;
    else if (code == '\n') out += "\\n";
    else if (code == '\r') out += "\\r";
    else if (code == '\t') out += "\\t";
    else if (is_printable(code)) out += c;
    else if (code < 0x100) out += fmt::format("\\x{:02x}", uint32_t(code));
    else if (code < 0x10000) out += fmt::format("\\u{:04x}", uint32_t(code));
    else out += fmt::format("\\U{:08x}", uint32_t(code));
  });
  return out += quote;
}

}  // namespace minke::jinja::text
