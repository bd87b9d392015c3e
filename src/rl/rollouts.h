// Rollouts: answers that the policy draws to prompts, several to each, with what the update needs of them: the log-probability of
// every token as it was drawn, and the experts that the model chose (design: the experts chosen at sampling are replayed, because
// the choice is discontinuous). Nothing but the temperature changes the distribution: what is drawn is what is trained.
// Test: tests/rl/rollouts_test.cpp.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "infer/engine.h"
#include "tokenize/tokenizer.h"

namespace minke {

struct Rollout {
  size_t prompt = 0;            // which of the prompts
  std::vector<int32_t> tokens;  // prompt and answer
  int64_t prompt_tokens = 0;
  std::vector<float> loss;       // −log probability of each token of the answer
  std::vector<int32_t> experts;  // of all tokens but the last: [tokens − 1, MoE layers, K]; empty unless asked for
  bool truncated = false;        // the answer had no end
  std::string text;              // of the answer, without the token that ends it
  int64_t answer_tokens() const { return int64_t(tokens.size()) - prompt_tokens; }
};

struct RolloutSettings {
  int64_t group = 16;     // answers to each prompt
  int64_t max_new = 256;  // tokens of an answer
  double temperature = 1;
  uint64_t seed = 0;
  uint64_t first_sample = 0;  // the number of the first sample in the run: what it draws by
  bool with_experts = true;
  bool drafts = false;                  // with an engine that speculates: the same answers
  std::vector<std::string> stop_texts;  // an answer ends with any of these, or with eos
};

// Answers to prompts[0] first, then to prompts[1] …; `progress` is told how many have ended.
std::vector<Rollout> roll_out(const Context& ctx, Engine& engine, const Tokenizer& tokenizer,
                              const std::vector<std::vector<int32_t>>& prompts, const RolloutSettings& settings,
                              const std::function<void(int64_t ended)>& progress = {});

}  // namespace minke
