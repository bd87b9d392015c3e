#include "train/trainer.h"

#include <cmath>

namespace minke {

double StepReport::load_max_over_mean() const {
  if (load.empty()) return 1;
  double sum = 0;
  for (const LayerLoad& l : load) sum += l.max_over_mean();
  return sum / double(load.size());
}

double StepReport::dropped_share() const {
  int64_t all = 0, dropped_ones = 0;
  for (const LayerLoad& l : load) {
    for (int32_t t : l.tokens) all += t;
    dropped_ones += l.dropped;
  }
  return all ? double(dropped_ones) / double(all) : 0;
}

Trainer::Trainer(const Context& ctx, Model& model, TrainSettings settings, std::unique_ptr<StepExecutor> executor)
    : model_(&model),
      settings_(std::move(settings)),
      executor_(std::move(executor)),
      optimizer_(ctx, model.weights(), settings_.adamw) {}

StepReport Trainer::step(const Context& ctx, std::span<const TokenBatch> micro_batches) {
  const double x = double(steps_);
  StepReport report;
  report.lr = learning_rate(settings_.lr, steps_, x);
  const LossSums sums = executor_->gradients(ctx, micro_batches,
                                             {.mtp_weight = mtp_weight(settings_.mtp, settings_.lr, x),
                                              .balance = settings_.balance,
                                              .drop = settings_.drop,
                                              .step = steps_});
  report.loss = sums.mean();
  for (size_t k = 1; k < sums.nats.size(); ++k) report.mtp_loss.push_back(sums.mean(k));
  report.balance_loss = sums.balance;
  report.load = expert_load(ctx, *model_);
  load_window_.add(report.load);
  report.max_violation = load_window_.mean();
  report.worst_layer = load_window_.worst();
  report.grad_norm = optimizer_.step(ctx, report.lr, steps_ + 1);
  report.skipped = !std::isfinite(report.grad_norm);
  if (!report.skipped) update_bias(ctx, *model_, bias_speed(settings_.bias_speed, settings_.lr, x));
  clear_load(ctx, *model_);
  for (const TokenBatch& b : micro_batches) report.tokens += b.num_sequences * b.sequence_length;
  report.step = ++steps_;
  return report;
}

void Trainer::time_step(const Context& ctx, std::span<const TokenBatch> micro_batches) {
  executor_->gradients(ctx, micro_batches,
                       {.mtp_weight = settings_.mtp.early, .balance = settings_.balance, .drop = settings_.drop});
  optimizer_.gradient_norm(ctx);
  optimizer_.clear_gradients(ctx);
  clear_load(ctx, *model_);
}

std::vector<std::pair<std::string, Operand>> Trainer::state() const {
  std::vector<std::pair<std::string, Operand>> all;
  for (const Weight& w : model_->weights().all()) all.emplace_back("w." + w.storage().name, w.master());
  for (auto& s : optimizer_.state()) all.push_back(std::move(s));
  return all;
}

void Trainer::resumed_at(int64_t step) {
  steps_ = step;
  for (Weight& w : model_->weights().all()) w.changed();
}

}  // namespace minke
