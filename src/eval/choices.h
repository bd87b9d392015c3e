// Multiple-choice by likelihood: each answer is rated by log p(answer | question), and by that per byte, so that long
// answers are not at a disadvantage (as published evaluations of base models do). Test: tests/eval/eval_test.cpp.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "eval/likelihood.h"
#include "tokenize/tokenizer.h"

namespace minke {

struct ChoiceQuestion {
  std::string question;
  std::vector<std::string> choices;
  size_t answer = 0;  // index into choices
  std::string where;  // "file, line 3", for messages
};
// Lines {"question": "…", "choices": ["…", …], "answer": 0}. UserError with the line for anything else.
std::vector<ChoiceQuestion> load_choices(const std::vector<std::string>& sources);
// UserError with the line of the first that the tokenizer cannot say, or that does not fit into max_tokens.
void check_choices(const std::vector<ChoiceQuestion>& questions, const Tokenizer& tokenizer, int64_t max_tokens);

struct ChoiceResult {
  int64_t questions = 0, by_sum = 0, by_byte = 0;  // right answers by log p and by log p per byte
  double chance = 0;                               // expected of guessing
};
// progress(done, all), if given, is called now and then.
ChoiceResult answer_choices(const Context& ctx, Likelihood& likelihood, const Tokenizer& tokenizer,
                            const std::vector<ChoiceQuestion>& questions,
                            const std::function<void(size_t, size_t)>& progress = {});

}  // namespace minke
