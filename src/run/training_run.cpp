#include "run/training_run.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/clock.h"
#include "core/human_numbers.h"
#include "core/machine_memory.h"
#include "infer/diverged.h"
#include "model/checkpoint.h"
#include "recipe/scaling_law.h"
#include "run/settings.h"
#include "run/stop_signals.h"

namespace minke {
namespace {

constexpr int64_t kSkipsBeforeRollback = 5;  // in a row: then it is not the batch, it is the weights

}  // namespace

double available_memory() { return 0.9 * double(machine_memory()); }

std::optional<Recipe> stored_recipe(const fs::path& folder, RecipeOf kind) {
  const fs::path stored = folder / "recipe.toml";
  if (!fs::exists(stored)) return std::nullopt;
  if (const std::string verb = stored_verb(folder); !verb.empty() && verb != name_of(kind))
    user_error("{} is a run of minke {}: continue it with minke {}, or choose another --out", folder.string(), verb,
               verb);
  return load_recipe(stored, {}, "", kind);
}

void RunMachine::say(Console& console) const {
  console.print(description);
  if (!note.empty()) console.print("note        " + note);
}

TrainingRun::TrainingRun(Recipe recipe, const RunFolder& folder, Stage& stage, const RunMachine& machine,
                         Console& console)
    : recipe_(std::move(recipe)),
      folder_(folder),
      stage_(stage),
      console_(console),
      ctx_(machine.ctx),
      machine_(machine.description) {
  ctx_.rng = {.seed = recipe_.train.seed};
  peak_ = machine.product_peak(ctx(), precision(recipe_).compute);
  announce();
  if (!folder_.has_checkpoint()) {
    decide_steps();
  } else {
    if (recipe_.train.steps == 0)
      user_error("{}: train.steps is 0, but the run has already begun", folder_.recipe().string());
    phases_ = plan_phases(recipe_);
    const RunState s = load_latest();
    rollbacks_ = s.rollbacks;
    train_seconds_ = s.train_seconds;
    console_.print(fmt::format("resumed     at step {} of {} from {}, with the recipe stored in the run",
                               trainer_->steps_done(), total_steps(), fs::read_symlink(folder_.latest()).string()));
  }
  log_.emplace(folder_.path(), trainer_->steps_done());
  log_start();
}

// What the run will need, in words, before any of it is taken; refused with the micro-batch that fits.
void TrainingRun::announce() {
  const Counts counts = this->counts();
  console_.print(fmt::format("model       {} with {} layers: {} parameters, {} active per token",
                             name_of(stage_.config().model_type), stage_.config().num_hidden_layers,
                             human_count(double(counts.total)), human_count(double(counts.active_head_only))));
  const std::string note = stage_.tokenizer().note_beside(config_to_json(stage_.config(), "").dump());
  if (!note.empty()) console_.print(note);
  Recipe planned = recipe_;
  planned.train.steps = std::max<int64_t>(1, planned.train.steps);  // not known yet, and not needed here
  const double available = available_memory();
  const ProcessMemory process = process_memory();
  double scratch = 0;
  const std::vector<Phase> phases = plan_phases(planned);
  for (const Phase& p : phases) {
    const auto need = [&](int64_t sequences) {
      MemoryEstimate m =
          training_memory(ctx(), phase_config(stage_.config(), recipe_, p), recipe_, p, sequences, stage_.memory());
      m.process = double(process.now), m.reached = double(process.most);
      return m;
    };
    const MemoryEstimate m = need(p.micro_batch_size);
    scratch = std::max(scratch, m.scratch);
    if (m.sum() > memory_.sum()) memory_ = m, largest_phase_ = size_t(&p - phases.data());
    if (m.sum() <= available) continue;
    int64_t fits = p.micro_batch_size;
    while (fits > 0 && (p.largest_batch() % fits != 0 || need(fits).sum() > available)) --fits;
    if (fits == 0)
      user_error(
          "this run needs {} of memory even with one sequence of {} tokens at a time, but only {} are available: make "
          "the model or "
          "the sequences smaller, or recompute = [\"attention\", \"ffn\"]",
          human_bytes(need(1).sum()), p.sequence_length, human_bytes(available));
    const size_t number = size_t(&p - phases.data());
    user_error("this run needs {} of memory, but only {} are available: set {}micro_batch_size = {}{}{}",
               human_bytes(m.sum()), human_bytes(available), number == 0 ? "train." : "", fits,
               number == 0 ? "" : fmt::format(" in [[long_context]] phase {}", number),
               folder_.has_begun() ? " in " + folder_.recipe().string() : "");
  }
  console_.print("memory      " + memory_.text());
  scratch_.emplace(ctx().backend->memory(), size_t(scratch));
  ctx_.scratch = &*scratch_;
}

// minutes → steps: a few gradients are timed, weights are left alone. The number goes into the stored recipe, so a
// resumed run has the same number. The largest micro-batch of all phases comes first: if memory does not suffice, the run
// ends before its first step.
void TrainingRun::decide_steps() {
  auto& t = recipe_.train;
  const bool from_minutes = t.steps == 0;
  if (from_minutes) t.steps = 1;
  phases_ = plan_phases(recipe_);
  const auto try_step = [&] {
    const int64_t size = phase().micro_batch_size;
    trainer_->time_step(ctx(), stage_.largest_batch(ctx(), *trainer_, size));
  };
  enter_phase(largest_phase_);
  try_step();
  if (phase_ != 0) enter_phase(0);
  if (from_minutes) {
    constexpr int kTimed = 4;
    try_step();
    const auto begin = Clock::now();
    for (int i = 0; i < kTimed; ++i) try_step();
    const double step = seconds_since(begin) / kTimed * double(t.batch_size / phase().micro_batch_size);
    t.steps = steps_in_minutes(recipe_, stage_.config(), step);
    t.minutes = 0;
    phases_ = plan_phases(recipe_);
    trainer_->set_settings(settings(phase()));
    console_.print(fmt::format("steps       {} steps of {:.0f} ms", t.steps, step * 1e3));
  }
  const double compute = phase().tokens * training_flops_per_token(stage_.config(), t.sequence_length);
  console_.print(fmt::format(
      "compute     {} tokens, {:.2g} FLOPs; the scaling rule of the LLM paper suggests lr {:.1e} and {} tokens per "
      "batch (this run: {:.1e} and {})",
      human_count(phase().tokens), compute, suggested_lr(compute), human_count(suggested_batch_tokens(compute)), t.lr,
      human_count(double(t.batch_size * t.sequence_length))));
  if (const std::string text = recipe_to_toml(recipe_); !folder_.has_begun() || read_file(folder_.recipe()) != text)
    write_file_atomic(folder_.recipe(), text);
}

// A value head has one row where the other has one for each token of the vocabulary.
Counts TrainingRun::counts() const {
  Counts c = count_parameters(stage_.config());
  if (stage_.memory().head == Head::tokens) return c;
  const int64_t row = stage_.config().hidden_size;
  c.total += row - c.head;
  c.active_head_only = c.active_no_embedding_no_head + row;
  return c;
}

double TrainingRun::step_flops() const {
  const Config& c = model_->config();
  const double rows = model_->is_critic() ? double(c.vocab_size - 1) : 0;
  return training_flops(c, phase().sequence_length).all() - 6 * rows * double(c.hidden_size);
}

void TrainingRun::enter_phase(size_t index) {
  trainer_.reset();
  model_.reset();
  phase_ = index;
  const Phase& p = phase();
  stage_.enter_phase(p);
  const StageMemory memory = stage_.memory();
  model_.emplace(ctx(), phase_config(stage_.config(), recipe_, p), precision(recipe_), p.sequence_length, nullptr,
                 memory.head);
  model_->set_recompute(recompute(recipe_));
  stage_.initialise(ctx(), *model_);
  trainer_.emplace(ctx(), *model_, settings(p),
                   std::make_unique<PlainExecutor>(ctx(), *model_, p.micro_batch_size, p.sequence_length,
                                                   memory.replays_experts, memory.trains_mtp));
  trainer_->on_skip = [this](const StepReport& r) { dump_skip(r); };
}

TrainSettings TrainingRun::settings(const Phase& phase) const {
  TrainSettings s = train_settings(recipe_, phase);
  stage_.adjust(s);
  return s;
}

RunState TrainingRun::load_latest() {
  RunState s = folder_.read_latest();
  const auto damaged = [&](const std::string& what) {
    folder_.damaged((folder_.latest() / "train" / "state.json").string() + ": " + what);
  };
  if (s.step < 0 || s.step > total_steps())
    damaged(fmt::format("step {} of a run with {} steps", s.step, total_steps()));
  if (s.phase < 0 || size_t(s.phase) >= phases_.size() || s.step < phases_[size_t(s.phase)].first_step ||
      s.step > phases_[size_t(s.phase)].last_step() || !(s.tokens >= 0))
    damaged(fmt::format("phase {} at step {} after {} tokens", s.phase, s.step, s.tokens));
  load(s, size_t(s.phase));
  // Sequences there can have been: an epoch has one at least, each phase begins a new one, and rollbacks repeat steps but
  // not the data.
  double most = 0;
  for (size_t i = 0; i <= phase_; ++i)
    most += double(phases_[i].steps) * double(stage_.most_sequences(phases_[i].largest_batch())) + 1;
  most *= double(recipe_.train.max_rollbacks + 1);
  if (double(position_.epoch) > most || double(position_.sequence_index) > most || !stage_.has(position_))
    damaged(fmt::format("sequence {} of epoch {} after {} steps is not in this data", position_.sequence_index,
                        position_.epoch, s.step));
  return s;
}

// From the checkpoint that the phase before has just ended with: the model gets longer positions, and all memory is
// taken anew. Sequences of another length: a new epoch.
void TrainingRun::next_phase() {
  RunState s = folder_.read_latest();
  s.position = stage_.in_next_phase(s.position);
  load(s, phase_ + 1);
  console_.print(fmt::format("phase       {} of {}: sequences of {} tokens, lr {:.1e}, YaRN factor {:g}", phase_ + 1,
                             phases_.size(), phase().sequence_length, phase().lr, phase().yarn_factor));
}

void TrainingRun::load(const RunState& s, size_t index) {
  enter_phase(index);
  position_ = s.position;
  load_tensors(ctx(), tensors(), folder_.state_tensors());
  trainer_->resumed_at(s.step, s.tokens);
  trainer_->load_window() = s.load;
  trainer_->spike_guard().restore(s.good_losses);
  try {
    stage_.restore(s.stage);
  } catch (const UserError& e) {
    folder_.damaged((folder_.latest() / "train" / "state.json").string() + ": " + e.what());
  }
}

std::vector<std::pair<std::string, Operand>> TrainingRun::tensors() const {
  auto all = trainer_->state();
  for (auto& s : stage_.state()) all.push_back(std::move(s));
  return all;
}

void TrainingRun::save() {
  const DType dtype = dtype_of(recipe_.train.precision);
  const RunState state{.step = trainer_->steps_done(),
                       .phase = int64_t(phase_),
                       .rollbacks = rollbacks_,
                       .tokens = trainer_->tokens_done(),
                       .train_seconds = train_seconds_,
                       .position = position_,
                       .load = trainer_->load_window(),
                       .good_losses = trainer_->spike_guard().window(),
                       .stage = stage_.small_state(),
                       .backend = ctx().backend->name(),
                       .verb = std::string(name_of(stage_.kind()))};
  folder_.save(state, recipe_.log.keep, [&](const fs::path& folder) {
    save_weights(ctx(), *model_, folder, dtype);
    stage_.save_files(folder);
    save_tensors(ctx(), tensors(), folder / "train" / "state.safetensors");
    if (recipe_.train.ema_decay <= 0) return;
    fs::create_directories(folder / "average");
    trainer_->with_average(ctx(), [&] { save_weights(ctx(), *model_, folder / "average", dtype); });
    stage_.save_files(folder / "average");
  });
  save_due_ = false;
}

StepReport TrainingRun::train_step() {
  const int64_t size = phase().batch_size(trainer_->tokens_done());
  micro_batches_ = stage_.batches(ctx(), *trainer_, position_, size);
  StepReport report = trainer_->step(ctx(), micro_batches_, stage_.asks_token_losses() ? &token_losses_ : nullptr,
                                     size * phase().sequence_length);
  position_ = stage_.after(position_, size);
  return report;
}

// A single bad batch is left out, and that is all: its gradient was never applied. If they do not end, the weights are
// bad: back to the last checkpoint, on with the data that comes now.
void TrainingRun::handle_skip(const StepReport& report) {
  console_.print(
      fmt::format("step {}: {} ({:.4g}, gradient norm {:.4g}); the step is skipped, its batch and norms are in {}",
                  report.step, report.skipped, report.loss, report.grad_norm, (folder_.path() / "skipped").string()));
  if (++skipped_in_a_row_ >= kSkipsBeforeRollback)
    roll_back(report.step, fmt::format("{} steps in a row were skipped", skipped_in_a_row_));
}

void TrainingRun::roll_back(int64_t step, const std::string& what) {
  const std::string advice =
      fmt::format("lower train.lr or lengthen train.warmup (for --resume: in {}), or look at the batches",
                  folder_.recipe().string());
  if (!folder_.has_checkpoint())
    user_error("{}, and there is no checkpoint to go back to: {} in {}", what, advice,
               (folder_.path() / "skipped").string());
  if (++rollbacks_ > recipe_.train.max_rollbacks)
    user_error("step {}: the loss does not recover after {} rollbacks (train.max_rollbacks): {} in {}", step,
               recipe_.train.max_rollbacks, advice, (folder_.path() / "skipped").string());
  const LoaderPosition go_on = position_;
  const size_t phase_before = phase_;
  load_latest();
  skipped_in_a_row_ = 0;
  save_due_ = false;
  log_.emplace(folder_.path(), trainer_->steps_done());
  log_->write({{"step", trainer_->steps_done()}, {"rolled_back_from", step}});
  evaluate_if_due();
  if (phase_ != phase_before) next_phase();  // the bad batches were its first ones
  position_ = stage_.after_rollback(go_on);
  console_.print(fmt::format("rolled back to step {} ({} of {} times); the data continues after the bad batches",
                             trainer_->steps_done(), rollbacks_, recipe_.train.max_rollbacks));
}

// Answers and samples cannot be drawn from weights that have diverged.
bool TrainingRun::survives(const std::function<void()>& f) {
  try {
    f();
    return true;
  } catch (const DivergedError& e) {
    const int64_t step = trainer_->steps_done();
    console_.print(fmt::format("step {}: {}", step, e.what()));
    roll_back(step, e.what());
    return false;
  }
}

bool TrainingRun::due(double every) const {
  const double n = double(total_steps()), done = double(trainer_->steps_done());
  return std::floor(done / n / every + 1e-9) > std::floor((done - 1) / n / every + 1e-9);
}

bool TrainingRun::run() {
  const StopSignals signals;
  evaluate_if_due();
  while (trainer_->steps_done() < total_steps()) {
    if (trainer_->steps_done() == phase().last_step()) next_phase();
    const auto begin = Clock::now();
    const double tokens_before = trainer_->tokens_done();
    StepReport report;
    if (!survives([&] { report = train_step(); })) continue;
    const double seconds = seconds_since(begin);
    train_seconds_ += seconds;
    log_step(report, trainer_->tokens_done() - tokens_before, seconds);
    if (!report.skipped.empty()) {
      handle_skip(report);
      if (trainer_->steps_done() != report.step) continue;  // rolled back
      // The last step of a phase is saved whatever comes, so it is repeated until it is a good one.
      if (report.step == phase().last_step()) {
        trainer_->resumed_at(report.step - 1, tokens_before);
        if (!stop_is_requested()) continue;
      }
    } else {
      skipped_in_a_row_ = 0;
    }
    // Saved before evaluated: a crash in an evaluation must not cost the run.
    // Not while steps are being skipped: the weights may be bad, and must not take the place of good ones.
    const bool may_save = stage_.may_save() || report.step == phase().last_step(), stop = stop_is_requested();
    save_due_ |= due(recipe_.log.save_every) || stop || report.step == phase().last_step();
    if (save_due_ && skipped_in_a_row_ == 0 && may_save) save();
    if (stop && may_save) {
      console_.print(
          fmt::format("stopped     at step {}: {}; continue with --resume", report.step,
                      save_due_ ? "not saved, because it was skipped" : "saved in " + folder_.path().string()));
      return false;
    }
    survives([&] { evaluate_if_due(); });
  }
  if (!stage_.evaluate(view(), true)) {
    console_.print("stopped     in the last evaluation: all steps are saved; --resume repeats the evaluation");
    return false;
  }
  stage_.phase_has_ended(view());
  show_balance();
  stage_.show_samples(view());
  refresh_report();
  console_.print(fmt::format("memory      peak {} (estimated {})", human_bytes(double(process_memory().most)),
                             human_bytes(memory_.all())));
  console_.print(fmt::format("done        {} steps in {}; the model is in {}, its report is {}", total_steps(),
                             human_time(train_seconds_), folder_.latest().string(),
                             (folder_.path() / "report.html").string()));
  return true;
}

}  // namespace minke
