// The characters of tokens.h.
#include "reward/tokens.h"

namespace minke {

long next_code_point(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at++);
  if (first < 0x80) return first;
  const int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
  if (first < 0xC2 || first > 0xF4 || at + size_t(more) > text.size()) return -1;
  long code = first & (0x3F >> more);
  for (int i = 0; i < more; ++i) {
    if ((byte(at + size_t(i)) & 0xC0) != 0x80) return -1;
    code = code << 6 | (byte(at + size_t(i)) & 0x3F);
  }
  constexpr long kSmallest[] = {0, 0x80, 0x800, 0x10000};
  if (code < kSmallest[more] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return -1;
  at += size_t(more);
  return code;
}

bool is_white_space(long c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_invisible(long c) {
  return c == 0xAD || c == 0x34F || c == 0x61C || c == 0x180E || (c >= 0x115F && c <= 0x1160) ||
         (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0x3164 ||
         (c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF || c == 0xFFA0 || (c >= 0xE0000 && c <= 0xE0FFF);
}

bool is_han(long c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0xF900 && c <= 0xFAFF) || c == 0x3007 ||
         (c >= 0x20000 && c <= 0x323AF);
}

bool is_blank_text(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const long c = next_code_point(text, at);
    if (c < 0 || (!is_white_space(c) && !is_invisible(c) && c >= 0x20 && c != 0x7F)) return false;
  }
  return true;
}

}  // namespace minke
