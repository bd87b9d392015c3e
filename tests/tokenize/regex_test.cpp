#include "tokenize/regex.h"

#include <gtest/gtest.h>

#include <thread>

#include "core/error.h"

namespace minke {
namespace {

std::vector<std::string> matches(std::string_view pattern, std::string_view text) {
  std::vector<Match> found;
  Regex(pattern, "test").find_all(text, found);
  std::vector<std::string> out;
  for (const Match& m : found) out.emplace_back(text.substr(m.first, m.end - m.first));
  return out;
}
using Strings = std::vector<std::string>;

TEST(Regex, FindsAllMatches) {
  EXPECT_EQ(matches(R"(\p{L}+)", "ab 12 éß中 x"), (Strings{"ab", "éß中", "x"}));
  EXPECT_EQ(matches(R"(\s+(?!\S)|\s+)", "a   b "), (Strings{"  ", " ", " "}));
  EXPECT_EQ(matches("b*", "abba"), (Strings{"", "bb", ""}));
  EXPECT_EQ(matches("x$", "x\nx\nyx"), (Strings{"x", "x", "x"}));  // Ruby: $ ends every line
}

TEST(Regex, CategoriesAreThoseOfUnicode16) {
  EXPECT_EQ(matches(R"(\p{L}+)", "a\u1C89b"), (Strings{"a\u1C89b"}));
  EXPECT_EQ(matches(R"([^\p{L}]+)", "a\u1C89b."), (Strings{"."}));
  EXPECT_EQ(matches(R"(\P{L}+)", "a\u1C89b."), (Strings{"."}));
  EXPECT_EQ(matches(R"(\p{^Lu}+)", "\u1C89a"), (Strings{"a"}));
  EXPECT_EQ(matches(R"([\p{Lu}\p{Lt}]+)", "\u1C89a"), (Strings{"\u1C89"}));
}

TEST(Regex, SpaceIsUnicodeWhiteSpace) {
  EXPECT_EQ(matches(R"(\s)", "\u180E\u0085\u2028\u00A0").size(), 3u);
  EXPECT_EQ(matches(R"(\S)", "\u180E\u0085").size(), 1u);
  EXPECT_EQ(matches(R"([^\s])", "\u180E\u0085").size(), 1u);
  EXPECT_EQ(matches(R"([\s\S])", "\u180E\u0085a\n").size(), 4u);
  EXPECT_EQ(matches(R"([\S])", "\u180E").size(), 1u);
}

TEST(Regex, RubyMeaningsAreTranslated) {
  EXPECT_EQ(matches("a{1,2}+b", "aaaab"), (Strings{"aaaab"}));  // possessive in PCRE2: "aab"
  EXPECT_EQ(matches("(?:ab){1,2}+c", "abababc"), (Strings{"abababc"}));
  EXPECT_EQ(matches("a++b", "aab"), (Strings{"aab"}));
  EXPECT_EQ(matches(R"(\h+)", "xa0F "), (Strings{"a0F"}));
  EXPECT_EQ(matches(R"(\w+)", "a\u0301_1-b"), (Strings{"a\u0301_1", "b"}));
  EXPECT_EQ(matches(R"(\w+\b)", "ab\u0301 \u24B6\u00BD\u2075"), (Strings{"ab\u0301", "\u24B6\u00BD"}));
  EXPECT_EQ(matches(R"(\w+\b)", "a\u1C89 b"), (Strings{"a\u1C89", "b"}));
  EXPECT_EQ(matches(R"(\d+)", "1\U00010D42"), (Strings{"1\U00010D42"}));  // Garay digit, Unicode 16
  EXPECT_EQ(matches(R"(a\B.)", "a\u0301 a"), (Strings{"a\u0301"}));
  EXPECT_EQ(translate_oniguruma(R"([\]\p{L}]\{2)", false), R"([\]\p{L}]\{2)");
  EXPECT_EQ(translate_oniguruma(R"(\x{41}+)", false), R"(\x{41}+)");
}

TEST(Regex, InvalidBytesCountAsReplacementCharacters) {
  const std::string text = "a\xFF\xE4\xB8z\u00E9\x80";
  EXPECT_EQ(matches(R"(\p{S})", text), (Strings{"\xFF", "\xE4", "\xB8", "\x80"}));
  EXPECT_EQ(matches(R"(\p{L}+)", text), (Strings{"a", "z\u00E9"}));
}

// The form with the ranges spelled out is compiled by whichever thread first meets a code point of Unicode 16.
TEST(Regex, NewerTextOnManyThreads) {
  const Regex regex(R"(\p{L}+)", "test");
  std::vector<std::vector<Match>> found(4);
  std::vector<std::thread> threads;
  for (auto& out : found) threads.emplace_back([&] { regex.find_all("a\u1C89b c", out); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& out : found) {
    ASSERT_EQ(out.size(), 2u);
    EXPECT_EQ(out[0].end, 5u);
  }
}

// Spelled out, these 16 classes are too large for PCRE2: only text that needs them is refused, each time anew.
TEST(Regex, TooLargeForNewerText) {
  std::string words;
  for (int i = 0; i < 16; ++i) words += "\\w";
  const Regex regex(words, "file: field");
  std::vector<Match> out;
  regex.find_all("sixteen_letters_", out);
  EXPECT_EQ(out.size(), 1u);
  for (int i = 0; i < 2; ++i) EXPECT_THROW(regex.find_all("\u1C89", out), UserError);
  regex.find_all("sixteen_letters_", out);
  EXPECT_EQ(out.size(), 1u);
}

TEST(Regex, RefusesWhatCannotWork) {
  EXPECT_THROW(Regex("(", "f"), UserError);
  EXPECT_THROW(Regex("", "f"), UserError);
  EXPECT_THROW(Regex(std::string(100'000, 'a'), "f"), UserError);
  EXPECT_THROW(Regex(std::string(5000, '('), "f"), UserError);
  EXPECT_THROW(Regex("\xFF", "f"), UserError);
  std::vector<Match> out;
  try {
    Regex("(a+)+$", "file: field").find_all(std::string(5000, 'a') + "b", out);
    FAIL() << "exponential backtracking was not stopped";
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("file: field"), std::string::npos);
  }
}

}  // namespace
}  // namespace minke
