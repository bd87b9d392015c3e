// R1's cold start (R1 §2.3.1): answers of R1-Zero become readable by rule. A thought has one step a line, in words, and no
// line twice in a row; behind it the user is told the answer, in the language of the question:
//
//   <think>24+9=33 and 20                     <think>
//   33+20=53 for 53 ok</think>          →     24+9=33, and 20 is left
//   <answer>(24+9)+20</answer>                33+20=53 for 53: yes
//                                             </think>
//
//                                             The answer is \boxed{(24+9)+20}.
//
// Nothing is worked out again: numbers and equations stay as they are, and so does their order up to a verdict, which a small model has
// learned to give from what stands directly before it (docs/recipes.md: with "that is not 46" half of a small model's verdicts were wrong).
// Lines get no full stop: chats end with one, and a small model that learns both then ends its answer in the middle of a thought.
// Test: tests/rl/readable_test.cpp.
#pragma once
#include <string>
#include <string_view>

#include "corpus/tasks.h"
#include "reward/response.h"

namespace minke {

// Of an answer that is right; one without a thought gets none. The signs of the built-in text for R1-Zero (src/corpus/README.md) become
// words, anything else stays as it is.
std::string readable_response(const Task& task, std::string_view response, Thought thought);

// A thought of such an answer.
std::string readable_thought(std::string_view thought);

}  // namespace minke
