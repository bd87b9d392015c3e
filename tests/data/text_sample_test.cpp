#include "data/text_sample.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>

namespace minke {
namespace {

std::string lines(const std::string& word, size_t bytes) {
  std::string text;
  for (int i = 0; text.size() < bytes; ++i) text += word + std::to_string(i) + "\n";
  return text;
}

size_t total(const std::vector<std::string>& texts) {
  return std::accumulate(texts.begin(), texts.end(), size_t(0), [](size_t n, const auto& t) { return n + t.size(); });
}

TEST(TextSample, WhatFitsIsKeptAsItWas) {
  const std::vector<std::string> documents{lines("a", 300000), "b", "第二\n", lines("c", 50)};
  TextSample sample(1 << 20);
  for (const std::string& d : documents) sample.add(d);
  sample.add("");
  EXPECT_EQ(sample.take(), documents);
  EXPECT_TRUE(sample.take().empty());
}

TEST(TextSample, EveryDocumentHasItsShareWhereverItStands) {
  constexpr size_t kBytes = 1 << 20;
  for (bool turned : {false, true}) {
    TextSample sample(kBytes);
    const std::string large = lines("large ", 6 << 20), small = lines("small ", 2 << 20);
    sample.add(turned ? small : large);
    sample.add(turned ? large : small);
    const std::vector<std::string> texts = sample.take();
    EXPECT_LE(total(texts), kBytes);
    EXPECT_GE(total(texts), kBytes - (64 << 10));
    std::map<char, size_t> of;
    for (const std::string& text : texts) {
      of[text[0]] += text.size();
      EXPECT_EQ(text.back(), '\n') << "cut where a line ends";
    }
    // 512 pieces of 16 KiB, of which 64 are chosen: 16 ± 3.5 of the smaller document, so within four deviations.
    EXPECT_NEAR(double(of['s']), kBytes / 4.0, 4 * 3.5 * (16 << 10));
    EXPECT_EQ(of.size(), 2u);
  }
}

TEST(TextSample, CutsNoCharacterInTwo) {
  TextSample sample(1000);
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "鲸";
  sample.add("x" + text);
  for (const std::string& t : sample.take()) EXPECT_EQ((t.size() - (t[0] == 'x')) % 3, 0u);
}

TEST(TextSample, OnePieceAtLeast) {
  TextSample sample(1);
  sample.add("A first line that is longer.\n");
  sample.add("Another one.\n");
  EXPECT_EQ(sample.take().size(), 1u);
}

}  // namespace
}  // namespace minke
