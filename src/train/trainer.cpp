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
      optimizer_(ctx, model.weights(), settings_.adamw),
      spike_guard_(settings_.spike_jump) {
  if (settings_.ema_decay > 0) average_.emplace(ctx, model);
}

const StepReport& Trainer::step(const Context& ctx, std::span<const TokenBatch> micro_batches, TokenLosses* tokens,
                                int64_t scheduled_tokens) {
  const double x = tokens_;
  StepReport& report = report_;
  report.lr = learning_rate(settings_.lr, steps_, x);
  const LossSums& sums = executor_->gradients(ctx, micro_batches,
                                              {.objective = settings_.objective,
                                               .mtp_weight = mtp_weight(settings_.mtp, settings_.lr, x),
                                               .balance = settings_.balance,
                                               .drop = settings_.drop,
                                               .dropout = settings_.dropout,
                                               .step = steps_},
                                              tokens);
  report.loss = sums.mean();
  report.mtp_loss.clear();
  for (size_t k = 1; k < sums.nats.size(); ++k) report.mtp_loss.push_back(sums.mean(k));
  report.balance_loss = sums.balance;
  read_expert_load(ctx, *model_, report.load);
  const bool teaches = !micro_batches.empty();
  if (teaches) load_window_.add(report.load);
  report.max_violation = load_window_.mean();
  report.worst_layer = load_window_.worst();
  report.tokens = 0;
  for (const TokenBatch& b : micro_batches) report.tokens += b.num_sequences * b.sequence_length;
  report.step = steps_ + 1;
  report.grad_norm = optimizer_.gradient_norm(ctx);
  report.skipped.clear();
  if (!std::isfinite(report.loss)) report.skipped = "the loss is not finite";
  else if (!std::isfinite(report.grad_norm)) report.skipped = "the gradient is not finite";
  else if (spike_guard_.is_spike(report.loss)) report.skipped = "the loss jumped up";
  if (!report.skipped.empty()) {
    if (on_skip) on_skip(report);
  } else if (teaches) {  // if not, neither decay nor momentum moves the weights
    spike_guard_.add_good(report.loss);
    optimizer_.step(ctx, report.lr, report.step, report.grad_norm);
    update_bias(ctx, *model_, bias_speed(settings_.bias_speed, settings_.lr, x));
    for (size_t i = 0; average_ && i < average_->tensors().size(); ++i)
      ctx.backend->ema(ctx, {.average = average_->tensors()[i],
                             .value = model_->weights().all()[i].master().flat(),
                             .decay = average_decay(settings_.ema_decay, steps_)});
  }
  optimizer_.clear_gradients(ctx);
  clear_load(ctx, *model_);
  ctx.backend->synchronize(ctx);  // a step that has returned is over: for whoever looks at the clock
  tokens_ += double(scheduled_tokens > 0 ? scheduled_tokens : report.tokens);
  ++steps_;
  return report;
}

void Trainer::time_step(const Context& ctx, std::span<const TokenBatch> micro_batches) {
  executor_->gradients(ctx, micro_batches,
                       {.objective = settings_.objective,
                        .mtp_weight = settings_.mtp.early,
                        .balance = settings_.balance,
                        .drop = settings_.drop,
                        .dropout = settings_.dropout});
  optimizer_.gradient_norm(ctx);
  optimizer_.clear_gradients(ctx);
  clear_load(ctx, *model_);
  ctx.backend->synchronize(ctx);
}

std::vector<std::pair<std::string, Operand>> Trainer::state() const {
  std::vector<std::pair<std::string, Operand>> all;
  for (const Weight& w : model_->weights().all()) all.emplace_back("w." + w.storage().name, w.master());
  for (auto& s : optimizer_.state()) all.push_back(std::move(s));
  if (average_)
    for (auto& s : average_->state("e.")) all.push_back(std::move(s));
  return all;
}

std::vector<Trainer::TensorNorms> Trainer::norms(const Context& ctx) const {
  std::vector<TensorNorms> all;
  const Tensor square(ctx.backend->memory(), DType::f64, {1});
  const auto norm = [&](const Operand& o) {
    double sum = 0;
    const Operand tensor = o.flat();
    ctx.backend->sum_squares(ctx, {.tensors = &tensor, .num_tensors = 1, .out = square});
    ctx.backend->download(ctx, {.device = square, .host = &sum});
    return std::sqrt(sum);
  };
  for (const Weight& w : model_->weights().all())
    all.push_back({w.storage().name, norm(w.master()), w.grad() ? norm(w.grad()) : 0});
  return all;
}

void Trainer::with_average(const Context& ctx, const std::function<void()>& f) {
  check(average_.has_value(), "Trainer::with_average: no average is kept");
  average_->with(ctx, f);
}

void Trainer::token_losses(const Context& ctx, const TokenBatch& batch, TokenLosses& tokens) {
  tokens.clear();
  executor_->losses(ctx, batch, false, {.inverse_temperature = settings_.objective.inverse_temperature}, &tokens);
}

void Trainer::resumed_at(int64_t step, double tokens) {
  steps_ = step;
  tokens_ = tokens;
  for (Weight& w : model_->weights().all()) w.changed();
}

}  // namespace minke
