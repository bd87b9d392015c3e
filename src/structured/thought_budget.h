// Ends a thought that is too long: after so many tokens the ones that close it are the only ones that may come, and the model answers
// with what it has. Test: tests/structured/thought_budget_test.cpp.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tokenize/tokenizer.h"

namespace minke {

class ThoughtBudget {
 public:
  // budget: tokens of the thought, 0 or more; in_thought: the prompt has opened it, else the answer may begin with <think>.
  ThoughtBudget(const Tokenizer& tokenizer, int64_t budget, bool in_thought);

  // As Request::constrain of the engine is asked; true: it has decided what comes, and nothing else may forbid it.
  bool constrain(std::span<const int32_t> answer, std::span<float> logits);

 private:
  void push(int32_t token);
  const Tokenizer* tokenizer_;
  int64_t budget_, thought_ = 0;
  enum class State : uint8_t { start, thought, answer } state_;
  std::string held_;              // the beginning of the answer, or the end of the thought
  std::vector<int32_t> closing_;  // "\n</think>\n\n"
  size_t forced_ = 0, pushed_ = 0;
  bool forces_ = false;
};

}  // namespace minke
