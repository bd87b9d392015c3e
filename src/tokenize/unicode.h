// Code points of byte strings and their Unicode 16 general categories (\p{L}, \p{N}, … as the Hugging Face library
// has them), from unicode_table.inc. Bytes that are no valid UTF-8 count one by one as U+FFFD, but stay what they are.
// Tested in tests/tokenize/unicode_test.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace minke::unicode {

// Classes that pre-tokenizers ask for; a code point may have several.
enum Class : uint8_t {
  kLetter = 1,       // \p{L}
  kMark = 2,         // \p{M}
  kNumber = 4,       // \p{N}
  kPunctuation = 8,  // \p{P}
  kSymbol = 16,      // \p{S}
  kSpace = 32,       // \s: White_Space
  kNewline = 64,     // [\r\n]
  kCjk = 128,        // [一-龥぀-ゟ゠-ヿ], DeepSeek-V3's ideographs and kana
};

constexpr char32_t kReplacement = 0xFFFD;

struct CodePoint {
  char32_t value;   // kReplacement where the byte is invalid
  uint32_t length;  // in bytes, 1 … 4
  bool valid;
};

// The code point that starts at text[at]; at < text.size().
CodePoint decode_at(std::string_view text, size_t at);
// The one that ends at text[end]; end > 0. The same characters as decode_at finds from the left, if one begins or ends
// at `end` there.
CodePoint decode_before(std::string_view text, size_t end);
void append_utf8(std::string& out, char32_t c);
bool is_valid_utf8(std::string_view text);

// Two-stage table: block index of c >> 8, then 256 entries a block. Built once, at first use (1 ms).
struct Tables {
  std::vector<uint8_t> block;    // [0x1100]
  std::vector<uint8_t> classes;  // [blocks × 256], Class bits
  uint8_t class_of(char32_t c) const { return classes[size_t(block[c >> 8]) << 8 | (c & 255)]; }
};
const Tables& tables();

// The code points of a general category ("Lu") or of a group of them ("L") as sorted ranges first … last;
// empty if there is no such category.
struct Range {
  char32_t first, last;
};
std::vector<Range> ranges_of(std::string_view category);
std::vector<Range> complement(const std::vector<Range>& ranges);

}  // namespace minke::unicode
