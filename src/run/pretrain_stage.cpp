#include "run/pretrain_stage.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "core/clock.h"
#include "core/human_numbers.h"
#include "eval/choices.h"
#include "eval/needle.h"
#include "recipe/model_config.h"
#include "run/samples.h"
#include "run/settings.h"
#include "train/micro_batches.h"

namespace minke {
namespace {

NeedleOptions needle_options() { return {.lengths = {}, .depths = 5, .trials = 4}; }

constexpr std::string_view kUnread[] = {"sft.", "reward_model.", "grpo.", "ppo.", "eval.", "sample."};

// A resumed run keeps the recipe it was started with. A mistake in the questions or in [model] is said before
// anything is written.
Recipe checked_recipe(const Recipe& recipe, const fs::path& folder) {
  const std::optional<Recipe> stored = stored_recipe(folder, RecipeOf::pretraining);
  if (!stored) {
    check_pretrain_recipe(recipe);
    return recipe;
  }
  refuse_unread_keys(*stored, "pretrain", kUnread);  // it may have been edited; the texts are no longer needed
  if (!stored->log.choices.empty()) load_choices({stored->log.choices});
  return *stored;
}

}  // namespace

void check_pretrain_recipe(const Recipe& recipe) {
  refuse_unread_keys(recipe, "pretrain", kUnread);
  if (!recipe.log.choices.empty()) load_choices({recipe.log.choices});
  for (const std::string& source : recipe.data.train) source_files(source, recipe.data.text_keys);
  const Config config = model_config(recipe, 1, -1, -1);
  if (const double weights = weight_bytes(config, recipe); weights > available_memory())
    user_error(
        "recipe [model]: hidden_size {}, num_hidden_layers {}, n_routed_experts {} … need {} of memory for weights, "
        "gradients "
        "and moments, but only {} are available: make the model smaller",
        config.hidden_size, config.num_hidden_layers, config.n_routed_experts, human_bytes(weights),
        human_bytes(available_memory()));
}

bool pretrain(Recipe recipe, const fs::path& folder, bool resume, const RunMachine& machine) {
  recipe = checked_recipe(std::move(recipe), folder);
  const RunFolder run_folder(folder, resume);
  Console console;
  machine.say(console);
  PretrainStage stage(recipe, run_folder, machine.ctx.threads->count(), console);
  return TrainingRun(recipe, run_folder, stage, machine, console).run();
}

PretrainStage::PretrainStage(const Recipe& recipe, const RunFolder& folder, int threads, Console& console)
    : recipe_(recipe),
      tokenizer_(prepare_tokenizer(recipe_, folder, threads, console)),
      data_((check_log(), prepare_data(recipe_, tokenizer_, folder, threads, console))),
      config_(model_config(recipe_, tokenizer_.vocab_size(), tokenizer_.bos_id(), tokenizer_.eos_id())) {}

void PretrainStage::initialise(const Context& ctx, Model& model) {
  model.weights().initialise(ctx, config_.initializer_range);
}

void PretrainStage::enter_phase(const Phase& phase) {
  std::vector<LoaderSource> sources;
  for (const TokenSet& tokens : data_.train) sources.push_back({&tokens});
  for (size_t i = 0; i < recipe_.data.weights.size(); ++i) sources[i].weight = recipe_.data.weights[i];
  loader_.emplace(sources, packing_options(recipe_, phase, tokenizer_, data_.eos), std::max<int32_t>(data_.eos, 0));
  micro_batch_size_ = phase.micro_batch_size;
}

std::vector<TokenBatch> PretrainStage::batches(const Context&, Trainer&, LoaderPosition position, int64_t size) {
  return micro_batches(loader_->batch(position, size), micro_batch_size_, recipe_.data.mask_documents);
}

LoaderPosition PretrainStage::after(LoaderPosition position, int64_t size) const {
  return loader_->advance(position, uint64_t(size));
}

LoaderPosition PretrainStage::in_next_phase(LoaderPosition position) const {
  return loader_->num_sources() == 1 ? LoaderPosition{position.epoch + 1, 0} : position;
}

bool PretrainStage::has(LoaderPosition position) const {
  return loader_->num_sources() > 1 || position.sequence_index < loader_->sequences_in_epoch(position.epoch);
}

double PretrainStage::epochs(LoaderPosition position) const { return loader_->epochs(position); }

void PretrainStage::check_log() const {
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

HeldOutResult PretrainStage::held_out(const RunView& run, bool last) {
  HeldOutSettings settings{.sequence_length = run.phase.sequence_length,
                           .batch_size = run.phase.micro_batch_size,
                           .mask_documents = recipe_.data.mask_documents,
                           .start_token = std::max<int32_t>(data_.eos, 0)};
  if (last) settings.stop = run.stop;
  else settings.max_tokens = recipe_.log.eval_tokens;
  return evaluate_held_out(data_.held_out, settings,
                           [&](const TokenBatch& batch) { return run.trainer.losses(run.ctx, batch, false).nats[0]; });
}

bool PretrainStage::evaluate(const RunView& run, bool last) {
  const HeldOutResult e = held_out(run, last);
  HeldOutResult average;
  if (e.tokens > 0 && recipe_.train.ema_decay > 0)
    run.trainer.with_average(run.ctx, [&] { average = held_out(run, last); });
  if (last && run.stop()) return false;
  const int64_t step = run.step();
  Json record{{"step", step}, {"train_seconds", run.train_seconds}, {"unix_time", unix_time()}, {"final", last}};
  if (e.tokens > 0) {
    run.console.print(
        fmt::format("{} step {}: held-out {:.4f} nats per token, {:.4f} bits per byte ({} tokens, {} of training)",
                    last ? "final      " : "evaluation ", step, e.nats_per_token, e.bits_per_byte,
                    human_count(double(e.tokens)), human_time(run.train_seconds)));
    record["eval_nats_per_token"] = e.nats_per_token;
    record["eval_bits_per_byte"] = e.bits_per_byte;
    record["eval_tokens"] = e.tokens;
  }
  if (e.tokens > 0 || last) run.log.write(record);  // without held-out text too: the run is at its end
  if (average.tokens > 0) {
    run.console.print(fmt::format("            with averaged parameters {:.4f} nats per token, {:.4f} bits per byte",
                                  average.nats_per_token, average.bits_per_byte));
    run.log.write({{"step", step},
                   {"eval_average_nats_per_token", average.nats_per_token},
                   {"eval_average_bits_per_byte", average.bits_per_byte}});
  }
  if (recipe_.log.choices.empty()) return true;
  Likelihood likelihood(run.ctx, run.model, run.model.max_positions());
  const ChoiceResult result = answer_choices(run.ctx, likelihood, tokenizer_, load_choices({recipe_.log.choices}));
  const double right = double(result.by_byte) / double(result.questions);
  run.console.print(fmt::format("            {:.1f} % of {} questions answered correctly (guessing: {:.1f} %)",
                                100 * right, result.questions, 100 * result.chance));
  run.log.write({{"step", step}, {"eval_choices", right}, {"eval_choices_chance", result.chance}});
  return true;
}

// In the lengths asked for that the model takes by now.
void PretrainStage::phase_has_ended(const RunView& run) {
  NeedleOptions options = needle_options();
  for (double length : recipe_.log.needle_lengths)
    if (int64_t(length) <= run.model.max_positions()) options.lengths.push_back(int64_t(length));
  if (options.lengths.empty()) return;
  Likelihood likelihood(run.ctx, run.model, run.model.max_positions());
  std::map<int64_t, int64_t> found;
  for (const NeedleCell& cell : find_needles(run.ctx, likelihood, tokenizer_, options))
    found[cell.length] += cell.found;
  std::string line;
  Json record{{"step", run.step()}};
  for (const auto& [length, n] : found) {
    const double share = double(n) / double(options.depths * options.trials);
    line += fmt::format("{}{:.0f} % at {} tokens", line.empty() ? "" : ", ", 100 * share, length);
    record[fmt::format("eval_needle_{}", length)] = share;
  }
  run.console.print("needles     found " + line);
  run.log.write(record);
}

void PretrainStage::show_samples(const RunView& run) {
  const auto& log = recipe_.log;
  if (log.sample_tokens == 0) return;
  std::vector<std::string> prompts = log.sample_prompts;
  if (prompts.empty()) prompts.push_back(tokenizer_.bos_id() >= 0 ? "" : "\n");
  Engine engine(run.ctx, run.model, sample_settings(run.model));
  for (size_t i = 0; i < prompts.size(); ++i) {
    const std::vector<int32_t> ids = tokenizer_.encode(prompts[i], {.add_bos = true});
    if (ids.empty()) continue;
    write_sample(run, engine, tokenizer_, ids, prompts[i], recipe_.train.seed + i);
  }
}

}  // namespace minke
