#include "tokenize/added_tokens.h"

#include <gtest/gtest.h>

#include "fixtures.h"

namespace minke {
namespace {

// Segments as "text|<token>|…", tokens in brackets with what they covered.
std::string split(const std::vector<AddedToken>& tokens, std::string_view text, bool match_special = true) {
  AddedTokenMatcher matcher;
  for (const AddedToken& t : tokens) matcher.add(&t, t.content);
  std::vector<Segment> segments;
  matcher.split(text, match_special, segments);
  std::string out;
  for (const Segment& s : segments) {
    const std::string part(text.substr(s.first, s.end - s.first));
    out += (out.empty() ? "" : "|") + (s.token ? "[" + part + "=" + std::to_string(s.token->id) + "]" : part);
  }
  return out;
}

TEST(AddedTokens, LeftmostLongest) {
  const std::vector<AddedToken> tokens = {
      {.id = 1, .content = "<a>"}, {.id = 2, .content = "<a>>"}, {.id = 3, .content = "a"}};
  EXPECT_EQ(split(tokens, "x<a>>y<a>z"), "x|[<a>>=2]|y|[<a>=1]|z");
  EXPECT_EQ(split(tokens, "<<a"), "<<|[a=3]");
  EXPECT_EQ(split(tokens, ""), "");
  EXPECT_EQ(split(tokens, "plain"), "pl|[a=3]|in");
  EXPECT_EQ(split({}, "plain"), "plain");
}

TEST(AddedTokens, SpecialOnesStayTextOnRequest) {
  const std::vector<AddedToken> tokens = {{.id = 1, .content = "<s>", .special = true}, {.id = 2, .content = "<t>"}};
  EXPECT_EQ(split(tokens, "a<s><t>"), "a|[<s>=1]|[<t>=2]");
  EXPECT_EQ(split(tokens, "a<s><t>", false), "a<s>|[<t>=2]");
}

TEST(AddedTokens, SingleWord) {
  const std::vector<AddedToken> tokens = {{.id = 1, .content = "is", .single_word = true}};
  EXPECT_EQ(split(tokens, "this is, is_ is"), "this |[is=1]|, is_ |[is=1]");
  EXPECT_EQ(split(tokens, "éis isé is½ ½is"), "éis isé |[is=1]|½ ½|[is=1]");  // ½ is no word character
  EXPECT_EQ(split(tokens, "中is"), "中is");
}

TEST(AddedTokens, Strips) {
  const std::vector<AddedToken> left = {{.id = 1, .content = "<m>", .lstrip = true}};
  EXPECT_EQ(split(left, "a \u3000\t<m> b"), "a|[ \u3000\t<m>=1]| b");
  EXPECT_EQ(split(left, "<m> <m>"), "[<m>=1]|[ <m>=1]");
  const std::vector<AddedToken> right = {{.id = 1, .content = "<m>", .rstrip = true}};
  EXPECT_EQ(split(right, "a <m>\n\u2028b"), "a |[<m>\n\u2028=1]|b");
}

TEST(AddedTokens, AgreeWithASearchByHand) {
  Rng rng{{8, 0}};
  for (int round = 0; round < 300; ++round) {
    std::vector<AddedToken> tokens;
    for (int32_t i = 0, n = int32_t(rng.below(6)); i < n; ++i) {
      std::string content(1 + rng.below(4), 0);
      for (char& c : content) c = char('a' + rng.below(2));
      if (std::none_of(tokens.begin(), tokens.end(), [&](const auto& t) { return t.content == content; }))
        tokens.push_back({.id = i, .content = content});
    }
    std::string text(rng.below(40), 0), expected;
    for (char& c : text) c = char('a' + rng.below(3));
    std::string plain;
    const auto emit = [&](const std::string& part) { expected += (expected.empty() ? "" : "|") + part; };
    for (size_t at = 0; at < text.size();) {
      const AddedToken* best = nullptr;
      for (const AddedToken& t : tokens)
        if (text.compare(at, t.content.size(), t.content) == 0 && (!best || t.content.size() > best->content.size()))
          best = &t;
      if (!best) {
        plain += text[at++];
        continue;
      }
      if (!plain.empty()) emit(plain);
      plain.clear();
      emit("[" + best->content + "=" + std::to_string(best->id) + "]");
      at += best->content.size();
    }
    if (!plain.empty()) emit(plain);
    ASSERT_EQ(split(tokens, text), expected);
  }
}

}  // namespace
}  // namespace minke
