#include "corpus/prompt.h"

#include <gtest/gtest.h>

namespace minke {
namespace {

TEST(Prompt, IsTheFormatToTheLetter) {
  EXPECT_EQ(prompt_of("Make 54 from 3 7 25.") + response_of("25-7=18\n18*3=54 ok", "(25-7)*3"),
            "User: Make 54 from 3 7 25.\nAssistant:<think>25-7=18\n18*3=54 ok</think>\n<answer>(25-7)*3</answer>");
  EXPECT_TRUE(response_of("a", "b").ends_with(kAnswerEnd));
}

TEST(Prompt, LongFormIsR1s) {  // R1 table 1
  const std::string text = prompt_of("What is 1+1?", PromptFormat::r1_zero);
  EXPECT_TRUE(
      text.starts_with("A conversation between User and Assistant. The user asks a question, and the Assistant "));
  EXPECT_TRUE(
      text.ends_with(" i.e., <think> reasoning process here </think> <answer> answer here </answer>. User: "
                     "What is 1+1?. Assistant:"));
  EXPECT_TRUE(prompt_of("Add 1.", PromptFormat::r1_zero).ends_with("User: Add 1. Assistant:"));
  EXPECT_EQ(prompt_of("{prompt}"), "User: {prompt}\nAssistant:");  // what a user writes is not a template
}

}  // namespace
}  // namespace minke
