// Keeps an answer within a grammar while its tokens are chosen. Where a model thinks first, the grammar begins behind </think>, and behind
// blanks that follow it: ThoughtSplitter drops them.
// One answer at a time; several may share a grammar and a tree of tokens.
// Test: tests/structured/answer_constraint_test.cpp.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "structured/grammar.h"
#include "structured/token_trie.h"

namespace minke {

class AnswerConstraint {
 public:
  struct Settings {
    std::vector<int32_t> stop_tokens;  // may come where the text is complete
    bool in_thought = false;           // the answer begins within a thought: everything may come until its end
    bool may_think = false;            // the answer may begin with <think>
  };
  // grammar and tokenizer must outlive it. UserError if there is no stop token: the answer could not end.
  AnswerConstraint(const Grammar& grammar, const Tokenizer& tokenizer, const TokenTrie& trie, Settings settings);

  // mask() after all tokens of the answer so far, as Request::constrain of the engine is asked.
  void constrain(std::span<const int32_t> answer, std::span<float> logits);

  // Before a token is chosen: the logits of those that may not come become −inf. At least one stays as it is: where nothing can be
  // written (a vocabulary without a byte that must come), the stop tokens.
  void mask(std::span<float> logits);
  // A token was chosen.
  void push(int32_t token);

  // The text so far is one of the grammar.
  bool is_complete() const { return (phase_ == Phase::text || phase_ == Phase::gap) && matcher_.accepts(state_); }

 private:
  enum class Phase : uint8_t { start, thought, gap, text };  // start: <think> or the text; gap: blanks behind a thought
  using Mask = std::vector<bool>;                            // by token
  const Mask& mask_of(int32_t state);
  bool is_stop(size_t token) const;
  void mask_gap(std::span<float> logits);
  void push_text(std::string_view text);
  void push_gap(std::string_view text);
  void push_thought(std::string_view text);

  const Tokenizer* tokenizer_;
  const TokenTrie* trie_;
  Settings settings_;
  Matcher matcher_;
  int32_t state_;
  Phase phase_;
  size_t pushed_ = 0;                        // by constrain()
  size_t blanks_ = 0;                        // in the gap
  std::string held_;                         // the beginning of <think>, or of </think> at the end of a thought
  std::unordered_map<int32_t, Mask> masks_;  // by state
};

}  // namespace minke
