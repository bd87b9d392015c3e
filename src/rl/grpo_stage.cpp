#include "rl/grpo_stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "core/clock.h"
#include "corpus/prompt.h"
#include "eval/task_grade.h"
#include "report/text.h"
#include "rl/advantages.h"
#include "run/settings.h"

namespace minke {
namespace {

Recipe checked_recipe(Recipe recipe, const fs::path& folder) {
  if (const std::optional<Recipe> stored = stored_recipe(folder, RecipeOf::grpo)) return *stored;
  const auto& g = recipe.grpo;
  if (g.tasks.empty()) user_error("grpo: grpo.tasks names no task, such as [\"countdown:3\"]");
  for (const std::string& task : g.tasks)
    if (parse_task_choice(task, "grpo.tasks").kind == TaskKind::code)
      user_error("grpo.tasks: {}: tasks of code are graded in the sandbox, which training does not use yet", task);
  if (!recipe.data.train.empty()) user_error("grpo: data.train is for text; what is asked is in grpo.tasks");
  if (!recipe.long_context.empty()) user_error("grpo: [[long_context]] belongs to pre-training");
  if (recipe.train.steps == 0) user_error("grpo: give train.steps");
  if (recipe.train.batch_size % g.group != 0)
    user_error("grpo: train.batch_size {} is no multiple of grpo.group {}: a step takes whole groups of answers",
               recipe.train.batch_size, g.group);
  if (recipe.train.batch_start > 0) user_error("grpo: train.batch_start, a batch that grows, belongs to pre-training");
  if (recipe.train.dropout > 0)
    user_error("grpo: train.dropout would train another distribution than the one drawn from");
  constexpr std::string_view kUnread[] = {"tokenizer.",
                                          "model.",
                                          "data.",
                                          "sft.",
                                          "balance.",
                                          "train.mtp_weight",
                                          "train.mtp_weight_late",
                                          "train.spike_jump",
                                          "train.initializer_range",
                                          "train.dense",
                                          "log.eval_tokens",
                                          "log.sample_prompts",
                                          "log.choices",
                                          "log.needle_lengths"};
  refuse_unread_keys(recipe, "grpo", kUnread);
  if (g.max_new >= recipe.train.sequence_length)
    user_error("grpo: grpo.max_new {} leaves no room for a question in train.sequence_length {}", g.max_new,
               recipe.train.sequence_length);
  return recipe;
}

constexpr int64_t kRunning = 256;  // answers that are drawn at once

double mean_of(const std::vector<double>& v) {
  double sum = 0;
  for (double x : v) sum += x;
  return v.empty() ? 0 : sum / double(v.size());
}

}  // namespace

bool grpo(Recipe recipe, const fs::path& model, const fs::path& folder, bool resume, const RunMachine& machine) {
  recipe = checked_recipe(std::move(recipe), folder);
  const RunFolder run_folder(folder, resume);
  Console console;
  machine.say(console);
  GrpoStage stage(recipe, model, run_folder);
  return TrainingRun(recipe, run_folder, stage, machine, console).run();
}

GrpoStage::GrpoStage(const Recipe& recipe, const fs::path& model, const RunFolder& folder)
    : recipe_(recipe), base_(model, folder) {
  if (config().max_position_embeddings < recipe.train.sequence_length)
    user_error("grpo: train.sequence_length {} is more than the model's {} positions", recipe.train.sequence_length,
               config().max_position_embeddings);
  for (const std::string& task : recipe.grpo.tasks) choices_.push_back(parse_task_choice(task, "grpo.tasks"));
  for (TaskChoice& c : choices_)
    if (c.levels.empty()) c.levels = Levels::range(task_levels(c.kind));
  if (folder.has_begun()) return;
  check_questions();
  base_.keep();
}

// The router stays as it was trained: its bias is frozen and nothing balances it. MTP modules are left alone.
void GrpoStage::adjust(TrainSettings& s) const {
  const auto& g = recipe_.grpo;
  s.objective = {.inverse_temperature = 1 / g.temperature,
                 .policy = PolicyTerms{.clip_low = g.clip_low, .clip_high = g.clip_high}};
  s.mtp = {.early = 0, .late = 0};
  s.bias_speed = 0;
  s.balance = {};
  s.spike_jump = 0;  // the loss is no likelihood of a text
}

void GrpoStage::enter_phase(const Phase& phase) {
  engine_.reset();  // it was the last phase's model's
  micro_tokens_ = phase.micro_batch_size * phase.sequence_length;
}

std::optional<EngineSettings> GrpoStage::engine_settings() const {
  const int64_t t = recipe_.train.sequence_length, page = EngineSettings{}.page;
  const int64_t running = std::min<int64_t>(recipe_.train.batch_size, kRunning);
  return EngineSettings{.max_context = t,
                        .cache_tokens = running * ((t + page - 1) / page * page),
                        .max_sequences = running,
                        .max_tokens = std::max<int64_t>(running, 512),
                        .cache = precision(recipe_).activation};
}

GrpoStage::Question GrpoStage::question(uint64_t seed, uint64_t index, TaskSplit split, size_t choice,
                                        int level) const {
  Question q{
      .task = make_task(seed, index, choices_[choice].kind, level, split), .choice = choices_[choice], .level = level};
  q.prompt = prompt_of(q.task.question,
                       recipe_.grpo.prompt == QuestionFormat::brief ? PromptTemplate::brief : PromptTemplate::r1_zero);
  q.ids = tokenizer().encode(q.prompt, {.add_bos = true});
  if (*std::max_element(q.ids.begin(), q.ids.end()) >= config().vocab_size)
    user_error("grpo: a question has a token that the model has not: its tokenizer is of another model");
  if (int64_t(q.ids.size()) + recipe_.grpo.max_new > recipe_.train.sequence_length)
    user_error("grpo: a question has {} tokens; with grpo.max_new {} that is more than train.sequence_length {}",
               q.ids.size(), recipe_.grpo.max_new, recipe_.train.sequence_length);
  return q;
}

// Kinds in turn, levels by chance.
GrpoStage::Question GrpoStage::training_question(uint64_t index) const {
  const size_t choice = index % choices_.size();
  Rng rng{RngKey{recipe_.train.seed}.at("grpo level").at(index)};
  Question q = question(recipe_.train.seed, index, TaskSplit::train, choice, choices_[choice].levels.pick(rng));
  check(split_of(q.task.canonical) == TaskSplit::train, "grpo: no problem of the test split is trained on");
  return q;
}

GrpoStage::Question GrpoStage::test_question(size_t choice, int64_t index) const {
  const Levels& levels = choices_[choice].levels;
  Question q =
      question(recipe_.train.seed, uint64_t(index), TaskSplit::test, choice, levels.nth(int(index % levels.count())));
  check(split_of(q.task.canonical) == TaskSplit::test, "grpo: no problem of the training split is a test");
  return q;
}

// Those of the evaluations, and the first ones of the training: a run must not end in the middle because one is too long.
void GrpoStage::check_questions() const {
  constexpr int64_t kMost = 5000;
  const auto& t = recipe_.train;
  const int64_t asked = std::min<int64_t>(kMost, t.steps * (t.batch_size / recipe_.grpo.group));
  for (int64_t i = 0; i < asked; ++i) training_question(uint64_t(i));
  for (size_t c = 0; c < choices_.size(); ++c)
    for (int64_t i = 0; i < std::min(kMost, recipe_.grpo.eval_problems); ++i) test_question(c, i);
}

GrpoStage::Score GrpoStage::score(const Question& q, const Rollout& r) const {
  const auto& g = recipe_.grpo;
  const TaskGrade grade = grade_task(q.task, q.prompt, r.text);
  Score s{
      .reward = 0, .accuracy = grade.accuracy.strict, .lenient = grade.accuracy.lenient, .format = grade.format.strict};
  if (!r.truncated || g.truncated == TruncatedAnswers::score)
    s.reward = g.accuracy_reward * s.accuracy + g.format_reward * s.format;
  return s;
}

std::vector<Rollout> GrpoStage::answers(const Context& ctx, Model& model, const std::vector<Question>& questions,
                                        int64_t group, uint64_t seed, uint64_t first_sample) {
  std::vector<std::vector<int32_t>> prompts;
  for (const Question& q : questions) prompts.push_back(q.ids);
  if (!engine_) engine_.emplace(ctx, model, *engine_settings());
  engine_->weights_changed();
  return roll_out(ctx, *engine_, tokenizer(), prompts,
                  {.group = group,
                   .max_new = recipe_.grpo.max_new,
                   .temperature = recipe_.grpo.temperature,
                   .seed = seed,
                   .first_sample = first_sample,
                   .with_experts = recipe_.grpo.replay,
                   .stop_texts = {std::string(kAnswerEnd)}});
}

std::vector<GrpoStage::Question> GrpoStage::questions_at(LoaderPosition position, int64_t size) const {
  const uint64_t group = uint64_t(recipe_.grpo.group);
  std::vector<Question> all;
  for (uint64_t i = 0; i < uint64_t(size) / group; ++i)
    all.push_back(training_question(position.sequence_index / group + i));
  return all;
}

std::vector<std::string> GrpoStage::prompts(LoaderPosition position, int64_t size) const {
  std::vector<std::string> all;
  for (const Question& q : questions_at(position, size)) all.push_back(q.prompt);
  return all;
}

std::vector<TokenBatch> GrpoStage::batches(const Context& ctx, Model& model, LoaderPosition position, int64_t size) {
  const auto& g = recipe_.grpo;
  const auto begin = Clock::now();
  scores_.clear(), samples_.clear();
  questions_ = questions_at(position, size);
  rollouts_ = answers(ctx, model, questions_, g.group, recipe_.train.seed, position.sequence_index);
  rollout_seconds_ = seconds_since(begin);
  for (const Rollout& r : rollouts_) scores_.push_back(score(questions_[r.prompt], r));
  const auto is_masked = [&](const Rollout& r) { return r.truncated && g.truncated == TruncatedAnswers::mask; };
  int64_t tokens = 0, samples = 0;
  for (const Rollout& r : rollouts_)
    if (!is_masked(r)) tokens += r.answer_tokens(), ++samples;
  for (size_t first = 0; first < rollouts_.size(); first += size_t(g.group)) {
    std::vector<double> rewards;
    std::vector<size_t> which;
    for (size_t i = first; i < first + size_t(g.group); ++i)
      if (!is_masked(rollouts_[i])) rewards.push_back(scores_[i].reward), which.push_back(i);
    if (rewards.empty()) continue;
    const std::vector<double> a = group_advantages(rewards, g.deviation);
    for (size_t i = 0; i < which.size(); ++i) {
      const Rollout& r = rollouts_[which[i]];
      if (a[i] != 0)  // what teaches nothing is not computed
        samples_.push_back({&r, a[i], token_weight(g.division, r.answer_tokens(), samples, tokens, g.max_new)});
    }
  }
  const int64_t k = model.config().num_experts_per_tok;
  int64_t moe_layers = 0;
  for (const Block& b : model.blocks()) moe_layers += b.moe() != nullptr;
  made_ = policy_batches(samples_, micro_tokens_, recipe_.train.sequence_length, moe_layers, k);
  return std::move(made_.batches);  // only the places are looked at afterwards
}

std::vector<TokenBatch> GrpoStage::largest_batch(const Context&, Model&, int64_t size) {
  TokenBatch b{.num_sequences = size, .sequence_length = micro_tokens_ / size};
  const size_t n = size_t(micro_tokens_ / size * size);
  b.tokens.assign(n, 0), b.targets.assign(n, 0);
  b.weight.assign(n, 0), b.advantage.assign(n, 0), b.old_loss.assign(n, 0);
  return {b};
}

std::string GrpoStage::after_step(const StepReport&, const TokenLosses& tokens, Json& record) {
  std::vector<double> reward, accuracy, lenient, format, length, deviation;
  size_t truncated = 0, same = 0;
  for (size_t i = 0; i < rollouts_.size(); ++i) {
    reward.push_back(scores_[i].reward), accuracy.push_back(scores_[i].accuracy), lenient.push_back(scores_[i].lenient);
    format.push_back(scores_[i].format), length.push_back(double(rollouts_[i].answer_tokens()));
    truncated += rollouts_[i].truncated;
  }
  const size_t g = size_t(recipe_.grpo.group);
  for (size_t first = 0; first < reward.size(); first += g) {
    const std::vector<double> group(reward.begin() + std::ptrdiff_t(first), reward.begin() + std::ptrdiff_t(first + g));
    same += all_the_same(group);
    double squares = 0;
    for (double r : group) squares += (r - mean_of(group)) * (r - mean_of(group));
    deviation.push_back(std::sqrt(squares / double(g)));
  }
  // How far the update's probabilities are from those that the answers were drawn with: rounding, and nothing else on policy.
  std::vector<double> moved, entropy;
  size_t clipped = 0;
  const PolicyTerms terms{.clip_low = recipe_.grpo.clip_low, .clip_high = recipe_.grpo.clip_high};
  for (size_t i = 0; i < made_.places.size(); ++i) {
    const auto [sample, token] = made_.places[i];
    if (sample < 0) continue;
    const PolicySample& s = samples_[size_t(sample)];
    const double log_ratio = double(s.rollout->loss[size_t(token)]) - double(tokens.loss[i]);
    moved.push_back(std::abs(log_ratio));
    entropy.push_back(tokens.entropy[i]);
    clipped += is_clipped(std::exp(log_ratio), s.advantage, terms);
  }
  std::sort(moved.begin(), moved.end());
  record["reward"] = mean_of(reward), record["reward_std"] = mean_of(deviation);
  record["rewards/accuracy/mean"] = mean_of(accuracy), record["rewards/accuracy_lenient/mean"] = mean_of(lenient);
  record["rewards/format/mean"] = mean_of(format);
  record["frac_reward_zero_std"] = double(same) / double(questions_.size());
  record["completions/mean_length"] = mean_of(length);
  record["completions/clipped_ratio"] = double(truncated) / double(rollouts_.size());
  record["rollout_seconds"] = rollout_seconds_;
  if (!moved.empty()) {
    record["entropy"] = mean_of(entropy), record["clip_ratio"] = double(clipped) / double(moved.size());
    record["delta_logp/mean"] = mean_of(moved), record["delta_logp/max"] = moved.back();
    record["delta_logp/p99.9"] = moved[size_t(0.999 * double(moved.size() - 1))];
  }
  return fmt::format("reward {:.3f}  right {:.1f} %  length {:.0f}", mean_of(reward), 100 * mean_of(accuracy),
                     mean_of(length));
}

// One answer to each of grpo.eval_problems problems of the test split for each kind; by level.
bool GrpoStage::evaluate(const RunView& run, bool last) {
  if (last && run.stop()) return false;
  std::vector<Question> questions;
  for (size_t c = 0; c < choices_.size(); ++c)
    for (int64_t i = 0; i < recipe_.grpo.eval_problems; ++i) questions.push_back(test_question(c, i));
  const std::vector<Rollout> made = answers(run.ctx, run.model, questions, 1, recipe_.train.seed, 0);
  std::map<std::string, std::pair<double, int>> right;
  double all = 0, length = 0;
  for (size_t i = 0; i < made.size(); ++i) {
    const Score s = score(questions[i], made[i]);
    auto& [sum, n] = right[fmt::format("{}:{}", name_of(questions[i].choice.kind), questions[i].level)];
    sum += s.accuracy, ++n;
    all += s.accuracy / double(made.size()), length += double(made[i].answer_tokens()) / double(made.size());
  }
  std::string by_level;
  Json record{{"step", run.step()},       {"train_seconds", run.train_seconds},
              {"unix_time", unix_time()}, {"final", last},
              {"eval_right", all},        {"eval_length", length}};
  for (const auto& [name, score] : right) {
    by_level += fmt::format("{}{} {:.0f} %", by_level.empty() ? "" : ", ", name, 100 * score.first / score.second);
    record["eval_right/" + name] = score.first / score.second;
  }
  run.console.print(fmt::format("{} step {}: {:.1f} % of {} test problems right ({}); {:.0f} tokens an answer",
                                last ? "final      " : "evaluation ", run.step(), 100 * all, made.size(), by_level,
                                length));
  run.log.write(record);
  return true;
}

// The best and the worst answer of the last step.
void GrpoStage::show_samples(const RunView& run) {
  if (rollouts_.empty() || recipe_.log.sample_tokens == 0) return;
  const auto less = [](const Score& a, const Score& b) { return a.reward < b.reward; };
  const size_t worst = size_t(std::min_element(scores_.begin(), scores_.end(), less) - scores_.begin()),
               best = size_t(std::max_element(scores_.begin(), scores_.end(), less) - scores_.begin());
  for (const size_t i : {worst, best}) {
    const std::string& prompt = questions_[rollouts_[i].prompt].prompt;
    const std::string text = valid_utf8(rollouts_[i].text);
    run.console.print(fmt::format("sample      reward {:g}: {}▶{}", scores_[i].reward, prompt, text));
    run.log.write({{"step", run.step()}, {"prompt", prompt}, {"sample", text}});
  }
}

}  // namespace minke
