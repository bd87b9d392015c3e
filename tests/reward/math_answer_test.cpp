// compare_math held to a table of pairs that was written by hand (pairs.txt), to properties of random numbers, and to bounds.
#include "reward/math_answer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/rng.h"
#include "support/shared_files.h"

namespace minke {
namespace {

struct Pair {
  Equal wanted;
  std::string answer, reference;
  size_t line;
};

std::string with_hidden(std::string text) {
  for (const auto& [name, character] : {std::pair{"\\u200b", "\u200b"}, {"\\u202e", "\u202e"}})
    for (size_t at; (at = text.find(name)) != text.npos;) text.replace(at, 6, character);
  return text;
}

std::vector<Pair> table() {
  std::ifstream file(test::source_file("tests/reward/pairs.txt"));
  std::vector<Pair> pairs;
  std::string line;
  for (size_t number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    const size_t first = line.find(" || "), second = line.find(" || ", first + 3);
    const std::string verdict = line.substr(0, first);
    if (second == line.npos || (verdict != "yes" && verdict != "careless" && verdict != "no")) {
      ADD_FAILURE() << "pairs.txt, line " << number << ": " << line;
      continue;
    }
    const std::string answer = second > first + 4 ? line.substr(first + 4, second - first - 4) : "";
    pairs.push_back({verdict == "yes"  ? Equal::strict
                     : verdict == "no" ? Equal::no
                                       : Equal::lenient,
                     with_hidden(answer), with_hidden(line.substr(second + 4)), number});
  }
  return pairs;
}

TEST(MathAnswer, TableOfPairs) {
  const std::vector<Pair> pairs = table();
  EXPECT_GE(pairs.size(), 300u);
  for (const Pair& p : pairs) {
    const Comparison c = compare_math(p.answer, p.reference);
    EXPECT_EQ(int(c.equal), int(p.wanted))
        << "pairs.txt, line " << p.line << ": \"" << p.answer << "\" for \"" << p.reference << "\": " << c.reason;
  }
}

TEST(MathAnswer, EveryAnswerEqualsItself) {
  for (const Pair& p : table()) {
    if (p.wanted != Equal::strict) continue;
    EXPECT_EQ(int(compare_math(p.reference, p.reference).equal), int(Equal::strict)) << p.reference;
  }
}

// One fraction in many spellings: all are equal, and none equals a neighbour's.
std::vector<std::string> spellings(long above, long below) {
  const std::string sign = above < 0 ? "-" : "";
  const long a = std::abs(above), whole = a / below, rest = a % below;
  std::vector<std::string> all = {
      fmt::format("{}{}/{}", sign, a, below),
      fmt::format("{}\\frac{{{}}}{{{}}}", sign, a, below),
      fmt::format("\\dfrac{{{}{}}}{{{}}}", sign, a, below),
      fmt::format("$\\frac{{{}{}}}{{{}}}$.", sign, 3 * a, 3 * below),
      fmt::format("x = {}{} / {}", sign, a, below),
  };
  if (above < 0) all.push_back(fmt::format("\u2212{}/{}", a, below));
  if (whole > 0 && rest > 0) {
    all.push_back(fmt::format("{}{} {}/{}", sign, whole, rest, below));
    all.push_back(fmt::format("{}{}\\frac{{{}}}{{{}}}", sign, whole, rest, below));
  }
  long tens = 1;
  for (int decimals = 0; decimals <= 6; ++decimals, tens *= 10) {
    if (tens % below != 0) continue;
    const long scaled = a * (tens / below);
    const std::string digits =
        decimals == 0 ? fmt::format("{}", scaled) : fmt::format("{}.{:0{}}", scaled / tens, scaled % tens, decimals);
    for (const char* format : {"{}{}", "{}{}0e0", "{}${}", "{}\\text{{{}}}"}) {
      if (std::string_view(format).find("0e0") != std::string_view::npos && decimals == 0) continue;
      all.push_back(fmt::format(fmt::runtime(format), sign, digits));
    }
    all.push_back(fmt::format("{}{}e-{}", sign, scaled, decimals));
    all.push_back(fmt::format("{}{} \\times 10^{{-{}}}", sign, scaled, decimals));
    all.push_back(fmt::format("{}{}e-{}%", sign, scaled * 100, decimals));
    break;
  }
  return all;
}

TEST(MathAnswer, RandomFractionsInManySpellings) {
  const RngKey key = RngKey{7, 0}.at("fractions");
  size_t compared = 0;
  for (uint64_t i = 0; i < 300; ++i) {
    const long below = 2 + long(key.u64(3 * i) % (i % 2 ? 40 : 400));
    long above = 1 + long(key.u64(3 * i + 1) % 5000);
    if (above % below == 0) ++above;  // whole: not worked out
    if (i % 3 == 0) above = -above;
    const auto ours = spellings(above, below),
               next = spellings(above + (above % below == -1 || (above + 1) % below == 0 ? 2 : 1), below);
    for (const std::string& a : ours) {
      for (const std::string& b : ours) {
        ASSERT_EQ(int(compare_math(a, b).equal), int(Equal::strict))
            << a << " for " << b << ": " << compare_math(a, b).reason;
        ++compared;
      }
      for (const std::string& b : next) ASSERT_EQ(int(compare_math(a, b).equal), int(Equal::no)) << a << " for " << b;
    }
  }
  EXPECT_GT(compared, 10000u);
}

TEST(MathAnswer, RootsInManySpellings) {
  const RngKey key = RngKey{9, 0}.at("roots");
  for (uint64_t i = 0; i < 200; ++i) {
    const long a = 2 + long(key.u64(2 * i) % 30),
               b = std::vector<long>{2, 3, 5, 6, 7, 10, 11, 13}[key.u64(2 * i + 1) % 8];
    const std::string simple = fmt::format("{}\\sqrt{{{}}}", a, b), under = fmt::format("\\sqrt{{{}}}", a * a * b),
                      over = fmt::format("\\frac{{{}}}{{\\sqrt{{{}}}}}", a * b, b);
    for (const std::string& x : {simple, under, over}) {
      for (const std::string& y : {simple, under, over})
        EXPECT_EQ(int(compare_math(x, y).equal), int(Equal::strict)) << x << " for " << y;
      EXPECT_EQ(int(compare_math(x, fmt::format("\\sqrt{{{}}}", a * a * b + 1)).equal), int(Equal::no)) << x;
      EXPECT_EQ(int(compare_math(x, fmt::format("{}", a * b)).equal), int(Equal::no)) << x;
    }
  }
}

TEST(MathAnswer, HostileTextComesToAnEnd) {
  const auto repeated = [](std::string_view piece, size_t n) {
    std::string text;
    while (text.size() + piece.size() <= n) text += piece;
    return text;
  };
  std::vector<std::string> texts;
  for (const std::string_view piece :
       {"(",          "[",         "{",   "\\frac{", "\\sqrt{",  "\\{",  "1,",     "9*",      "9^",
        "(1+√2)^32*", "(x+y+z+w)", "√2+", "1/",      "±1,",      "=",    "1=",     "∪",       "(1,2)∪",
        "-",          "\\text{",   "}",   "1e1000*", "1e-1000/", "(1,",  "{1,2},", "x^1000*", "\\",
        "$",          "999",       "^{",  "1 1/2 ",  "%",        "\xff", "a",      "9.",      "和"})
    for (const size_t n : {size_t(64), kMaxAnswerBytes, kMaxAnswerBytes + 1, size_t(100000)})
      texts.push_back(repeated(piece, n));
  texts.push_back("9^{9^{9^{9}}}");
  texts.push_back("(((1+√2)^32)^32)^32");
  texts.push_back(std::string("4\0002", 3));
  for (const std::string& text : texts)
    for (const std::string& reference : {std::string("42"), std::string("1, 2"), text})
      EXPECT_NE(int(compare_math(text, reference).equal), 7);
}

}  // namespace
}  // namespace minke
