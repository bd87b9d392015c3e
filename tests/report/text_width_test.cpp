#include "report/text_width.h"

#include <gtest/gtest.h>

namespace minke {
namespace {

// Advances of DejaVu Sans as its font file gives them, in thousandths of its size.
TEST(TextWidth, ErrsToTheWideSide) {
  const std::pair<const char*, int> advances[] = {{"0", 636}, {"8", 636}, {"e", 615}, {"b", 635}, {"m", 974},
                                                  {"w", 818}, {"i", 278}, {"r", 411}, {" ", 318}, {".", 318},
                                                  {",", 318}, {"-", 361}, {"W", 989}, {"M", 863}, {"Q", 787},
                                                  {"k", 579}, {"%", 950}, {"+", 838}, {"_", 500}, {"÷", 838}};
  for (const auto& [text, thousandths] : advances) {
    EXPECT_GE(text_width(text, 1000), thousandths) << text;
    EXPECT_LE(text_width(text, 1000), 2 * thousandths) << text;
  }
  EXPECT_DOUBLE_EQ(text_width("3000", 18), 4 * text_width("0", 18));
  EXPECT_EQ(text_width("从前", 12), 24);
  EXPECT_EQ(text_width("", 12), 0);
}

TEST(TextWidth, LinesFit) {
  const auto lines = [](std::string_view text, double zeros) {
    return text_lines(text, zeros * text_width("0", 10), 10);
  };
  using Lines = std::vector<std::string>;
  EXPECT_EQ(lines("", 5), Lines{""});
  EXPECT_EQ(lines("00 00", 5), Lines{"00 00"});
  EXPECT_EQ(lines("00 000 0", 5), (Lines{"00", "000 0"}));
  EXPECT_EQ(lines("0000000 0", 3), (Lines{"000", "000", "0 0"}));  // a word that is too wide
  EXPECT_EQ(lines("从前从", 1.6), (Lines{"从", "前", "从"}));
  EXPECT_EQ(lines("00", 0.1), (Lines{"0", "0"}));  // room for nothing: a character a line, and an end
}

}  // namespace
}  // namespace minke
