// A thought ends where its tokens are used up, and nothing else is touched.
#include "structured/thought_budget.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tokenize/train.h"

namespace minke {
namespace {

const Tokenizer& tokenizer() {
  static const std::vector<std::string_view> text{"I think and think"};
  static const Tokenizer t =
      train_bpe(text, {.vocab_size = 300, .special_tokens = {"<bos>", "<eos>", "<think>", "</think>"}});
  return t;
}

// The answer that comes of one that would say `wish`, token by token.
std::string told(std::string_view wish, int64_t budget, bool in_thought) {
  ThoughtBudget limit(tokenizer(), budget, in_thought);
  std::vector<int32_t> answer;
  const std::vector<int32_t> wished = tokenizer().encode(wish);
  for (size_t at = 0; at < wished.size() && answer.size() < 200;) {
    std::vector<float> logits(size_t(tokenizer().vocab_size()) + 2, 0.0f);
    const bool decided = limit.constrain(answer, logits);
    int32_t open = 0;
    size_t count = 0;
    for (size_t i = 0; i < logits.size(); ++i)
      if (!std::isinf(logits[i])) open = int32_t(i), ++count;
    EXPECT_EQ(count, decided ? 1u : logits.size());
    answer.push_back(decided ? open : wished[at++]);
  }
  return tokenizer().decode(answer);
}

TEST(ThoughtBudgets, EndThoughtsThatAreTooLong) {
  EXPECT_EQ(told("abcdefgh</think>x", 3, true), "abc\n</think>\n\ndefgh</think>x");
  EXPECT_EQ(told("abcdefgh</think>x", 8, true), "abcdefgh\n</think>\n\n</think>x");
  EXPECT_EQ(told("abcdefgh</think>x", 9, true), "abcdefgh</think>x");
  EXPECT_EQ(told("xyz", 0, true), "\n</think>\n\nxyz");
  EXPECT_EQ(told("<think>abcdef", 2, false), "<think>ab\n</think>\n\ncdef");
}

TEST(ThoughtBudgets, LeaveAnswersAlone) {
  EXPECT_EQ(told("no thought here at all, however long", 2, false), "no thought here at all, however long");
  EXPECT_EQ(told("a</think>a long answer <think> with more", 3, true), "a</think>a long answer <think> with more");
}

}  // namespace
}  // namespace minke
