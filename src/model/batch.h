// Batch: the tokens of one micro-batch as the layers see them, on the device: ids, targets, positions, sequence bounds
// and, for each MTP depth k, the same shortened by k tokens a sequence. BatchBuffers owns the memory and is filled again
// for every micro-batch. TokenBatch is what it is filled from, on the host. Test: tests/model/model_test.cpp.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "kernels/backend.h"

namespace minke {

// Host tokens of B sequences of T inputs, row-major; target −1 = none.
struct TokenBatch {
  int64_t num_sequences = 0, sequence_length = 0;
  std::vector<int32_t> tokens, targets;  // [B,T]
  std::vector<int32_t> document_start;   // [B,T] or empty: no cross-document mask
  std::vector<int32_t> num_valid;        // [B] tokens of a sequence before its padding, or empty: no padding

  // What an objective reads of each target, [B,T] or empty; anything where there is no target.
  std::vector<float> weight;                               // in the loss; empty: all count the same
  std::vector<float> advantage, old_loss, reference_loss;  // policy objectives (kernels/policy_objective.h)
  std::vector<float> value_target;                         // a critic's (model/value_head.h)
  std::vector<int32_t> rival;  // a reward model's: the other position of a pair, −1 = none
  // A teacher's (SoftCrossEntropyArgs): of each target the `num_soft` tokens that it finds most likely, −1 = fewer, or none, and their
  // probabilities; [B,T,num_soft] or empty.
  int64_t num_soft = 0;
  std::vector<int32_t> soft_token;
  std::vector<float> soft_probability;
  // Expert choices to replay, recorded at sampling: [MoE layers of the main model][B,T,K], or empty: choose.
  std::vector<int32_t> experts;
};

// What a training step minimises, given the −log probability of each target: next-token prediction and SFT (whose prompts have
// no targets) leave everything as it is; GRPO and PPO have a policy.
struct Objective {
  double inverse_temperature = 1;     // of the distribution that the targets were drawn from
  std::optional<PolicyTerms> policy;  // instead of the −log probability itself
  double soft_share = 0;  // of a teacher's distribution in the loss, where batches bring one (SoftCrossEntropyArgs)
};

// The balance loss that a training step adds (docs/recipe/training.md §4); no terms = none.
struct BalanceSettings {
  BalanceTerms terms;
  bool whole_batch = false;  // over a micro-batch as one sequence (V3 §4.5.3)
};

// Token dropping (V2 §2.2.4); capacity 0 = none.
struct DropTerms {
  double capacity = 0;  // of a device, relative to the average load
  int64_t num_devices = 1;
  double protected_fraction = 0.1;  // of the sequences: nothing of theirs is dropped
};

// Dropout of a training step, as GPT-2 has it: of the embedding and of what attention and FFN add to the residual stream.
struct DropoutTerms {
  double rate = 0;  // 0 = none
  RngKey key;       // of the step
  int64_t first_row =
      0;  // index of the batch's first token in the whole step: the mask does not depend on micro-batches
};

struct Batch {
  int64_t num_tokens = 0;
  std::vector<int64_t> sequence_offsets;  // [sequences+1]
  Operand tokens, targets, positions;     // i32 [N]; target −1 = none
  Operand first_visible;                  // i32 [N], optional: cross-document mask
  Operand valid;                          // i32 [N], optional: 0 = padding, which is no token (kernels/ops.h)
  Operand previous_row;                   // MTP only: i32 [N], the row of the same position one depth up

  bool count_load = false;  // add the routed tokens to the experts' load counters (training)
  BalanceSettings balance;
  double balance_grad_scale = 0;  // of ∂loss/∂affinity in the backward
  Operand balance_loss;           // high [1], added to; null = no balance loss
  DropTerms drop;
  std::vector<uint8_t> is_protected;  // [sequences], where drop.capacity > 0
  DropoutTerms dropout;

  Objective objective;
  Operand weight;                               // f32 [N], optional: of a token in the loss
  Operand soft_token, soft_probability;         // i32, f32 [N,K], with objective.soft_share; only the main model's
  Operand advantage, old_loss, reference_loss;  // f32 [N], with objective.policy; the last one only if it has a KL term
  Operand entropy;                              // out, high [N], optional: of the distribution of each target
  Operand value_target;                         // f32 [N], with a value head: a critic's, or
  Operand rival;                                // i32 [N], a reward model's (PairLossArgs)
  Operand value;                                // out, high [N], with a value head: of every position

  // Expert choices to replay instead of choosing (RL): by layer i32 [N,K], null for a dense one; empty = choose.
  std::vector<Operand> replay_experts;
  Operand flips;  // with them: i32 [N], optional: += how many of a token's experts its routers would not choose now

  int64_t num_sequences() const { return int64_t(sequence_offsets.size()) - 1; }
};

// Applies the batch's dropout to x [N,D] of a place in the model ("ffn" of layer 3 …), and to its gradient in the backward.
void dropout(const Context& ctx, const Batch& batch, std::string_view place, int64_t layer, const Operand& x);

// The layers whose expert choices a batch can bring, and how many experts a token has.
struct RoutedLayers {
  std::vector<int64_t> layers;
  int64_t top_k = 0;
};

class BatchBuffers {
 public:
  // For up to B sequences of up to T tokens and `depths` MTP modules.
  BatchBuffers(const Context& ctx, int64_t max_tokens, int64_t depths, RoutedLayers routes = {});

  // tokens, targets [B,T] row-major (target −1 = none); document_start [B,T] or empty: the index in its sequence of the
  // first token each token may see; num_valid [B] or empty: how many tokens of a sequence come before its padding.
  // Returns one batch a depth: [0] the main model's, [k] MTP depth k's (T−k tokens a sequence).
  const std::vector<Batch>& fill(const Context& ctx, std::span<const int32_t> tokens, std::span<const int32_t> targets,
                                 int64_t num_sequences, int64_t sequence_length,
                                 std::span<const int32_t> document_start = {}, std::span<const int32_t> num_valid = {});
  // With what an objective reads, and routes.
  const std::vector<Batch>& fill(const Context& ctx, const TokenBatch& host);
  std::vector<Batch>& batches() { return batches_; }
  int64_t max_tokens() const { return max_tokens_; }

 private:
  enum Row { kTokens, kTargets, kPositions, kVisible, kValid, kPrevious, kRival, kRows };
  enum FloatRow { kWeight, kAdvantage, kOldLoss, kReferenceLoss, kValueTarget, kFloatRows };
  std::vector<Tensor> memory_;  // one [kRows, max_tokens] i32 per depth
  std::vector<Batch> batches_;
  std::vector<std::array<std::vector<int32_t>, kRows>> rows_;  // what is uploaded, per depth; stays until the next fill
  Tensor soft_token_, soft_probability_;                       // [max_tokens, K], made when a batch brings some
  std::vector<Tensor> floats_;                                 // [kFloatRows, max_tokens] f32; MTP has weights only
  std::vector<std::vector<float>> weights_;                    // of MTP's targets, uploaded
  RoutedLayers routes_;
  Tensor experts_;  // i32 [layers, max_tokens, K]
  int64_t max_tokens_;
};

}  // namespace minke
