#include "tokenize/byte_alphabet.h"

#include <algorithm>
#include <numeric>

#include "tokenize/unicode.h"

namespace minke {
namespace {

constexpr bool stands_for_itself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabet {
  std::array<char32_t, 256> character{};
  std::array<int16_t, 0x200> byte{};
  constexpr Alphabet() {
    for (auto& b : byte) b = -1;
    char32_t next = 0x100;
    for (int b = 0; b < 256; ++b) {
      character[b] = stands_for_itself(b) ? char32_t(b) : next++;
      byte[character[b]] = int16_t(b);
    }
  }
};
constexpr Alphabet kAlphabet;

}  // namespace

char32_t char_of_byte(uint8_t byte) { return kAlphabet.character[byte]; }

std::array<uint8_t, 256> bytes_in_alphabet_order() {
  std::array<uint8_t, 256> order;
  std::iota(order.begin(), order.end(), uint8_t(0));
  std::sort(order.begin(), order.end(), [](uint8_t a, uint8_t b) { return char_of_byte(a) < char_of_byte(b); });
  return order;
}

std::string text_of_bytes(std::string_view bytes) {
  std::string text;
  for (char b : bytes) unicode::append_utf8(text, char_of_byte(uint8_t(b)));
  return text;
}

bool bytes_of_text(std::string_view text, std::string& bytes) {
  bytes.clear();
  for (size_t at = 0; at < text.size();) {
    const unicode::CodePoint c = unicode::decode_at(text, at);
    if (!c.valid || c.value >= kAlphabet.byte.size() || kAlphabet.byte[c.value] < 0) return false;
    bytes += char(kAlphabet.byte[c.value]);
    at += c.length;
  }
  return true;
}

}  // namespace minke
