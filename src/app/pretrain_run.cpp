#include "app/pretrain_run.h"

#include <chrono>
#include <cmath>
#include <csignal>
#include <nlohmann/json.hpp>
#include <numbers>

#include "data/hash.h"
#include "infer/generate.h"
#include "model/checkpoint.h"
#include "spec/counts.h"

namespace minke {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); }

volatile std::sig_atomic_t stop_requested = 0;

// The first signal asks the run to save and end, the second one ends it at once.
extern "C" void on_stop(int signal) {
  if (stop_requested) std::_Exit(128 + signal);
  stop_requested = 1;
}

// Masters, gradients, two moments in FP32, and the form that products are computed with.
double weight_bytes(const Config& config, const std::string& precision) {
  double bytes = 0;
  for (const Storage& s : storages(config)) {
    const double form = s.shape.size() < 2 ? 0 : precision == "bf16" ? 2 : 4;
    bytes += double(s.size()) * ((s.trainable ? 16 : 4) + form);
  }
  return bytes;
}

// What a run may use of the machine.
double available_memory() { return 0.9 * double(machine_memory()); }

// A resumed run keeps the recipe it was started with. A mistake in [model] is said before anything is written.
Recipe checked_recipe(Recipe recipe, const fs::path& folder) {
  const fs::path stored = folder / "recipe.toml";
  if (fs::exists(stored)) return load_recipe(stored);
  for (const std::string& source : recipe.data.train) document_files(source);
  const Config config = model_config(recipe, 1, -1, -1);
  if (const double weights = weight_bytes(config, recipe.train.precision); weights > available_memory())
    user_error(
        "recipe [model]: hidden_size {}, num_hidden_layers {}, n_routed_experts {} … need {} for weights, gradients "
        "and "
        "moments, but {} are there: make the model smaller",
        config.hidden_size, config.num_hidden_layers, config.n_routed_experts, human_bytes(weights),
        human_bytes(available_memory()));
  return recipe;
}

std::string tensors_hash(const fs::path& file) { return fmt::format("{:016x}", hash64(MappedFile(file).text())); }

RuntimeOptions seeded(RuntimeOptions o, uint64_t seed) {
  o.seed = seed;
  return o;
}

}  // namespace

RunFolder::RunFolder(const fs::path& folder, bool resume) : path_(folder) {
  if (!resume && fs::exists(folder / "recipe.toml"))
    user_error("{} already holds a run: continue it with --resume, or choose another --out", folder.string());
  std::error_code error;
  is_new_ = fs::create_directories(folder, error);
  if (error) user_error("cannot make the folder {}: {}", folder.string(), error.message());
}

RunFolder::~RunFolder() {
  std::error_code not_empty;
  if (is_new_) fs::remove(path_, not_empty);
}

PretrainRun::PretrainRun(Recipe recipe, fs::path folder, bool resume, RuntimeOptions runtime)
    : recipe_(checked_recipe(std::move(recipe), folder)),
      run_folder_(folder, resume),
      folder_(run_folder_.path()),
      runtime_(seeded(runtime, recipe_.train.seed)),
      tokenizer_((console_.print(runtime_.description()),
                  prepare_tokenizer(recipe_, folder_, ctx().threads->count(), console_))),
      data_(prepare_data(recipe_, tokenizer_, folder_, ctx().threads->count(), console_)) {
  const auto& t = recipe_.train;
  micro_batch_ = t.micro_batch_size > 0 ? t.micro_batch_size : t.batch_size;
  PackingOptions packing{.sequence_length = t.sequence_length,
                         .seed = t.seed,
                         .fim_rate = recipe_.data.fim_rate,
                         .begins_with_bos = tokenizer_.bos_id() >= 0,
                         .ends_with_eos = data_.eos >= 0};
  if (recipe_.data.fim_rate > 0)
    packing.fim = {tokenizer_.id_of("<｜fim▁begin｜>").value_or(-1), tokenizer_.id_of("<｜fim▁hole｜>").value_or(-1),
                   tokenizer_.id_of("<｜fim▁end｜>").value_or(-1)};
  loader_.emplace(std::vector<LoaderSource>{{&data_.train}}, packing, std::max<int32_t>(data_.eos, 0));
  model_.emplace(ctx(), model_config(recipe_, tokenizer_.vocab_size(), tokenizer_.bos_id(), tokenizer_.eos_id()),
                 t.precision == "bf16" ? Precision::bf16() : Precision::f32(), t.sequence_length);
  announce();
  model_->weights().initialise(ctx(), model_->config().initializer_range);
  trainer_.emplace(ctx(), *model_, train_settings(recipe_, 1),
                   std::make_unique<PlainExecutor>(ctx(), *model_, micro_batch_, t.sequence_length));
  decide_steps();
  trainer_->set_settings(train_settings(recipe_, recipe_.train.steps));
  load_latest();
  log_.emplace(folder_ / "log.jsonl", trainer_->steps_done());
}

// What the run will need, in words, before it is touched: the weights are only address space until they are filled.
void PretrainRun::announce() {
  const auto& t = recipe_.train;
  const Counts counts = count_parameters(model_->config());
  const double weights = weight_bytes(model_->config(), t.precision);
  const auto activations = [&](int64_t sequences) {
    return double(PlainExecutor::activation_bytes(*model_, sequences, t.sequence_length));
  };
  console_.print(fmt::format("model       {} with {} layers: {} parameters, {} active a token",
                             model_->config().model_type, model_->config().num_hidden_layers,
                             human_count(double(counts.total)), human_count(double(counts.active_head_only))));
  console_.print(fmt::format("memory      {} weights, gradients and moments + {} activations of {} × {} tokens",
                             human_bytes(weights), human_bytes(activations(micro_batch_)), micro_batch_,
                             t.sequence_length));
  const double available = available_memory();
  if (weights + activations(micro_batch_) <= available) return;
  int64_t fits = micro_batch_;
  while (fits > 0 && (t.batch_size % fits != 0 || weights + activations(fits) > available)) --fits;
  if (fits == 0)
    user_error(
        "this run needs {} even with one sequence at a time, but {} are there: make the model or the sequences smaller",
        human_bytes(weights + activations(1)), human_bytes(available));
  user_error("this run needs {} but {} are there: set train.micro_batch_size = {}",
             human_bytes(weights + activations(micro_batch_)), human_bytes(available), fits);
}

// minutes → steps: a few gradients are timed, weights are left alone. The number goes into the stored recipe, so a
// resumed run has the same schedule.
void PretrainRun::decide_steps() {
  auto& t = recipe_.train;
  if (t.steps == 0) {
    const SequenceBatch batch = loader_->batch({}, t.batch_size);
    const TokenBatch one = token_batch(batch, 0, micro_batch_);
    trainer_->time_step(ctx(), {&one, 1});  // touches all memory
    constexpr int kTimed = 4;
    const auto begin = Clock::now();
    for (int i = 0; i < kTimed; ++i) trainer_->time_step(ctx(), {&one, 1});
    const double step = seconds_since(begin) / kTimed * double(t.batch_size / micro_batch_);
    constexpr double kReserve = 0.92;  // evaluations, samples, checkpoints
    t.steps = std::max<int64_t>(10, int64_t(t.minutes * 60 * kReserve / step));
    t.minutes = 0;
    console_.print(fmt::format("schedule    {:.0f} ms a step: {} steps", step * 1e3, t.steps));
  }
  const fs::path stored = folder_ / "recipe.toml";
  if (const std::string text = recipe_to_toml(recipe_); !fs::exists(stored) || read_file(stored) != text)
    write_file_atomic(stored, text);
}

void PretrainRun::load_latest() {
  const fs::path latest = folder_ / "latest";
  if (!fs::exists(fs::symlink_status(latest))) return;
  const fs::path state = latest / "train" / "state.json";
  const Json j = parse_json(read_file(state, 1 << 20), state.string());
  const auto damaged = [&](std::string_view what) {
    user_error("{}: {}; delete this checkpoint and point `latest` to an older one", state.string(), what);
  };
  int64_t step = 0;
  std::string hash;
  try {
    position_ = {j.at("epoch").get<uint64_t>(), j.at("sequence").get<uint64_t>()};
    train_seconds_ = j.at("train_seconds").get<double>();
    step = j.at("step").get<int64_t>();
    hash = j.at("tensors_hash").get<std::string>();
  } catch (const nlohmann::json::exception&) {
    damaged("a field is missing or of the wrong type");
  }
  if (step < 0 || step > recipe_.train.steps) damaged(fmt::format("step {} of a run of {}", step, recipe_.train.steps));
  if (position_.epoch > uint64_t(step * recipe_.train.batch_size) ||
      position_.sequence_index >= loader_->sequences_in_epoch(position_.epoch))
    damaged(fmt::format("sequence {} of epoch {} after {} steps is not in this data", position_.sequence_index,
                        position_.epoch, step));
  if (hash != tensors_hash(latest / "train" / "state.safetensors"))
    damaged("state.safetensors beside it is damaged (checksum)");
  load_tensors(ctx(), trainer_->state(), latest / "train" / "state.safetensors");
  trainer_->resumed_at(step);
  console_.print(fmt::format("resumed     at step {} of {} from {}, with the recipe it was started with",
                             trainer_->steps_done(), recipe_.train.steps, fs::read_symlink(latest).string()));
}

TokenBatch PretrainRun::token_batch(const SequenceBatch& b, int64_t begin, int64_t count) const {
  const int64_t t = b.sequence_length;
  TokenBatch out{.num_sequences = count, .sequence_length = t};
  for (int64_t s = begin; s < begin + count; ++s) {
    const int32_t* row = b.tokens.data() + s * (t + 1);
    out.tokens.insert(out.tokens.end(), row, row + t);
    for (int64_t i = 1; i <= t; ++i) out.targets.push_back(i < b.num_valid[s] ? row[i] : -1);
    if (recipe_.data.mask_documents)
      out.document_start.insert(out.document_start.end(), b.document_start.begin() + s * t,
                                b.document_start.begin() + (s + 1) * t);
  }
  return out;
}

StepReport PretrainRun::train_step() {
  const int64_t size = recipe_.train.batch_size;
  const SequenceBatch batch = loader_->batch(position_, size);
  std::vector<TokenBatch> micro;
  for (int64_t begin = 0; begin < size; begin += micro_batch_) micro.push_back(token_batch(batch, begin, micro_batch_));
  StepReport report = trainer_->step(ctx(), micro);
  position_ = loader_->advance(position_, uint64_t(size));
  return report;
}

Evaluation PretrainRun::evaluate(int64_t max_tokens) {
  Evaluation e;
  if (data_.held_out.num_tokens() == 0) return e;
  const int64_t t = recipe_.train.sequence_length;
  const EvalWindows windows(data_.held_out, t, std::max<int32_t>(data_.eos, 0));
  double nats = 0;
  uint64_t bytes = 0;
  for (uint64_t w = 0; w < windows.num_windows() && e.tokens < max_tokens;) {
    TokenBatch batch{.sequence_length = t};
    for (; w < windows.num_windows() && batch.num_sequences < micro_batch_; ++w, ++batch.num_sequences) {
      const EvalWindows::Window window = windows.window(w);
      batch.tokens.insert(batch.tokens.end(), window.tokens.begin(), window.tokens.begin() + t);
      for (int64_t i = 1; i <= t; ++i) batch.targets.push_back(i <= window.num_targets ? window.tokens[i] : -1);
      if (recipe_.data.mask_documents)
        batch.document_start.insert(batch.document_start.end(), window.document_start.begin(),
                                    window.document_start.end());
      bytes += window.text_bytes;
    }
    const LossSums sums = trainer_->losses(ctx(), batch, false);
    nats += sums.nats[0];
    e.tokens += sums.targets[0];
  }
  e.nats_per_token = nats / double(e.tokens);
  e.bits_per_byte = nats / std::numbers::ln2 / double(std::max<uint64_t>(bytes, 1));
  return e;
}

bool PretrainRun::due(double every) const {
  const double n = double(recipe_.train.steps), done = double(trainer_->steps_done());
  return std::floor(done / n / every + 1e-9) > std::floor((done - 1) / n / every + 1e-9);
}

void PretrainRun::log_step(const StepReport& r, double seconds) {
  const double rate = double(r.tokens) / seconds;
  recent_rate_ = recent_rate_ == 0 ? rate : 0.9 * recent_rate_ + 0.1 * rate;
  const double left = double(recipe_.train.steps - r.step) * double(r.tokens) / recent_rate_;
  console_.progress(step_line({.step = r.step,
                               .steps = recipe_.train.steps,
                               .loss = r.loss,
                               .lr = r.lr,
                               .grad_norm = r.grad_norm,
                               .tokens_per_second = recent_rate_,
                               .eta_seconds = left,
                               .mtp_loss = r.mtp_loss,
                               .load_max_over_mean = r.load.empty() ? 0 : r.load_max_over_mean()}),
                    r.step, recipe_.train.steps);
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
  if (r.skipped) j["skipped"] = true;
  log_->write(j);
  if (r.skipped) console_.print(fmt::format("step {}: the gradient is not finite; this step was skipped", r.step));
}

void PretrainRun::log_evaluation(bool last) {
  const Evaluation e = evaluate(last ? std::numeric_limits<int64_t>::max() : recipe_.log.eval_tokens);
  if (e.tokens == 0) return;
  console_.print(
      fmt::format("{} step {}: held-out {:.4f} nats per token, {:.4f} bits per byte ({} tokens, {} of training)",
                  last ? "final      " : "evaluation ", trainer_->steps_done(), e.nats_per_token, e.bits_per_byte,
                  human_count(double(e.tokens)), human_time(train_seconds_)));
  log_->write({{"step", trainer_->steps_done()},
               {"eval_nats_per_token", e.nats_per_token},
               {"eval_bits_per_byte", e.bits_per_byte},
               {"eval_tokens", e.tokens},
               {"train_seconds", train_seconds_},
               {"final", last}});
}

void PretrainRun::show_samples() {
  const auto& log = recipe_.log;
  if (log.sample_tokens == 0) return;
  std::vector<std::string> prompts = log.sample_prompts;
  if (prompts.empty()) prompts.push_back(tokenizer_.bos_id() >= 0 ? "" : "\n");
  for (size_t i = 0; i < prompts.size(); ++i) {
    const std::vector<int32_t> ids = tokenizer_.encode(prompts[i], {.add_bos = true});
    if (ids.empty() || int64_t(ids.size()) >= model_->max_positions()) continue;
    Generator generator(ctx(), *model_, model_->max_positions());
    const auto made = generator.generate(ctx(), ids, log.sample_tokens,
                                         {.temperature = 0.7, .top_p = 0.95, .seed = recipe_.train.seed + i},
                                         [&](int32_t token) { return token != tokenizer_.eos_id(); });
    const std::string text = tokenizer_.decode(made, true);
    console_.print(fmt::format("sample      {}▶{}", prompts[i], text));
    log_->write({{"step", trainer_->steps_done()}, {"prompt", prompts[i]}, {"sample", text}});
  }
}

void PretrainRun::save() {
  const fs::path checkpoints = folder_ / "checkpoints";
  fs::create_directories(checkpoints);
  const std::string name = fmt::format("step-{:06}", trainer_->steps_done());
  {
    AtomicFolder folder(checkpoints / name);
    save_weights(ctx(), *model_, folder.path(), recipe_.train.precision == "bf16" ? DType::bf16 : DType::f32);
    tokenizer_.save(folder.path());
    const fs::path state = folder.path() / "train";
    fs::create_directories(state);
    save_tensors(ctx(), trainer_->state(), state / "state.safetensors");
    write_file_atomic(state / "state.json", Json{{"step", trainer_->steps_done()},
                                                 {"epoch", position_.epoch},
                                                 {"sequence", position_.sequence_index},
                                                 {"train_seconds", train_seconds_},
                                                 {"tensors_hash", tensors_hash(state / "state.safetensors")}}
                                                .dump(2));
    folder.commit();
  }
  const fs::path link = folder_ / "latest.tmp";
  fs::remove(link);
  fs::create_directory_symlink(fs::path("checkpoints") / name, link);
  fs::rename(link, folder_ / "latest");
  std::vector<fs::path> all;
  for (const auto& entry : fs::directory_iterator(checkpoints))
    if (entry.path().filename().string().starts_with("step-") && entry.path().extension().empty())
      all.push_back(entry.path());
  std::sort(all.begin(), all.end());
  for (size_t i = 0; i + size_t(recipe_.log.keep) < all.size(); ++i) fs::remove_all(all[i]);
}

bool PretrainRun::run() {
  stop_requested = 0;
  std::signal(SIGINT, on_stop);
  std::signal(SIGTERM, on_stop);
  const auto& log = recipe_.log;
  while (trainer_->steps_done() < recipe_.train.steps) {
    const auto begin = Clock::now();
    const StepReport report = train_step();
    const double seconds = seconds_since(begin);
    train_seconds_ += seconds;
    log_step(report, seconds);
    const bool last = report.step == recipe_.train.steps;
    // Saved before evaluated: a crash in an evaluation must not cost the run.
    const bool stop = stop_requested && !last;
    if (last || due(log.save_every) || stop) save();
    if (!last && due(log.eval_every)) {  // also when stopping: the resumed run begins after this step
      log_evaluation(false);
      show_samples();
    }
    if (stop) {
      console_.print(
          fmt::format("stopped     at step {}: saved in {}; continue with --resume", report.step, folder_.string()));
      return false;
    }
  }
  log_evaluation(true);
  show_samples();
  console_.print(fmt::format("done        {} steps in {}; the model is {}", recipe_.train.steps,
                             human_time(train_seconds_), (folder_ / "latest").string()));
  return true;
}

}  // namespace minke
