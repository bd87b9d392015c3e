// grade_math: where the answer is found, responses written to cheat, and sizes that must not hurt.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "reward/grade.h"
#include "support/shared_files.h"

namespace minke {
namespace {

std::string repeated(std::string_view piece, size_t n) {
  std::string text;
  text.reserve(piece.size() * n);
  for (size_t i = 0; i < n; ++i) text += piece;
  return text;
}

// 's': strict and lenient, 'l': lenient only, '-': neither.
void expect(char wanted, std::string_view response, std::string_view reference,
            Thought thought = Thought::begins_in_response) {
  const Grade g = grade_math(response, reference, thought);
  EXPECT_EQ(g.strict, wanted == 's') << response.substr(0, 200) << " for " << reference << ": " << g.reason;
  EXPECT_EQ(g.lenient, wanted != '-') << response.substr(0, 200) << " for " << reference << ": " << g.reason;
  EXPECT_FALSE(g.reason.empty());
}

TEST(GradeMath, Marked) {
  expect('s', "So it is \\boxed{42}.", "42");
  expect('s', "First \\boxed{3}. Then we add, which gives\n\\boxed{42}", "42");
  expect('s', "<answer>42</answer>", "42");
  expect('s', "<answer> 42\n</answer>\n", "42");
  expect('s', "<think>6·7</think><answer>\\boxed{42}</answer>", "42");
  expect('s', "<think>\\boxed{7}</think> \\boxed{42}", "42");
  expect('s', "6·7</think> <answer>42</answer>", "42", Thought::begun_in_prompt);
  expect('s', "\\boxed{\\frac{1}{2}}", "0.5");
  expect('s', "\\boxed {42}", "42");
  expect('s', "\\boxed{\\boxed{42}}", "42");
  expect('s', "\\boxed{7} and \\boxed{8}", "7, 8");
  expect('s', "\\boxed{A}", "A");
  expect('s', "\\boxed{42}", "6 · 7 = 42 eggs\n#### 42");
  expect('s', "\\boxed{42}", "Hence $\\boxed{42}$.");
  expect('-', "\\boxed{41}", "42");
  expect('-', "<answer>41</answer> 42", "42");
  expect('-', "\\boxed{42} \\boxed{41}", "42");
}

TEST(GradeMath, LenientOnly) {
  expect('l', "<answer>The answer is 42</answer>", "42");
  expect('l', "<answer>42", "42");
  expect('l', "<answer>42</answer><answer>42</answer>", "42");
  expect('l', "\\boxed{42}\n\\boxed{42}", "42");
  expect('l', "\\boxed{42 eggs in total, as shown}", "42");
  expect('l', "#### 42", "42");
  expect('l', "She has 6 · 7 = 42 eggs.\n#### 42\n" + repeated("And so on. ", 40), "42");
  expect('l', "#### 42 " + repeated("and this is why ", 30), "42");
  expect('l', "42", "42");
  expect('l', "The answer is 42.", "42");
  expect('l', "The answer is $\\frac{1}{2}$.", "1/2");
  expect('l', "**Answer:** 42", "42");
  expect('l', "So the final answer is 42 because 6 · 7 = 42.", "42");
  expect('l', "答案是42。", "42");
  expect('l', "We get 6 times 7, which makes 42", "42");
  expect('l', "It lies in the range 5-10", "10");
  expect('-', "It lies in the range 5-10", "-10");
  expect('l', "so x = -5", "-5");
  expect('l', "It costs $1,234.50 in all.", "1234.5");
  expect('l', "that is 50%.", "0.5");
  expect('-', "that is 50%.", "50");
}

TEST(GradeMath, Cheating) {
  expect('-', "", "42");
  expect('-', " \n", "42");
  expect('-', "\\boxed{}", "42");
  expect('-', "<answer></answer>", "42");
  expect('-', "<answer> </answer>", "");
  expect('-', "", "");
  expect('-', "\\boxed{}", "");
  expect('-', "\\boxed{7 or 8}", "8");
  expect('-', "\\boxed{7} or \\boxed{8}", "8");
  expect('-', "\\boxed{7}, \\boxed{8}", "8");
  expect('-', "<answer>7 or 8</answer>", "8");
  expect('-', "<answer>7</answer><answer>8</answer>", "8");
  expect('-', "<answer>8</answer> <answer>7</answer>", "8");
  expect('-', "<answer>7</answer> or <answer>8", "8");
  expect('-', "<answer>7<answer>8</answer></answer>", "8");
  expect('-', "<think>so <answer>42</answer></think>", "42");
  expect('-', "<think>so <answer>42</answer></think> I do not know.", "42");
  expect('-', "<think>so \\boxed{42}", "42");
  expect('-', "so \\boxed{42}", "42", Thought::begun_in_prompt);
  expect('-', "</think></think><think>\\boxed{42}", "42");
  expect('-', "7 or 8", "8");
  expect('-', "1331 and 1728", "1728");
  expect('-', "The answer is 7 or 8.", "8");
  expect('-', "The answer is 7, 8.", "7");
  expect('-', "The answer is 7, or 8.", "7");
  expect('-', "The answer is one of 1, 2, 3, 4, 5, 6, 7, 8", "8");
  expect('-', repeated("7 ", 100) + "8", "8");
  expect('-', "<answer>1 2 3 4 5 6 7 8 9</answer>", "9");
  expect('-', "<answer>12*13</answer>", "156");
  expect('-', "<answer>12 \\times 13</answer>", "156");
  expect('-', "3 + 4", "4");
  expect('-', "\\boxed{\\sqrt{16}}", "16");
  expect('-', "\\boxed{50\\%}", "50");
  expect('-', "\\boxed{x^2}", "2");
  expect('-', "\\boxed{5!}", "5");
  expect('-', "\\boxed{not 42}", "42");
  expect('-', "It is not 42, nor 43, it is something else. 44", "42");
  expect('-', "\\boxed{42", "43");
  expect('l', "\\boxed{4\u200b2}", "42");
  expect('-', "\\boxed{\u202e24}", "24");
  expect('-',
         std::string("\\boxed{4\0"
                     "2}",
                     11),
         "42");
  expect('-', "\\boxed{42\xff}", "42");
  expect('-', "\\boxed{answer}", "42");
  expect('-', "\\boxed{$answer}", "42");
  // Found by trying.
  expect('-', "The answer is 42. No wait, 43.", "43");
  expect('l', "The answer is 42. No wait, 43.", "42");
  expect('-', "The answer is 42. No wait, the answer is 43.", "42");
  expect('-', "- 41\n- 42\n- 43", "43");
  expect('-', "1) 41\n2) 42", "42");
  expect('-', "1. 41\n2. 42", "42");
  expect('-', "41? 42? 43?", "43");
  expect('-', "41 — 42", "42");
  expect('-', "46 and **669**", "669");
  expect('-', "the answer is larger than 42", "42");
  expect('-', "\\boxed{negative 42}", "42");
  expect('-', "\\boxed{less than 42}", "42");
  expect('-', "\\boxed{the reciprocal of 42}", "42");
  expect('-', "\\boxed{$42M}", "42");
  expect('-', "\\boxed{42", "42");
  expect('-', "so \\boxed{42", "42");
  expect('-', "\\boxed{\\cancel{43}42}", "42");
  expect('-', "\\boxed{42}\\boxed{43}", "43");
  expect('-', "\\boxed{42} </think>", "42");
  expect('-', "\\boxed{A B C D}", "A");
  expect('-', "<answer>42 <!-- 43 --></answer>", "42");
}

// 36 responses of 10 MB. Work that grew with the square of their length would outlast the time limit of a test by hours.
TEST(GradeMath, LargeResponses) {
  const size_t n = 10 << 20;
  for (const std::string_view piece :
       {"\\boxed{", "<answer>", "</answer>", "<think>", "</think>", "{", "}", "(", "7 ", "7,", "the answer is ",
        "#### ", "\\boxed{7} ", "<answer>7</answer>", "\\", "9", "\xff", "x"}) {
    const std::string text = repeated(piece, n / piece.size());
    EXPECT_EQ(grade_math(text, "42", Thought::begins_in_response).lenient, 0) << piece;
    EXPECT_EQ(grade_math("\\boxed{" + text + "}", "42", Thought::begun_in_prompt).lenient, 0) << piece;
  }
  expect('s', "<think>" + repeated("hmm ", n / 4) + "</think>\\boxed{42}", "42");
  expect('-', "\\boxed{" + repeated("(", 100000) + "42" + repeated(")", 100000) + "}", "42");
}

// Whatever bytes there are: strict ≤ lenient, both 0 or 1.
TEST(GradeMath, StrictIsNeverAboveLenient) {
  for (const std::string_view response : {"\\boxed{6/2}", "<answer>x = 3", "3", "\\boxed{[3]}", "\\boxed{3}"}) {
    const Grade g = grade_math(response, "3", Thought::begins_in_response);
    EXPECT_LE(g.strict, g.lenient) << response;
    EXPECT_EQ(g.lenient, 1) << response;
  }
}

TEST(GradeMath, AnswersOfGsm8k) {
  std::vector<std::string> solutions = {
      "Janet sells 16 - 3 - 4 = <<16-3-4=9>>9 duck eggs a day.\nShe makes 9 * 2 = $<<9*2=18>>18 every day.\n#### 18",
      "The house costs $1,234,000.\n#### 1,234,000", "It lost.\n#### -3", "Half of it.\n#### 0.5"};
  for (const char* name : {"data/gsm8k/test.jsonl", "data/gsm8k/train.jsonl"}) {
    const auto path = test::shared_file(name);
    if (!path) continue;
    std::ifstream file(*path);
    for (std::string line; std::getline(file, line);) solutions.push_back(nlohmann::json::parse(line).at("answer"));
  }
  for (const std::string& solution : solutions) {
    const std::string right = solution.substr(solution.rfind("####") + 5);
    EXPECT_EQ(grade_math(solution, solution, Thought::begins_in_response).lenient, 1) << solution;
    EXPECT_EQ(grade_math("\\boxed{" + right + "}", solution, Thought::begins_in_response).strict, 1) << solution;
    EXPECT_EQ(grade_math("<answer>" + right + "</answer>", right, Thought::begins_in_response).strict, 1) << solution;
    EXPECT_EQ(grade_math("\\boxed{" + right + "1}", solution, Thought::begins_in_response).lenient, 0) << solution;
  }
}

}  // namespace
}  // namespace minke
