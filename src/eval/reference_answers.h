// How well a model predicts the good answers to chats, which the corpus knows: bits per byte. Models with other tokenizers and
// templates compare by it, it needs no judge, and a base without a chat template has it, too.
//
// What is scored stands behind the question's prompt, in the form in which an answer without a thought is learned:
//   by a chat template   what minke sft trains on (ConversationEncoder::answer): the answer, and the token that ends it. Where the
//                        prompt has opened a thought, it is closed before: whether a model thinks first says nothing of its chats.
//   brief, r1-zero       what the built-in text of pre-training has (corpus::chat_text): a blank, the answer, the end of its line.
// All of these tokens count as bits; as bytes, only the answer's own in UTF-8. Test: tests/eval/reference_answers_test.cpp.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "eval/likelihood.h"
#include "eval/task_problems.h"

namespace minke {

struct ReferenceAnswer {
  size_t problem = 0;  // which of the problems
  Continuation text;
  int64_t bytes = 0;
};
struct ReferenceBits {
  size_t problem = 0;
  double bits = 0;
  int64_t bytes = 0;
};

// Of those problems that are chats; make_prompts() has put them. UserError: one does not fit into `max_context` tokens, the tokenizer
// cannot say it, or nothing ends an answer.
std::vector<ReferenceAnswer> reference_answers(const std::vector<TaskProblem>& problems, PromptFormat format,
                                               const Tokenizer& tokenizer, const std::optional<ChatTemplate>& chat,
                                               int64_t max_context);

// −log2 p of each, by the forward pass of training; it does not depend on the others. `go_on` is asked now and then with how many are
// done; nothing if it said no. Not of none.
std::optional<std::vector<ReferenceBits>> reference_bits(const Context& ctx, Model& model,
                                                         const std::vector<ReferenceAnswer>& answers,
                                                         const std::function<bool(size_t done)>& go_on = {});
// On a dry run: what that takes of memory, held, and of scratch.
std::shared_ptr<void> hold_reference_bits(const Context& dry, Model& model,
                                          const std::vector<ReferenceAnswer>& answers);

}  // namespace minke
