#include "tokenize/unicode.h"

#include <gtest/gtest.h>

namespace minke::unicode {
namespace {

TEST(Unicode, DecodesEveryCodePointAndNoOther) {
  for (char32_t c = 0; c <= 0x10FFFF; c += c < 0x3000 || (c > 0xD700 && c < 0xE100) ? 1 : 97) {
    std::string text;
    append_utf8(text, c);
    const CodePoint got = decode_at(text, 0);
    if (c >= 0xD800 && c < 0xE000) {  // surrogates have no UTF-8
      ASSERT_FALSE(got.valid) << uint32_t(c);
      continue;
    }
    ASSERT_TRUE(got.valid) << uint32_t(c);
    ASSERT_EQ(got.value, c);
    ASSERT_EQ(got.length, text.size());
    // Cut short, its first byte is invalid by itself.
    if (text.size() > 1) {
      ASSERT_FALSE(decode_at(std::string_view(text).substr(0, text.size() - 1), 0).valid);
    }
  }
}

TEST(Unicode, RefusesOverlongAndOutOfRange) {
  for (std::string_view bad :
       {"\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\x80", "\xBF", "\xFF", "\xE4\xB8", "\xE4\x41\x41"}) {
    const CodePoint c = decode_at(bad, 0);
    EXPECT_FALSE(c.valid);
    EXPECT_EQ(c.length, 1u);
    EXPECT_EQ(c.value, kReplacement);
    EXPECT_FALSE(is_valid_utf8(bad));
  }
  EXPECT_TRUE(is_valid_utf8("a\u00E9\u4E2D\U0001F642"));
}

TEST(Unicode, ClassesOfKnownCharacters) {
  const Tables& t = tables();
  EXPECT_EQ(t.class_of('a'), kLetter);
  EXPECT_EQ(t.class_of('7'), kNumber);
  EXPECT_EQ(t.class_of(' '), kSpace);
  EXPECT_EQ(t.class_of('\n'), kSpace | kNewline);
  EXPECT_EQ(t.class_of(0x85), kSpace);
  EXPECT_EQ(t.class_of(0x180E), 0);  // no white space since Unicode 6.3
  EXPECT_EQ(t.class_of(0x200B), 0);
  EXPECT_EQ(t.class_of('!'), kPunctuation);
  EXPECT_EQ(t.class_of('+'), kSymbol);
  EXPECT_EQ(t.class_of(0x301), kMark);
  EXPECT_EQ(t.class_of(0xBD), kNumber);
  EXPECT_EQ(t.class_of(0x4E2D), kLetter | kCjk);
  EXPECT_EQ(t.class_of(0x9FA6), kLetter);  // one past 龥
  EXPECT_EQ(t.class_of(0x30FB), kPunctuation | kCjk);
  EXPECT_EQ(t.class_of(0x3040), kCjk);  // unassigned
  EXPECT_EQ(t.class_of(0x1F642), kSymbol);
  EXPECT_EQ(t.class_of(0x10FFFF), 0);
}

// The counts of Unicode 16.0's DerivedGeneralCategory: a table cut short or shifted cannot have them all.
TEST(Unicode, CountsPerCategory) {
  const auto count = [](std::string_view category) {
    size_t n = 0;
    for (const Range& r : ranges_of(category)) n += r.last - r.first + 1;
    return n;
  };
  EXPECT_EQ(count("Lu"), 1858u);
  EXPECT_EQ(count("Nd"), 760u);
  EXPECT_EQ(count("Lo"), 136477u);
  EXPECT_EQ(count("L"), 141028u);
  EXPECT_EQ(count("Cs"), 2048u);
  EXPECT_EQ(count("Zs"), 17u);
  EXPECT_TRUE(ranges_of("Xx").empty());
}

TEST(Unicode, TablesAgreeWithRanges) {
  std::vector<uint8_t> expected(0x110000);
  for (const auto& [category, bit] : {std::pair("L", kLetter), std::pair("M", kMark), std::pair("N", kNumber),
                                      std::pair("P", kPunctuation), std::pair("S", kSymbol)})
    for (const Range& r : ranges_of(category))
      for (char32_t c = r.first; c <= r.last; ++c) expected[c] |= bit;
  constexpr uint8_t kCategoryBits = kLetter | kMark | kNumber | kPunctuation | kSymbol;
  for (char32_t c = 0; c <= 0x10FFFF; ++c) ASSERT_EQ(tables().class_of(c) & kCategoryBits, expected[c]) << uint32_t(c);
}

TEST(Unicode, Complement) {
  const auto rest = complement({{0, 9}, {20, 20}, {30, 0x10FFFF}});
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_EQ(rest[0].first, 10u);
  EXPECT_EQ(rest[0].last, 19u);
  EXPECT_EQ(rest[1].first, 21u);
  EXPECT_EQ(rest[1].last, 29u);
  EXPECT_EQ(complement({}).at(0).last, 0x10FFFFu);
}

TEST(Unicode, DecodesBackwardsWhatItDecodesForwards) {
  const std::string text = "a\u00E9\u4E2D\U0001F600\xFF\xE4\xB8z\x80\xC3\xF0\x9F\x98";
  std::vector<std::pair<size_t, CodePoint>> forwards;
  for (size_t at = 0; at < text.size(); at += forwards.back().second.length)
    forwards.push_back({at, decode_at(text, at)});
  for (const auto& [at, c] : forwards) {
    const CodePoint back = decode_before(text, at + c.length);
    EXPECT_EQ(back.length, c.length) << at;
    EXPECT_EQ(back.value, c.value) << at;
    EXPECT_EQ(back.valid, c.valid) << at;
  }
}

}  // namespace
}  // namespace minke::unicode
