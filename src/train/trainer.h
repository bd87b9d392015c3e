// Runs optimizer steps: gradients from the executor, clipping, AdamW, bias update, report. Its state has everything that a
// resumed run needs: step, tokens, moments, masters, load counters. Randomness is counter-based, and the position in the
// data is a value of the loader. Test: tests/train/trainer_test.cpp (stop and resume: same bits).
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "train/adamw.h"
#include "train/balance.h"
#include "train/executor.h"
#include "train/schedule.h"
#include "train/spike.h"
#include "train/weight_copy.h"

namespace minke {

struct TrainSettings {
  Objective objective;
  LrSchedule lr;  // points in tokens
  AdamWSettings adamw;
  MtpWeight mtp;
  double bias_speed = 0.001;  // γ
  BalanceSettings balance{.terms = {.alpha_expert = 1e-4}};
  DropTerms drop;
  double dropout = 0;     // rate
  double ema_decay = 0;   // of the averaged parameters, ramped up (average_decay); 0 = no average
  double spike_jump = 0;  // nats (train/spike.h)
};

struct StepReport {
  int64_t step = 0;                   // finished steps, this one included
  int64_t tokens = 0;                 // of this step
  double loss = 0, balance_loss = 0;  // nats per token
  std::vector<double> mtp_loss;
  double lr = 0, grad_norm = 0;
  std::string skipped;  // why the step was skipped (loss or gradient not finite, or a spike); "" = not skipped
  std::vector<LayerLoad> load;
  // Over the last 100 batches: mean over layers, and the worst layer.
  double max_violation = 0;
  LoadWindow::Layer worst_layer;
  double dropped_share() const;       // of the assignments of this step
  double load_max_over_mean() const;  // mean over layers; 1 without experts
};

class Trainer {
 public:
  // Allocates gradients and moments. The model must have its weights of step 0, unless a checkpoint is loaded afterwards.
  Trainer(const Context& ctx, Model& model, TrainSettings settings, std::unique_ptr<StepExecutor> executor);

  // The result is valid until the next step. `tokens`, if given, is filled. The schedules go on by `scheduled_tokens`; 0 = as many
  // as the batches have.
  const StepReport& step(const Context& ctx, std::span<const TokenBatch> micro_batches, TokenLosses* tokens = nullptr,
                         int64_t scheduled_tokens = 0);
  // Called in a step that is skipped, before its gradients are cleared.
  std::function<void(const StepReport&)> on_skip;
  struct TensorNorms {
    std::string name;
    double weight = 0, gradient = 0;  // Frobenius
  };
  std::vector<TensorNorms> norms(const Context& ctx) const;
  // Computes gradients and their norm, then clears everything: a step without an update, for timing.
  void time_step(const Context& ctx, std::span<const TokenBatch> micro_batches);
  // Changes schedules and balance. Settings that need memory (moments, average) stay as constructed.
  void set_settings(TrainSettings settings) { settings_ = std::move(settings); }
  const LossSums& losses(const Context& ctx, const TokenBatch& batch, bool with_mtp, const Objective& objective = {}) {
    return executor_->losses(ctx, batch, with_mtp, objective);
  }
  // −log probability of each target, with the temperature of the objective, as the weights are now; `tokens` is filled.
  void token_losses(const Context& ctx, const TokenBatch& batch, TokenLosses& tokens);

  Model& model() { return *model_; }
  int64_t steps_done() const { return steps_; }
  double tokens_done() const { return tokens_; }
  LoadWindow& load_window() { return load_window_; }
  SpikeGuard& spike_guard() { return spike_guard_; }
  // Runs f while the averaged parameters replace the parameters. Only with ema_decay > 0.
  void with_average(const Context& ctx, const std::function<void()>& f);

  // Named tensors of the resumable state: masters ("w.…"), moments ("m.…", "v.…"), average ("e.…").
  std::vector<std::pair<std::string, Operand>> state() const;
  // To be called after the tensors of state() have been filled from a checkpoint of the given step.
  void resumed_at(int64_t step, double tokens);

 private:
  Model* model_;
  TrainSettings settings_;
  std::unique_ptr<StepExecutor> executor_;
  AdamW optimizer_;
  std::optional<WeightCopy> average_;  // if ema_decay > 0
  LoadWindow load_window_;
  SpikeGuard spike_guard_;
  StepReport report_;
  int64_t steps_ = 0;
  double tokens_ = 0;
};

}  // namespace minke
