// Text for the tokenizer tests: everything that splitters trip over, mixed at random, and a small trained tokenizer.
#pragma once
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "core/rng.h"
#include "tokenize/train.h"
#include "tokenize/unicode.h"

namespace minke::test {

// Words, digits, blanks, signs, scripts, marks, emoji, code points newer than ICU's Unicode, and unassigned ones.
inline std::string random_text(Rng& rng, size_t max_parts, bool invalid_bytes) {
  static constexpr std::array<std::string_view, 83> kParts = {" ",
                                                              " ",
                                                              "  ",
                                                              "   ",
                                                              "\t",
                                                              "\n",
                                                              "\r\n",
                                                              "\n\n",
                                                              "\u00A0",
                                                              "\u3000",
                                                              "\u2028",
                                                              "\u0085",
                                                              "\u180E",
                                                              "\u200B",
                                                              std::string_view("\0", 1),
                                                              "\x01",
                                                              "the",
                                                              "The",
                                                              "house",
                                                              " and",
                                                              "DON'T",
                                                              "can't",
                                                              "we'll",
                                                              "I'D",
                                                              "'\u017F",
                                                              "'S",
                                                              "'",
                                                              "x",
                                                              "été",
                                                              "naïve",
                                                              "e\u0301",
                                                              "\u0323\u0307",
                                                              "\u0301",
                                                              "\u0301x",
                                                              "\u212B",
                                                              "0",
                                                              "7",
                                                              "42",
                                                              "2024",
                                                              "3.14159",
                                                              "1,000,000",
                                                              "٤٥",
                                                              "½",
                                                              "Ⅷ",
                                                              "２",
                                                              ".",
                                                              ",",
                                                              "!",
                                                              "...",
                                                              "()",
                                                              "{}",
                                                              "==",
                                                              "->",
                                                              "_x",
                                                              "$5",
                                                              "€",
                                                              "«",
                                                              "「",
                                                              "。",
                                                              "，",
                                                              "・",
                                                              "中文",
                                                              "深度求索",
                                                              "ひらがな",
                                                              "カタカナ",
                                                              "\u3099",
                                                              "\u3040",
                                                              "\u30A0",
                                                              "한국어",
                                                              "العربية",
                                                              "🙂",
                                                              "\U00020000",
                                                              "\U0002EBF0",
                                                              "\U00010D4A",
                                                              "\u1C89",
                                                              "\u0378",
                                                              "\uE000",
                                                              "\uFFFD",
                                                              "\u2003",
                                                              "\u201C",
                                                              "\uFF01",
                                                              "\uFF21b",
                                                              "£"};
  std::string text;
  const size_t parts = rng.below(max_parts + 1);
  for (size_t i = 0; i < parts; ++i) {
    const uint64_t kind = rng.below(100);
    if (invalid_bytes && kind < 8) text += char(rng.below(256));
    else if (kind < 12) unicode::append_utf8(text, char32_t(rng.below(0xD800)));
    else text += kParts[rng.below(kParts.size())];
  }
  return text;
}

inline std::string random_bytes(Rng& rng, size_t max_bytes) {
  std::string bytes(rng.below(max_bytes + 1), 0);
  for (char& b : bytes) b = char(rng.below(256));
  return bytes;
}

inline std::string training_text() {
  std::string text;
  for (int i = 0; i < 60; ++i)
    text += "The whale sings, and the other whales answer: \"we'll dive " + std::to_string(i * 37 % 101) +
            " metres\".\n小鲸鱼在海里唱歌，大鲸鱼回答它。\n  int depth = " + std::to_string(i) + ";\n";
  return text;
}

inline Tokenizer small_tokenizer(int32_t vocab_size = 400) {
  const std::string text = training_text();
  const std::string_view views[] = {text};
  return train_bpe(views, {.vocab_size = vocab_size});
}

}  // namespace minke::test
