// What a pre-training run shows and writes down while it goes: lines, records, evaluations, samples, the report.
#include <algorithm>
#include <cmath>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>

#include "core/human_numbers.h"
#include "eval/choices.h"
#include "eval/needle.h"
#include "infer/engine.h"
#include "report/report.h"
#include "report/text.h"
#include "run/pretrain_run.h"
#include "spec/counts.h"

namespace minke {
namespace {

int64_t unix_time() { return int64_t(std::time(nullptr)); }

NeedleOptions needle_options() { return {.lengths = {}, .depths = 5, .trials = 4}; }

}  // namespace

void PretrainRun::check_log() const {
  const auto& log = recipe_.log;
  const int64_t positions = recipe_.train.sequence_length;  // of the first phase; later ones have more
  for (const std::string& prompt : log.sample_prompts) {
    size_t tokens = 0;
    try {
      tokens = tokenizer_.encode(prompt, {.add_bos = true}).size();
    } catch (const UserError& e) {
      user_error("log.sample_prompts: {}", e.what());
    }
    if (log.sample_tokens > 0 && int64_t(tokens) >= positions)
      user_error("log.sample_prompts: \"{}\" has {} tokens; with train.sequence_length {} a prompt may have at most {}",
                 printable(prompt), tokens, positions, positions - 1);
  }
  if (!log.choices.empty()) check_choices(load_choices({log.choices}), tokenizer_, positions);
  for (double length : log.needle_lengths) {
    NeedleOptions options = needle_options();
    options.lengths = {int64_t(length)};
    try {
      check_needles(tokenizer_, options);
    } catch (const UserError& e) {
      user_error("log.needle_lengths: {}", e.what());
    }
  }
}

HeldOutResult PretrainRun::evaluate(bool last) {
  HeldOutSettings settings{.sequence_length = phase().sequence_length,
                           .batch_size = phase().micro_batch_size,
                           .mask_documents = recipe_.data.mask_documents,
                           .start_token = std::max<int32_t>(data_.eos, 0)};
  if (last) settings.stop = stop_is_requested;
  else settings.max_tokens = recipe_.log.eval_tokens;
  return evaluate_held_out(data_.held_out, settings,
                           [this](const TokenBatch& batch) { return trainer_->losses(ctx(), batch, false).nats[0]; });
}

void PretrainRun::log_step(const StepReport& r, double seconds) {
  const double rate = double(r.tokens) / seconds;
  recent_rate_ = recent_rate_ == 0 ? rate : 0.9 * recent_rate_ + 0.1 * rate;
  const double share = recent_rate_ * training_flops(model_->config(), phase().sequence_length).all() / peak_;
  // In tokens: with a batch ramp the steps to come are longer.
  const Phase& last = phases_.back();
  const double left = std::max(0.0, last.first_token + last.tokens - trainer_->tokens_done()) / recent_rate_;
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
                               .share_of_peak = share},
                              console_.columns()),
                    r.step, total_steps());
  Json j{{"step", r.step},
         {"loss", r.loss},
         {"lr", r.lr},
         {"grad_norm", r.grad_norm},
         {"tokens", r.tokens},
         {"seconds", seconds},
         {"train_seconds", train_seconds_},
         {"epochs", loader_->epochs(position_)}};
  if (!r.mtp_loss.empty()) j["mtp_loss"] = r.mtp_loss;
  if (r.balance_loss != 0) j["balance_loss"] = r.balance_loss;
  for (const LayerLoad& l : r.load) j["max_vio"][std::to_string(l.layer)] = l.max_violation();
  if (!r.load.empty())
    j["max_vio_100"] = {
        {"mean", r.max_violation}, {"worst_layer", r.worst_layer.layer}, {"worst", r.worst_layer.max_violation}};
  if (recipe_.balance.capacity > 0) j["dropped"] = r.dropped_share();
  if (!r.skipped.empty()) j["skipped"] = r.skipped;
  log_->write(j);
  log_load(r);
}

// Once a start: what a report says above the curves.
void PretrainRun::log_start() {
  const Counts counts = count_parameters(model_->config());
  log_->write({{"step", trainer_->steps_done()},
               {"run",
                {{"unix_time", unix_time()},
                 {"machine", machine_},
                 {"product_flops", peak_},
                 {"flops_per_token", training_flops(model_->config(), phase().sequence_length).all()},
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
void PretrainRun::log_load(const StepReport& r) {
  if (r.load.empty() || !due(0.01)) return;
  Json load;
  for (const LayerLoad& l : r.load) load[std::to_string(l.layer)] = l.tokens;
  log_->write({{"step", r.step}, {"load", load}});
}

// The page is a convenience: whatever fails in making it must not end the run.
void PretrainRun::refresh_report() {
  try {
    write_report({folder_.path()}, folder_.path() / "report.html");
  } catch (const std::exception& e) {
    console_.print(fmt::format("warning: report.html was not written: {}", e.what()));
  }
}

void PretrainRun::evaluate_if_due() {
  const int64_t done = trainer_->steps_done();
  const bool phase_ends = done == phase().last_step();
  if (done == 0 || done == total_steps() || !(phase_ends || due(recipe_.log.eval_every))) return;
  log_evaluation(false);
  show_samples();
  if (phase_ends) log_needles();
  refresh_report();
}

bool PretrainRun::log_evaluation(bool last) {
  const HeldOutResult e = evaluate(last);
  HeldOutResult average;
  if (e.tokens > 0 && recipe_.train.ema_decay > 0) trainer_->with_average(ctx(), [&] { average = evaluate(last); });
  if (last && stop_is_requested()) return false;
  const int64_t step = trainer_->steps_done();
  Json record{{"step", step}, {"train_seconds", train_seconds_}, {"unix_time", unix_time()}, {"final", last}};
  if (e.tokens > 0) {
    console_.print(
        fmt::format("{} step {}: held-out {:.4f} nats per token, {:.4f} bits per byte ({} tokens, {} of training)",
                    last ? "final      " : "evaluation ", step, e.nats_per_token, e.bits_per_byte,
                    human_count(double(e.tokens)), human_time(train_seconds_)));
    record["eval_nats_per_token"] = e.nats_per_token;
    record["eval_bits_per_byte"] = e.bits_per_byte;
    record["eval_tokens"] = e.tokens;
  }
  if (e.tokens > 0 || last) log_->write(record);  // without held-out text too: the run is at its end
  if (average.tokens > 0) {
    console_.print(fmt::format("            with averaged parameters {:.4f} nats per token, {:.4f} bits per byte",
                               average.nats_per_token, average.bits_per_byte));
    log_->write({{"step", step},
                 {"eval_average_nats_per_token", average.nats_per_token},
                 {"eval_average_bits_per_byte", average.bits_per_byte}});
  }
  if (recipe_.log.choices.empty()) return true;
  Likelihood likelihood(ctx(), *model_, model_->max_positions());
  const ChoiceResult result = answer_choices(ctx(), likelihood, tokenizer_, load_choices({recipe_.log.choices}));
  const double right = double(result.by_byte) / double(result.questions);
  console_.print(fmt::format("            {:.1f} % of {} questions answered correctly (guessing: {:.1f} %)",
                             100 * right, result.questions, 100 * result.chance));
  log_->write({{"step", step}, {"eval_choices", right}, {"eval_choices_chance", result.chance}});
  return true;
}

// In the lengths asked for that the model takes by now.
void PretrainRun::log_needles() {
  NeedleOptions options = needle_options();
  for (double length : recipe_.log.needle_lengths)
    if (int64_t(length) <= model_->max_positions()) options.lengths.push_back(int64_t(length));
  if (options.lengths.empty()) return;
  Likelihood likelihood(ctx(), *model_, model_->max_positions());
  std::map<int64_t, int64_t> found;
  for (const NeedleCell& cell : find_needles(ctx(), likelihood, tokenizer_, options)) found[cell.length] += cell.found;
  std::string line;
  Json record{{"step", trainer_->steps_done()}};
  for (const auto& [length, n] : found) {
    const double share = double(n) / double(options.depths * options.trials);
    line += fmt::format("{}{:.0f} % at {} tokens", line.empty() ? "" : ", ", 100 * share, length);
    record[fmt::format("eval_needle_{}", length)] = share;
  }
  console_.print("needles     found " + line);
  log_->write(record);
}

void PretrainRun::dump_skip(const StepReport& r) {
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
      lines += Json{{"tokens", ids}, {"text", valid_utf8(tokenizer_.decode(ids, false))}}.dump() + "\n";
    }
  write_file_atomic(folder.path() / "batch.jsonl", lines);
  folder.commit();
}

void PretrainRun::show_samples() {
  const auto& log = recipe_.log;
  if (log.sample_tokens == 0) return;
  std::vector<std::string> prompts = log.sample_prompts;
  if (prompts.empty()) prompts.push_back(tokenizer_.bos_id() >= 0 ? "" : "\n");
  Engine engine(ctx(), *model_, sample_settings(*model_));
  for (size_t i = 0; i < prompts.size(); ++i) {
    const std::vector<int32_t> ids = tokenizer_.encode(prompts[i], {.add_bos = true});
    if (ids.empty()) continue;
    const auto made = generate(ctx(), engine,
                               {.prompt = ids,
                                .max_new = log.sample_tokens,
                                .sampling = {.temperature = 0.7, .top_p = 0.95, .seed = recipe_.train.seed + i}},
                               [&](const NewToken& t) { return t.token != tokenizer_.eos_id(); });
    const std::string text = valid_utf8(tokenizer_.decode(made, true));  // it may end within a character
    console_.print(fmt::format("sample      {}▶{}", prompts[i], text));
    log_->write({{"step", trainer_->steps_done()}, {"prompt", prompts[i]}, {"sample", text}});
  }
}

void PretrainRun::show_balance() {
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
