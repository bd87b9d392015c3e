// Thought and answer are the same for every cut of the text into pieces.
#include "chat/thoughts.h"

#include <gtest/gtest.h>

#include "core/rng.h"

namespace minke {
namespace {

using Piece = ThoughtSplitter::Piece;

Piece split(bool open, std::string_view text, const std::vector<size_t>& cuts) {
  ThoughtSplitter splitter(open);
  Piece all;
  const auto add = [&](const Piece& p) { all.thought += p.thought, all.answer += p.answer; };
  size_t begin = 0;
  for (const size_t cut : cuts) {
    add(splitter.push(text.substr(begin, cut - begin)));
    begin = cut;
  }
  add(splitter.push(text.substr(begin)));
  add(splitter.finish());
  return all;
}

void expect_split(bool open, std::string_view text, const Piece& expected) {
  EXPECT_EQ(split(open, text, {}).thought, expected.thought) << text;
  EXPECT_EQ(split(open, text, {}).answer, expected.answer) << text;
  Rng rng{{1, text.size()}};
  for (int i = 0; i < 200; ++i) {
    std::vector<size_t> cuts;
    for (size_t at = 0; at < text.size(); ++at)
      if (rng.below(3) == 0) cuts.push_back(at);
    EXPECT_TRUE(split(open, text, cuts) == expected) << text;
  }
}

TEST(Thoughts, AreSplitFromAnswers) {
  expect_split(true, "I add.\n</think>\n\nIt is 2.", {"I add.\n", "It is 2."});
  expect_split(false, "<think>\nI add.\n</think>\n\nIt is 2.", {"\nI add.\n", "It is 2."});
  expect_split(false, "\n <think>a</think>b", {"a", "b"});
  expect_split(false, "It is 2.", {"", "It is 2."});
  expect_split(false, " It is 2.", {"", " It is 2."});
  expect_split(false, "", {"", ""});
  expect_split(true, "", {"", ""});
}

TEST(Thoughts, OnlyAtTheBeginning) {
  expect_split(false, "The tag <think> opens, </think> closes.", {"", "The tag <think> opens, </think> closes."});
  expect_split(true, "a <think> b </think>c </think> d", {"a <think> b ", "c </think> d"});
  expect_split(false, "<thin ice>", {"", "<thin ice>"});
}

TEST(Thoughts, ThatDoNotEnd) {
  expect_split(true, "I add and </thin", {"I add and </thin", ""});
  expect_split(false, "<think>I", {"I", ""});
  expect_split(false, "<thi", {"", "<thi"});
}

TEST(Thoughts, IsOpenAndHasThought) {
  ThoughtSplitter s(false);
  EXPECT_FALSE(s.has_thought());
  s.push("<think>a");
  EXPECT_TRUE(s.is_open() && s.has_thought());
  s.push("</think>b");
  EXPECT_TRUE(!s.is_open() && s.has_thought());
}

}  // namespace
}  // namespace minke
