#include "tokenize/regex.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "core/error.h"
#include "core/json.h"
#include "tokenize/unicode.h"

namespace minke {
namespace {

using Strings = std::vector<std::string>;

Strings matches(std::string_view pattern, std::string_view text) {
  std::vector<Match> found;
  Regex(pattern, "test").find_all(text, found);
  Strings out;
  for (const Match& m : found) out.emplace_back(text.substr(m.first, m.end - m.first));
  return out;
}

// Matches and what lies between them, as the library's Split with "isolated" gives them.
Strings pieces(const Regex& regex, std::string_view text) {
  std::vector<Match> found;
  regex.find_all(text, found);
  Strings out;
  size_t end = 0;
  const auto add = [&](size_t first, size_t last) {
    if (last > first) out.emplace_back(text.substr(first, last - first));
  };
  for (const Match& m : found) {
    add(end, m.first);
    add(m.first, m.end);
    end = m.end;
  }
  add(end, text.size());
  return out;
}

std::string refusal(std::string_view pattern) {
  try {
    Regex(pattern, "file: field");
  } catch (const UserError& e) {
    return e.what();
  }
  return "accepted";
}

// tools/make_regex_cases.py: what Oniguruma does, for patterns that are published, odd, and random.
TEST(Regex, SplitsAsTheHuggingFaceLibraryDoes) {
  std::ifstream file(std::string(MINKE_SOURCE_DIR) + "/tests/tokenize/regex_cases.jsonl");
  std::string line;
  size_t compared = 0, refused = 0;
  while (std::getline(file, line)) {
    const Json c = parse_json(line, "a case");
    const std::string pattern = c["pattern"], text = c["text"];
    try {
      const Regex regex(pattern, "test");
      EXPECT_EQ(pieces(regex, text), c["pieces"].get<Strings>()) << pattern << " on " << c["text"];
      ++compared;
    } catch (const UserError&) {
      ++refused;
    }
  }
  EXPECT_GT(compared, 1500u);
  EXPECT_LT(refused, 60u);
}

TEST(Regex, FindsAllMatches) {
  EXPECT_EQ(matches(R"(\p{L}+)", "ab 12 éß中 x"), (Strings{"ab", "éß中", "x"}));
  EXPECT_EQ(matches("b*", "abba"), (Strings{"", "bb", ""}));
  EXPECT_EQ(matches("x$", "x\nx\nyx"), (Strings{"x", "x", "x"}));      // Ruby: $ ends every line
  EXPECT_EQ(matches(R"(\p{L}+)", "a\u1C89b"), (Strings{"a\u1C89b"}));  // a letter of Unicode 16
}

TEST(Regex, WhatIsNotUnderstoodIsRefusedByName) {
  const std::pair<const char*, const char*> cases[] = {{R"((a)\1)", "a reference \\1 to a group is not supported"},
                                                       {R"((?<n>a)\k<n>)", "\\k is not supported"},
                                                       {R"((?<n>a)\g<n>)", "\\g is not supported"},
                                                       {"(?~ab)", "the absent operator"},
                                                       {"(?(1)a|b)", "a condition"},
                                                       {"(*FAIL)", "a callout"},
                                                       {"(?s:.)", "the group (?s"},
                                                       {"(?P<n>a)", "the group (?P"},
                                                       {R"(\X)", "\\X is not supported"},
                                                       {R"(a\Kb)", "\\K is not supported"},
                                                       {R"(\Gb)", "\\G is not supported"},
                                                       {R"(\y)", "\\y is not supported"},
                                                       {R"(\pL)", "\\p without braces"},
                                                       {R"(\p{Foo})", "the property \"Foo\""},
                                                       {R"(\p{Script=Han})", "the property \"Script=Han\""},
                                                       {R"(\p{Common})", "the property \"Common\""},
                                                       {"[[:foo:]]", "the bracket \"[:foo\""},
                                                       {R"([a-\d])", "\\d in a class"},
                                                       {R"([\d-z])", "a range that begins with a class"},
                                                       {"[a-c-e]", "a \"-\" within a class"},
                                                       {"[z-a]", "a range that ends before it begins"},
                                                       {"[]", "a \"[\" without its \"]\""},
                                                       {"[a&&^b]", "\"^\" after &&"},
                                                       {"a**", "a repetition of a repetition"},
                                                       {"a{3,1}", "bounds are in the wrong order"},
                                                       {"a{100001}", "more than 1000 repetitions"},
                                                       {"(?:a*)*", "repeating without limit what may be empty"},
                                                       {"^*", "repeating an anchor"},
                                                       {"*a", "with nothing before it"},
                                                       {"(?i:ss)", "as ß equals ss"},
                                                       {"(?i:ß)", "as ß equals ss"},
                                                       {R"(\xe9)", "a byte \\x80 to \\xff"},
                                                       {R"(\x{110000})", "beyond U+10FFFF"},
                                                       {"(?<=a+)b", "looks behind over more than"},
                                                       {"(", "a \"(\" without its \")\""},
                                                       {")", "\")\" without a \"(\""},
                                                       {"a\\", "a \"\\\" at the end"},
                                                       {"", "the regex is empty"},
                                                       {"\xFF", "not valid UTF-8"}};
  for (const auto& [pattern, expected] : cases) {
    const std::string message = refusal(pattern);
    EXPECT_NE(message.find(expected), std::string::npos) << pattern << ": " << message;
    EXPECT_EQ(message.find("file: field: "), 0u) << message;
  }
}

TEST(Regex, HostilePatternsAreRefused) {
  EXPECT_NE(refusal(std::string(100'000, 'a')), "accepted");
  EXPECT_NE(refusal(std::string(5000, '(')), "accepted");
  EXPECT_NE(refusal(std::string(5000, '[')), "accepted");
  EXPECT_NE(refusal("(?:(?:(?:a{1000}){1000}){1000}){1000}"), "accepted");
  std::string classes;
  for (char32_t c = 0x4E00; c < 0x5300; ++c) unicode::append_utf8(classes += "[a", c), classes += "]";
  EXPECT_NE(refusal(classes), "accepted");
}

TEST(Regex, InvalidBytesCountAsReplacementCharacters) {
  const std::string text = "a\xFF\xE4\xB8z\u00E9\x80";
  EXPECT_EQ(matches(R"(\p{S})", text), (Strings{"\xFF", "\xE4", "\xB8", "\x80"}));
  EXPECT_EQ(matches(R"(\p{L}+)", text), (Strings{"a", "z\u00E9"}));
  EXPECT_EQ(matches(R"(.+z)", text), (Strings{"a\xFF\xE4\xB8z"}));
  EXPECT_EQ(matches(R"((?<=\p{S})z)", text), (Strings{"z"}));
}

// Long runs of one kind of character, for a pattern that is published and for such as take a square of steps or more with
// a matcher that only tries again: those would take minutes here.
TEST(Regex, TimeGrowsWithTheLengthOfTheText) {
  constexpr const char* kGpt4o =
      R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
      R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
      R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  constexpr size_t kLong = 300'000;
  const auto repeated = [](std::string_view unit) {
    std::string text;
    while (text.size() < kLong) text += unit;
    return text;
  };
  const Regex gpt4o(kGpt4o, "test");
  for (const char* unit : {"A", "a", " ", "\n", "!", "\u0301", "中", "😀", "\xFF"}) {
    const std::string text = repeated(unit);
    EXPECT_EQ(pieces(gpt4o, text), Strings{text}) << unit;
  }
  EXPECT_EQ(pieces(gpt4o, repeated("1")).size(), kLong / 3);
  EXPECT_EQ(pieces(gpt4o, repeated(" ") + "a"), (Strings{repeated(" ").substr(1), " a"}));
  EXPECT_EQ(pieces(gpt4o, repeated("aA")).size(), kLong / 2 + 1);
  const std::string spaces = std::string(kLong, ' ') + "x";
  for (const char* pattern :
       {R"(\s+$)", R"(\s*\n)", R"( *x?y)", R"((?:a|b|\s)*c)", R"(\s++$)", R"((?:\s+)+c)", R"(\s+?c)"})
    EXPECT_EQ(pieces(Regex(pattern, "test"), spaces), Strings{spaces}) << pattern;
  EXPECT_TRUE(matches("(a+)+$", std::string(kLong, 'a') + "b").empty());
  EXPECT_EQ(matches("(?:a|a)+", std::string(kLong, 'a')).size(), 1u);
  EXPECT_EQ(matches("(?:x|y){2,5}?z", std::string(kLong, 'x') + "z"), (Strings{"xxxxxz"}));
  // Some 1 s. With steps that grow as the square, 9e10, it would not be done before the time limit of any test.
}

// A look-around cannot be remembered, so what repeats its work without end is given up.
TEST(Regex, EndlessBacktrackingEnds) {
  try {
    std::vector<Match> out;
    Regex("(?=(?:a|a)*(?:a|a)*(?:a|a)*b)", "file: field").find_all(std::string(3000, 'a'), out);
    FAIL() << "accepted";
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("file: field: the regex takes too long"), std::string::npos) << e.what();
  }
}

TEST(Regex, ManyThreads) {
  const Regex regex(R"((?:\p{L}|\d)+x?)", "test");
  std::vector<std::vector<Match>> found(4);
  std::vector<std::thread> threads;
  for (auto& out : found) threads.emplace_back([&] { regex.find_all("a\u1C89b c", out); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& out : found) {
    ASSERT_EQ(out.size(), 2u);
    EXPECT_EQ(out[0].end, 5u);
  }
}

}  // namespace
}  // namespace minke
