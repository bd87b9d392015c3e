// The critic of PPO: a second model of the policy's size, which begins with the policy's weights, says how much reward an answer
// that has come so far will get, and is trained on what it got. What GRPO does without (V2 §4.2; docs/recipe/post-training.md §3).
// Test: tests/rl/critic_test.cpp.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "train/trainer.h"

namespace minke {

class Critic {
 public:
  // Its body is the policy's as it is now, without MTP modules; its head is 0, and so are its values. Batches have up to so many
  // sequences of so many tokens.
  Critic(const Context& ctx, const Model& policy, TrainSettings settings, int64_t sequences, int64_t length);

  // V at each position of the batches, in their order [B,T].
  std::vector<float> values(const Context& ctx, std::span<const TokenBatch> batches);
  // A step towards the batches' value_target, by their weight.
  const StepReport& step(const Context& ctx, std::span<const TokenBatch> batches, int64_t scheduled_tokens) {
    return trainer_->step(ctx, batches, nullptr, scheduled_tokens);
  }

  int64_t num_mtp_modules() const { return int64_t(model_.mtp().size()); }

  // What goes into a checkpoint: tensors "c.…", and how far it has come.
  std::vector<std::pair<std::string, Operand>> state() const;
  Json small_state() const;
  void restore(const Json& saved);  // after the tensors have been filled; UserError if it is none

 private:
  Model model_;
  std::optional<Trainer> trainer_;
};

}  // namespace minke
