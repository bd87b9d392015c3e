// grade_format and the parts of a response; grade_language.
#include <gtest/gtest.h>

#include "reward/grade.h"

namespace minke {
namespace {

void expect(char wanted, std::string_view response, Thought thought = Thought::begins_in_response) {
  const Grade g = grade_format(response, thought);
  EXPECT_EQ(g.strict, wanted == 's') << response.substr(0, 100) << ": " << g.reason;
  EXPECT_EQ(g.lenient, wanted != '-') << response.substr(0, 100) << ": " << g.reason;
}

TEST(Format, AsAsked) {
  expect('s', "<think>a</think><answer>b</answer>");
  expect('s', " <think> a </think>\n\n<answer> b </answer>\n");
  expect('s', "<think>a < b, so <b>c</b></think><answer>x</answer>");
  expect('s', "a</think> <answer>b</answer>", Thought::begun_in_prompt);
}

TEST(Format, Lenient) {
  expect('l', "Well. <think>a</think><answer>b</answer>");
  expect('l', "<think>a</think> So: <answer>b</answer>");
  expect('l', "<think>a</think><answer>b</answer> Bye.");
  expect('l', "<think></think><answer>b</answer>");
  expect('l', "<think> \u200b\n</think><answer>b</answer>");
  expect('l', "<think>a</think>\u200b<answer>b</answer>");
  expect('l', "<think>a</think><answer>b</answer>", Thought::begun_in_prompt);
}

TEST(Format, Wrong) {
  expect('-', "");
  expect('-', "b");
  expect('-', "<think>a</think>b");
  expect('-', "<answer>b</answer>");
  expect('-', "<think>a<answer>b</answer>");
  expect('-', "<think>a</think><answer>b");
  expect('-', "<think>a</think><answer></answer>");
  expect('-', "<think>a</think><answer> \u3000\u200b </answer>");
  expect('-', "<think>a</think><answer>b</answer><answer>b</answer>");
  expect('-', "<think>a</think><think>a</think><answer>b</answer>");
  expect('-', "<think><think>a</think><answer>b</answer>");
  expect('-', "<think>a</think></think><answer>b</answer>");
  expect('-', "<think>a<answer>b</answer></think>");
  expect('-', "<answer>b</answer><think>a</think>");
  expect('-', "<think>a<answer></think>b</answer>");
  expect('-', "<Think>a</Think><Answer>b</Answer>");
  expect('-', "<think >a</think><answer>b</answer>");
  expect('-', "a</think><answer>b</answer>");
  expect('-', "<answer>b</answer>", Thought::begun_in_prompt);
  expect('-', "a<think>b</think><answer>b</answer>", Thought::begun_in_prompt);
  expect('-', "<think>the form is <think>…</think><answer>…</answer></think><answer>b</answer>");
}

TEST(Format, ThoughtBegunByThePrompt) {
  EXPECT_EQ(int(thought_after("Question\n<think>\n")), int(Thought::begun_in_prompt));
  EXPECT_EQ(int(thought_after("<think>")), int(Thought::begun_in_prompt));
  EXPECT_EQ(int(thought_after("")), int(Thought::begins_in_response));
  EXPECT_EQ(int(thought_after("i.e. <think> … </think> <answer> … </answer>. Assistant:")),
            int(Thought::begins_in_response));
}

// Of 10 MB: work that grew with the square of that would outlast the time limit of a test by hours.
TEST(Format, LargeResponses) {
  for (const std::string_view piece : {"<think>", "</think>", "<answer>", "</answer>", "<", "a "}) {
    std::string text;
    for (size_t i = 0; i < (10 << 20) / piece.size(); ++i) text += piece;
    expect('-', text);
    expect(piece == "<" || piece == "a " ? 's' : '-', "<think>" + text + "</think><answer>b</answer>");
  }
}

double share(std::string_view response, ThoughtLanguage language) {
  return grade_language(response, language, Thought::begins_in_response).strict;
}

TEST(ChatFormat, AThoughtOnceAndSomethingSaid) {
  struct Case {
    const char* response;
    Thought thought;
    double strict, lenient;
  };
  constexpr Thought kPlain = Thought::begins_in_response, kBegun = Thought::begun_in_prompt;
  for (const Case& c : {Case{"It is \\boxed{3}.", kPlain, 1, 1},
                        {"<think>\n1\n</think>\n\nIt is 3.", kPlain, 1, 1},
                        {"  <think></think>Hello!", kPlain, 1, 1},
                        {"1+2=3\n</think>\n\n\\boxed{3}", kBegun, 1, 1},
                        {"\n</think>\n\nHello!", kBegun, 1, 1},
                        {"<think>\n1\n</think>\n\n3", kBegun, 1, 1},  // opened again
                        {"<think>1</think><answer>3</answer>", kPlain, 1, 1},
                        {"<think>1</think><answer>3", kPlain, 0, 1},
                        {"<think>1</think><answer>3</answer><answer>3</answer>", kPlain, 0, 1},
                        {"It is 3.", kBegun, 0, 0},
                        {"<think>1", kPlain, 0, 0},
                        {"1</think>3", kPlain, 0, 0},
                        {"1</think> \n", kBegun, 0, 0},
                        {"", kPlain, 0, 0},
                        {"1</think>2</think>3", kBegun, 0, 0},
                        {"<think>1</think><think>2</think>3", kPlain, 0, 0},
                        {"well <think>1</think>3", kPlain, 0, 0}}) {
    const Grade g = grade_chat_format(c.response, c.thought);
    EXPECT_EQ(g.strict, c.strict) << c.response << ": " << g.reason;
    EXPECT_EQ(g.lenient, c.lenient) << c.response << ": " << g.reason;
  }
}

TEST(LanguageShare, OfTheThought) {
  std::string mixed;
  for (int i = 0; i < 80; ++i) mixed += "word ";
  for (int i = 0; i < 20; ++i) mixed += "字";
  EXPECT_DOUBLE_EQ(share("<think>" + mixed + "</think>x", ThoughtLanguage::en), 0.8);
  EXPECT_DOUBLE_EQ(share("<think>" + mixed + "</think>x", ThoughtLanguage::zh), 0.2);
  EXPECT_DOUBLE_EQ(grade_language(mixed + "</think>你好", ThoughtLanguage::en, Thought::begun_in_prompt).strict, 0.8);
  EXPECT_DOUBLE_EQ(grade_language(mixed, ThoughtLanguage::en, Thought::begun_in_prompt).strict, 0.8);
  EXPECT_DOUBLE_EQ(share("<think>" + mixed, ThoughtLanguage::en), 0.8);
  // What follows the thought does not count.
  EXPECT_DOUBLE_EQ(share("<think>yes indeed</think>是的，我们得到四十二", ThoughtLanguage::en), 1);
}

TEST(LanguageShare, WhatIsNoWord) {
  EXPECT_DOUBLE_EQ(share("<think>x = 3, y = 4, \\frac{x}{y} 5 + 6 * 7 = 47</think>", ThoughtLanguage::en), 0);
  EXPECT_DOUBLE_EQ(share("<think>设 x = 3，则 \\frac{x}{y} 为三</think>", ThoughtLanguage::zh), 1);
  EXPECT_DOUBLE_EQ(share("<think>don't stop; it's fine — 3.5 🎉</think>", ThoughtLanguage::en), 1);
  EXPECT_DOUBLE_EQ(share("<think>да yes ja</think>", ThoughtLanguage::en), 2.0 / 3);
  EXPECT_DOUBLE_EQ(share("<think>これ 漢</think>", ThoughtLanguage::zh), 1.0 / 3);
  EXPECT_DOUBLE_EQ(share("<think>über yes</think>", ThoughtLanguage::en), 0.5);
}

TEST(LanguageShare, Nothing) {
  for (const char* response : {"", "<think></think>yes", "<think> 12 + 30 </think>", "<think>\xff\xfe</think>"}) {
    EXPECT_EQ(share(response, ThoughtLanguage::en), 0) << response;
    EXPECT_EQ(share(response, ThoughtLanguage::zh), 0) << response;
  }
  const Grade g = grade_language("yes it is", ThoughtLanguage::en, Thought::begins_in_response);
  EXPECT_EQ(g.strict, 0);
  EXPECT_EQ(g.lenient, 1);
}

}  // namespace
}  // namespace minke
