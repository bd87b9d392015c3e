// grade_countdown: each number once, exact, and nothing but + − * / and parentheses.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/rng.h"
#include "reward/grade.h"

namespace minke {
namespace {

Grade graded(std::string_view response, std::vector<long> numbers, long target,
             Thought thought = Thought::begins_in_response) {
  return grade_countdown(response, {std::move(numbers), target}, thought);
}
// 's': strict and lenient, 'l': lenient only, '-': neither. The text is put between the tags.
void expect(char wanted, std::string_view answer, const std::vector<long>& numbers, long target) {
  const Grade g = graded(fmt::format("<think>let me see</think>\n<answer>{}</answer>", answer), numbers, target);
  EXPECT_EQ(g.strict, wanted == 's') << answer.substr(0, 100) << ": " << g.reason;
  EXPECT_EQ(g.lenient, wanted != '-') << answer.substr(0, 100) << ": " << g.reason;
  EXPECT_FALSE(g.reason.empty());
}

TEST(Countdown, Right) {
  expect('s', "3 + 4", {3, 4}, 7);
  expect('s', "3+4", {4, 3}, 7);
  expect('s', " 3 + 4 = 7 ", {3, 4}, 7);
  expect('s', "3 + 4 = 7\n", {3, 4}, 7);
  expect('s', "3 × 4", {3, 4}, 12);
  expect('s', "3 \\times 4", {3, 4}, 12);
  expect('s', "$3 \\cdot 4$", {3, 4}, 12);
  expect('s', "12 ÷ 4", {12, 4}, 3);
  expect('s', "12 \\div 4", {12, 4}, 3);
  expect('s', "\\frac{12}{4}", {12, 4}, 3);
  expect('s', "\\frac{3+9}{4}", {3, 9, 4}, 3);
  expect('s', "9 − 4", {9, 4}, 5);
  expect('s', "９＋４", {9, 4}, 13);
  expect('s', "(1 - 5 / 6) * 24 * 2", {1, 5, 6, 24, 2}, 8);
  expect('s', "8 / (3 - 8 / 3)", {8, 8, 3, 3}, 24);  // fractions in between
  expect('s', "6 / (1 - 3 / 4)", {6, 1, 3, 4}, 24);
  expect('s', "((3) + ((4)))", {3, 4}, 7);
  expect('s', "\\left(3 + 4\\right) * 2", {3, 4, 2}, 14);
  expect('s', "\\boxed{3 + 4}", {3, 4}, 7);
  expect('s', "5", {5}, 5);
  expect('s', "3 - 10", {3, 10}, -7);
  expect('s', "3 - 10 = -7", {3, 10}, -7);
  expect('s', "0 * 5", {0, 5}, 0);
  expect('s', "7 - 7 + 3", {7, 7, 3}, 3);
  expect('s', "2 + 3 * 4", {2, 3, 4}, 14);
  expect('s', "10 - 4 - 3", {10, 4, 3}, 3);
  expect('s', "24 / 4 / 2", {24, 4, 2}, 3);
}

TEST(Countdown, LenientOnly) {
  expect('l', "7 = 3 + 4", {3, 4}, 7);
  expect('l', "3 x 4", {3, 4}, 12);
  expect('l', "3 + 4 = 7.", {3, 4}, 7);
  expect('l', "3 +\u200b 4", {3, 4}, 7);
  for (const char* response :
       {"<answer>3 + 4", "The answer is 3 + 4", "we try\n3 + 4 = 7", "<answer>3+4</answer><answer>3+4</answer>"}) {
    EXPECT_EQ(graded(response, {3, 4}, 7).lenient, 1) << response;
    EXPECT_EQ(graded(response, {3, 4}, 7).strict, 0) << response;
  }
}

TEST(Countdown, Wrong) {
  expect('-', "3 * 4", {3, 4}, 7);
  expect('-', "6*1.5", {6, 1, 5}, 9);
  expect('-', "2**3", {2, 3}, 8);
  expect('-', "2^3", {2, 3}, 8);
  expect('-', "7//2", {7, 2}, 3);
  expect('-', "9", {3, 6}, 9);
  expect('-', "9 = 9", {3, 6}, 9);
  expect('-', "", {3, 6}, 9);
  expect('-', " \u200b", {3, 6}, 9);
  expect('-', "3 + 3 + 3", {3, 6}, 9);
  expect('-', "3 + 6 + 0", {3, 6}, 9);
  expect('-', "6 + 6 - 3", {3, 6}, 9);
  expect('-', "9", {3, 6, 9}, 9);  // the others are not used
  expect('-', "12", {1, 2}, 12);
  expect('-', "1 2", {1, 2}, 12);
  expect('-', "1_2", {1, 2}, 12);
  expect('-', "1,2", {1, 2}, 12);
  expect('-', "(1)(2)", {1, 2}, 2);
  expect('-', "1(2)", {1, 2}, 2);
  expect('-', "-3 + 10", {3, 10}, 7);
  expect('-', "10 + -3", {3, 10}, 7);
  expect('-', "10 - -3", {3, 10}, 13);
  expect('-', "+3 + 4", {3, 4}, 7);
  expect('-', "3! + 1", {3, 1}, 7);
  expect('-', "√4 + 3", {4, 3}, 5);
  expect('-', "\\sqrt{4} + 3", {4, 3}, 5);
  expect('-', "50% * 4", {50, 4}, 2);
  expect('-', "3 + 4 = 8", {3, 4}, 7);
  expect('-', "3 + 4 = 8", {3, 4}, 8);
  expect('-', "3 + 4 = 7 = 7", {3, 4}, 7);
  expect('-', "3 + 4 = 3 + 4", {3, 4}, 7);
  expect('-', "3 + 4 = ", {3, 4}, 7);
  expect('-', "3 + 4 or 4 + 3", {3, 4}, 7);
  expect('-', "3 + 4, 3 * 4", {3, 4}, 7);
  expect('-', "3 * 4; 3 + 4", {3, 4}, 7);
  expect('-', "03 + 4", {3, 4}, 7);
  expect('-', "3.0 + 4", {3, 4}, 7);
  expect('-', "3e0 + 4", {3, 4}, 7);
  expect('-', "0x3 + 4", {3, 4}, 7);
  expect('-', "3 / (4 - 4)", {3, 4, 4}, 0);
  expect('-', "\\frac{3}{4 - 4}", {3, 4, 4}, 0);
  expect('-', "3 +", {3}, 3);
  expect('-', "(3 + 4", {3, 4}, 7);
  expect('-', "3 + 4)", {3, 4}, 7);
  expect('-', "()", {3, 4}, 7);
  expect('-', "3 % 4", {3, 4}, 3);
  expect('-', "3 & 4", {3, 4}, 0);
  expect('-', "abs(3 - 4)", {3, 4}, 1);
  expect('-', "__import__('os')", {3, 4}, 7);
  expect('-', "7 # 3 + 4", {3, 4}, 7);
  expect('-', "3 + 4 # 7", {3, 4}, 7);
  expect('-', "3 + ４x", {3, 4}, 7);
  expect('-', "99999999999999999999 + 3", {3, 4}, 7);
  expect('-', "3 + 4\xff", {3, 4}, 7);
  expect('-', std::string_view("3 + 4\0", 6), {3, 4}, 7);
  for (const char* response : {"<answer>9</answer><answer>3 + 4</answer>", "<answer>3 + 4</answer><answer>9</answer>",
                               "<think><answer>3 + 4</answer></think>", "<think><answer>3 + 4</answer>",
                               "<think>3 + 4</think>I do not know", "3 + 4 = 7 or 3 * 4 = 12", "", "7"})
    EXPECT_EQ(graded(response, {3, 4}, 7).lenient, 0) << response;
  EXPECT_EQ(graded("<answer>3 + 4</answer>", {3, 4}, 7, Thought::begun_in_prompt).lenient, 0);
}

TEST(Countdown, HostileSizes) {
  for (const size_t n : {size_t(60), size_t(100), size_t(400), size_t(100000), size_t(5 << 20)})
    expect(n == 60 ? 's' : '-', std::string(n, '(') + "3 + 4" + std::string(n, ')'), {3, 4}, 7);
  for (const char c : {'(', '-', '+', '*', '/', '1', '=', '3', '\\', '{', '<'})
    expect('-', std::string(1000, c), {3, 4}, 7);
  std::string product = "1000000000000";
  std::vector<long> numbers(32, kMaxCountdownNumber);
  for (int i = 1; i < 32; ++i) product += i % 2 ? "/ 1000000000000" : "* 1000000000000";
  expect('s', product, numbers, 1);
}

// Random expressions, against their value in 64-bit integers.
TEST(Countdown, RandomExpressions) {
  const RngKey key = RngKey{3, 0}.at("countdown");
  for (uint64_t i = 0; i < 2000; ++i) {
    auto draw = [&, n = uint64_t(0)](uint64_t below) mutable { return key.u64(100 * i + n++) % below; };
    std::vector<long> numbers;
    long value = 0;
    std::string text;
    for (int k = 0; k < 4; ++k) {
      const long n = 1 + long(draw(25));
      numbers.push_back(n);
      if (k == 0) {
        value = n;
        text = std::to_string(n);
        continue;
      }
      const uint64_t op = draw(3);
      value = op == 0 ? value + n : op == 1 ? value - n : value * n;
      const char* const blank = draw(2) ? " " : "";
      text = fmt::format("({}){}{}{}{}", text, blank, "+-*"[op], blank, n);
    }
    expect('s', text, numbers, value);
    expect('s', fmt::format("{} = {}", text, value), numbers, value);
    expect('-', text, numbers, value + 1);
    std::vector<long> more = numbers, other = numbers;
    more.push_back(5);
    other[draw(4)] += 26;
    expect('-', text, more, value);
    expect('-', text, other, value);
  }
}

}  // namespace
}  // namespace minke
