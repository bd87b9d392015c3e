// What a training run shows and writes down while it goes: lines, records, the report, the batches of skipped steps.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/clock.h"
#include "core/human_numbers.h"
#include "report/report.h"
#include "report/text.h"
#include "run/stop_signals.h"
#include "run/training_run.h"

namespace minke {

RunView TrainingRun::view() {
  return {.ctx = ctx_,
          .recipe = recipe_,
          .console = console_,
          .model = *model_,
          .trainer = *trainer_,
          .log = *log_,
          .phase = phase(),
          .train_seconds = train_seconds_,
          .stop = stop_is_requested};
}

void TrainingRun::log_step(const StepReport& r, double scheduled_tokens, double seconds) {
  Json j{{"step", r.step},
         {"loss", r.loss},
         {"lr", r.lr},
         {"grad_norm", r.grad_norm},
         {"tokens", r.tokens},
         {"seconds", seconds},
         {"train_seconds", train_seconds_},
         {"epochs", stage_.epochs(position_)}};
  if (!r.mtp_loss.empty()) j["mtp_loss"] = r.mtp_loss;
  if (r.balance_loss != 0) j["balance_loss"] = r.balance_loss;
  for (const LayerLoad& l : r.load) j["max_vio"][std::to_string(l.layer)] = l.max_violation();
  if (!r.load.empty())
    j["max_vio_100"] = {
        {"mean", r.max_violation}, {"worst_layer", r.worst_layer.layer}, {"worst", r.worst_layer.max_violation}};
  if (recipe_.balance.capacity > 0) j["dropped"] = r.dropped_share();
  if (!r.skipped.empty()) j["skipped"] = r.skipped;
  const std::string note = stage_.after_step(r, token_losses_, j);
  const auto recent = [&](double& rate, double tokens) {
    rate = rate == 0 ? tokens / seconds : 0.9 * rate + 0.1 * tokens / seconds;
  };
  recent(recent_rate_, double(r.tokens)), recent(schedule_rate_, scheduled_tokens);
  const double share = recent_rate_ * step_flops() / peak_;
  // In tokens: with a batch ramp the steps to come are longer.
  const Phase& last = phases_.back();
  const double left = std::max(0.0, last.first_token + last.tokens - trainer_->tokens_done()) / schedule_rate_;
  console_.progress(step_line({.step = r.step,
                               .steps = total_steps(),
                               .loss = r.loss,
                               .lr = r.lr,
                               .grad_norm = r.grad_norm,
                               .tokens_per_second = recent_rate_,
                               .eta_seconds = left,
                               .mtp_loss = r.mtp_loss,
                               .load_max_over_mean = r.load.empty() ? 0 : r.load_max_over_mean(),
                               .max_violation = r.max_violation,
                               .worst_layer = r.worst_layer.layer,
                               .worst_max_violation = r.worst_layer.max_violation,
                               .share_of_peak = share,
                               .note = note},
                              console_.columns()),
                    r.step, total_steps());
  log_->write(j);
  log_load(r);
}

// Once a start: what a report says above the curves.
void TrainingRun::log_start() {
  const Counts counts = this->counts();
  log_->write({{"step", trainer_->steps_done()},
               {"run",
                {{"unix_time", unix_time()},
                 {"machine", machine_},
                 {"product_flops", peak_},
                 {"flops_per_token", step_flops()},
                 {"model_type", model_->config().model_type},
                 {"layers", model_->config().num_hidden_layers},
                 {"parameters", counts.total},
                 {"active_parameters", counts.active_head_only},
                 {"vocab_size", model_->config().vocab_size},
                 {"steps", total_steps()},
                 {"sequence_length", recipe_.train.sequence_length},
                 {"batch_size", recipe_.train.batch_size}}}});
  if (trainer_->steps_done() == 0) log_->text("recipe", recipe_to_toml(recipe_));
}

// Tokens of every expert, a hundred times a run: each step would outgrow everything else in the log.
void TrainingRun::log_load(const StepReport& r) {
  if (r.load.empty() || !due(0.01)) return;
  Json load;
  for (const LayerLoad& l : r.load) load[std::to_string(l.layer)] = l.tokens;
  log_->write({{"step", r.step}, {"load", load}});
}

// The page is a convenience: whatever fails in making it must not end the run.
void TrainingRun::refresh_report() {
  try {
    write_report({folder_.path()}, folder_.path() / "report.html");
  } catch (const std::exception& e) {
    console_.print(fmt::format("warning: report.html was not written: {}", e.what()));
  }
}

void TrainingRun::evaluate_if_due() {
  const int64_t done = trainer_->steps_done();
  const bool phase_ends = done == phase().last_step();
  const bool untrained = done == 0 && stage_.evaluates_untrained();
  if (!untrained && (done == 0 || done == total_steps() || !(phase_ends || due(recipe_.log.eval_every)))) return;
  stage_.evaluate(view(), false);
  stage_.show_samples(view());
  if (phase_ends) stage_.phase_has_ended(view());
  refresh_report();
}

void TrainingRun::dump_skip(const StepReport& r) {
  const fs::path skipped = folder_.path() / "skipped";
  std::error_code error;
  fs::create_directory(skipped, error);
  if (error) user_error("cannot make the folder {}: {}", skipped.string(), error.message());
  AtomicFolder folder(skipped / fmt::format("step-{:06}", r.step));
  Json norms = Json::object();
  for (const auto& n : trainer_->norms(ctx())) norms[n.name] = {{"weight", n.weight}, {"gradient", n.gradient}};
  write_file_atomic(
      folder.path() / "norms.json",
      Json{{"step", r.step}, {"why", r.skipped}, {"loss", r.loss}, {"grad_norm", r.grad_norm}, {"norms", norms}}.dump(
          2));
  std::string lines;
  for (const TokenBatch& b : micro_batches_)
    for (int64_t s = 0; s < b.num_sequences; ++s) {
      const std::vector<int32_t> ids(b.tokens.begin() + s * b.sequence_length,
                                     b.tokens.begin() + (s + 1) * b.sequence_length);
      lines += Json{{"tokens", ids}, {"text", valid_utf8(stage_.tokenizer().decode(ids, false))}}.dump() + "\n";
    }
  write_file_atomic(folder.path() / "batch.jsonl", lines);
  folder.commit();
}

void TrainingRun::show_balance() {
  const LoadWindow& load = trainer_->load_window();
  if (load.layer_numbers().empty()) return;
  const LoadWindow::Layer worst = load.worst();
  console_.print(
      fmt::format("balance     MaxVio {:.3f}, mean over {} layers and the last {} batches of {} tokens; worst "
                  "layer {}: {:.3f}",
                  load.mean(), load.layer_numbers().size(), load.num_batches(),
                  recipe_.train.batch_size * recipe_.train.sequence_length, worst.layer, worst.max_violation));
}

}  // namespace minke
