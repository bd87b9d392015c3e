// Runs the forward and backward passes of one optimizer step. The trainer is given an executor and knows nothing of ranks.
// The plain executor is here (one process, micro-batches one after another); pipelines will have their own.
// Test: tests/train/trainer_test.cpp.
#pragma once
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "model/model.h"

namespace minke {

struct StepSettings {
  Objective objective;
  double mtp_weight = 0;  // λ; shared evenly by the modules; 0: they are left out
  BalanceSettings balance;
  DropTerms drop;
  double dropout = 0;  // rate
  int64_t step = 0;    // which sequences are protected from dropping is drawn by (step, sequence), dropout by it too
};

// Of every target of a step, in the order of its micro-batches [B,T]; 0 where there is no target.
struct TokenLosses {
  std::vector<float> loss;     // −log probability; of a critic, its error
  std::vector<float> entropy;  // of the distribution, nats; of a critic none
  std::vector<float> value;    // of a critic
  std::vector<int32_t>
      flips;  // of every token whose experts are replayed: how many would not be chosen now, in all layers
  void clear() { loss.clear(), entropy.clear(), value.clear(), flips.clear(); }
};

// Sums over the tokens that have a target; [0] main, [k] MTP depth k.
struct LossSums {
  std::vector<double> nats;
  std::vector<int64_t> targets;
  double balance = 0;  // balance loss, mean over micro-batches, summed over layers
  double mean(size_t depth = 0) const { return targets[depth] ? nats[depth] / double(targets[depth]) : 0; }
};

class StepExecutor {
 public:
  virtual ~StepExecutor() = default;
  // Gradient of mean main loss + λ·mean MTP loss + balance loss over all micro-batches, added to the weights' grad. Targets
  // with weights of their own (TokenBatch::weight) are summed by them instead of averaged. What is returned lives until the
  // next call. `tokens`, if given, is filled.
  virtual const LossSums& gradients(const Context& ctx, std::span<const TokenBatch> micro_batches,
                                    const StepSettings& settings, TokenLosses* tokens = nullptr) = 0;
  // Losses only; MTP modules left out unless asked. `tokens`, if given, is added to.
  virtual const LossSums& losses(const Context& ctx, const TokenBatch& batch, bool with_mtp,
                                 const Objective& objective = {}, TokenLosses* tokens = nullptr) = 0;
};

class PlainExecutor final : public StepExecutor {
 public:
  // Allocates memory for micro-batches of up to num_sequences × sequence_length tokens. A micro-batch with a shape that was
  // used before allocates nothing (tests/train/allocation_test.cpp). with_routes: batches may bring expert choices to replay.
  // with_mtp: the model's MTP modules may be asked for.
  PlainExecutor(const Context& ctx, Model& model, int64_t num_sequences, int64_t sequence_length,
                bool with_routes = false, bool with_mtp = true);

  const LossSums& gradients(const Context& ctx, std::span<const TokenBatch> micro_batches, const StepSettings& settings,
                            TokenLosses* tokens = nullptr) override;
  const LossSums& losses(const Context& ctx, const TokenBatch& batch, bool with_mtp, const Objective& objective = {},
                         TokenLosses* tokens = nullptr) override;

  // What the constructor will take for such micro-batches.
  static size_t activation_bytes(const Model& model, int64_t num_sequences, int64_t sequence_length,
                                 bool with_mtp = true);

 private:
  struct Layout {  // where the state of micro-batches of one shape lies in the arena; all begin at its start
    int64_t num_sequences, sequence_length;
    bool with_mtp, gradient;
    ModelSaved saved;
  };
  const ModelSaved& layout(const TokenBatch& batch, bool with_mtp, bool gradient);
  LossScales& scales_of(std::span<const TokenBatch> micro_batches, double mtp_weight);
  double sum_of(const Context& ctx, const Operand& values);
  void clear_sums(size_t depths);
  void add_losses(const Context& ctx, const ModelSaved& saved, const TokenBatch& host, TokenLosses* tokens);
  // A critic's values get a place; so do entropies and flips, if they are wanted.
  void place_outputs(const Context& ctx, Batch& batch, bool wanted);

  Model* model_;
  Arena arena_;
  std::deque<Layout> layouts_;
  BatchBuffers buffers_;
  Tensor balance_loss_, outputs_, flips_;
  LossSums sums_;
  LossScales scales_;
  std::vector<int64_t> targets_;
  std::vector<uint8_t> is_protected_;
  std::vector<int32_t> host_flips_;
  std::vector<float> host32_;
  std::vector<double> host64_;
};

}  // namespace minke
