#include "rl/policy_stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/clock.h"
#include "corpus/prompt.h"
#include "model/checkpoint.h"
#include "recipe/pipeline.h"
#include "report/text.h"
#include "rl/advantages.h"
#include "rl/mtp_acceptance.h"
#include "rl/policy_log.h"
#include "rl/reward_judge.h"
#include "run/settings.h"
#include "spec/counts.h"

namespace minke {

void check_policy_recipe(const Recipe& recipe, std::string_view verb, std::span<const std::string_view> unread) {
  const auto& g = recipe.grpo;
  if (g.tasks.empty() && g.jsonl.empty())
    user_error("{}: grpo.tasks names no task, such as [\"countdown:3\"], and grpo.jsonl no file of problems", verb);
  if (!recipe.data.train.empty()) user_error("{}: data.train is for text; what is asked is in grpo.tasks", verb);
  if (!recipe.long_context.empty()) user_error("{}: [[long_context]] belongs to pre-training", verb);
  if (recipe.train.steps == 0) user_error("{}: give train.steps", verb);
  if (g.accuracy_reward == 0 && g.format_reward == 0 && g.language_reward == 0)
    user_error(
        "{}: grpo.accuracy_reward, grpo.format_reward and grpo.language_reward are all 0: there is nothing to learn",
        verb);
  if (recipe.train.batch_size % g.group != 0)
    user_error("{}: train.batch_size {} is no multiple of grpo.group {}: a step takes whole groups of answers", verb,
               recipe.train.batch_size, g.group);
  if (recipe.train.batch_start > 0)
    user_error("{}: train.batch_start, a batch that grows, belongs to pre-training", verb);
  if (recipe.train.dropout > 0)
    user_error("{}: train.dropout would train another distribution than the one drawn from", verb);
  constexpr std::string_view kUnread[] = {"tokenizer.",
                                          "model.",
                                          "data.",
                                          "sft.",
                                          "reward_model.",
                                          "eval.",
                                          "sample.",
                                          "balance.",
                                          "train.mtp_weight",
                                          "train.mtp_weight_late",
                                          "train.spike_jump",
                                          "train.minutes",
                                          "train.initializer_range",
                                          "train.dense",
                                          "log.eval_tokens",
                                          "log.sample_prompts",
                                          "log.choices",
                                          "log.needle_lengths"};
  refuse_unread_keys(recipe, verb, kUnread);
  refuse_unread_keys(recipe, verb, unread);
  if (g.max_new >= recipe.train.sequence_length)
    user_error("{}: grpo.max_new {} leaves no room for a question in train.sequence_length {}", verb, g.max_new,
               recipe.train.sequence_length);
  check_questions(recipe);
}

namespace {

constexpr int64_t kRunning = 256;      // answers that are drawn at once
constexpr int64_t kStepTokens = 2048;  // short prompts come in a few steps
static_assert(kStepTokens >= kRunning);
constexpr size_t kMtpProblems = 64;  // some thousand drafts

std::vector<std::vector<int32_t>> ids_of(const std::vector<Question>& questions) {
  std::vector<std::vector<int32_t>> prompts;
  for (const Question& q : questions) prompts.push_back(q.ids);
  return prompts;
}

// Of a group, without those of answers that take no part.
std::vector<double> rewards_of(const std::vector<Score>& scores, size_t first, size_t group) {
  std::vector<double> rewards;
  for (size_t i = first; i < first + group; ++i)
    if (!scores[i].masked) rewards.push_back(scores[i].reward);
  return rewards;
}

}  // namespace

PolicyStage::PolicyStage(std::string_view verb, const Recipe& recipe, const fs::path& model, const RunFolder& folder)
    : recipe_(recipe),
      base_(model, folder),
      questions_(verb, recipe_, base_.tokenizer(), base_.config(),
                 base_.chat_template() ? &*base_.chat_template() : nullptr),
      rewards_(recipe_, questions_.ask_for_programs()) {
  if (config().max_position_embeddings < recipe.train.sequence_length)
    user_error("{}: train.sequence_length {} is more than the model's {} positions", verb, recipe.train.sequence_length,
               config().max_position_embeddings);
  if (!recipe.grpo.judge.empty()) check_judge_folder(recipe.grpo.judge, "grpo.judge");  // its mistakes come first
  if (recipe.grpo.levels == LevelSampling::edge) rates_.emplace(questions_.levels());
  if (folder.has_begun()) return;
  questions_.check_lengths();
  base_.keep([&](const fs::path& base) { keep_questions(recipe, base); });
}

Rewards::Judging PolicyStage::judging(const Context& ctx) {
  if (recipe_.grpo.judge.empty()) return {};
  return [&](std::span<const TaskToGrade> all, std::span<TaskGrade> grades) {
    if (!judge_) judge_ = std::make_unique<RewardJudge>(ctx, recipe_.grpo.judge);
    judge_tasks(ctx, *judge_, all, grades);
  };
}

PolicyTerms PolicyStage::terms() const {
  return {.clip_low = recipe_.grpo.clip_low, .clip_high = recipe_.grpo.clip_high};
}

// The router stays as it was trained: its bias is frozen and nothing balances it. MTP modules are left alone.
void PolicyStage::adjust(TrainSettings& s) const {
  s.objective = {.inverse_temperature = 1 / recipe_.grpo.temperature, .policy = terms()};
  s.mtp = {.early = 0, .late = 0};
  s.bias_speed = 0;
  s.balance = {};
  s.spike_jump = 0;  // the loss is no likelihood of a text
}

void PolicyStage::enter_phase(const Phase& phase) {
  engine_.reset();  // it was the last phase's model's
  micro_tokens_ = phase.micro_batch_size * phase.sequence_length;
}

EngineSettings PolicyStage::engine_settings() const {
  const int64_t running = std::min<int64_t>(recipe_.train.batch_size * recipe_.grpo.mini_batches, kRunning);
  EngineSettings s{.max_context = recipe_.train.sequence_length,
                   .max_sequences = running,
                   .max_tokens = kStepTokens,
                   .cache = precision(recipe_).activation,
                   .form = recipe_.grpo.exact ? AttentionForm::training : AttentionForm::by_role};
  s.cache_tokens = s.slots_for_all();
  return s;
}

int64_t PolicyStage::experts_per_token() const {
  return count_parameters(config()).moe_layers * config().num_experts_per_tok;
}

StageMemory PolicyStage::memory() const {
  const auto& t = recipe_.train;
  const auto& g = recipe_.grpo;
  TrainSettings settings;
  adjust(settings);
  const double experts = g.replay ? 4.0 * double(experts_per_token()) : 0;
  const double step = double(t.batch_size * t.sequence_length);
  const size_t tests = questions_.count_tests();
  std::optional<EngineSettings> mtp;
  if (config().num_nextn_predict_layers > 0) mtp = mtp_engine(engine_settings(), tests);
  const auto judge = [this](const Context& dry) -> std::shared_ptr<void> {
    return recipe_.grpo.judge.empty() ? nullptr : RewardModel::dry(dry, recipe_.grpo.judge);
  };
  // Tokens, their probabilities, advantages and text of all answers that are drawn; tokens, targets, four values of a step.
  return {.engine = engine_settings(),
          .second_engine = mtp,
          .objective = settings.objective,
          .trains_mtp = false,
          .replays_experts = g.replay,
          .asks_token_losses = true,
          .judge = judge,
          .host_bytes = step * double(g.mini_batches * g.dynamic) * (16 + experts) + step * (24 + experts)};
}

std::vector<Rollout> PolicyStage::answers(const Context& ctx, Model& model, const std::vector<Question>& questions,
                                          int64_t group, uint64_t first_sample) {
  if (!engine_) engine_.emplace(ctx, model, engine_settings());
  engine_->weights_changed();
  return roll_out(ctx, *engine_, tokenizer(), ids_of(questions), rollout_settings(group, first_sample));
}

RolloutSettings PolicyStage::rollout_settings(int64_t group, uint64_t first_sample) const {
  return {.group = group,
          .max_new = recipe_.grpo.max_new,
          .temperature = recipe_.grpo.temperature,
          .seed = recipe_.train.seed,
          .first_sample = first_sample,
          .with_experts = recipe_.grpo.replay,
          .stop_texts = stop_texts_of(recipe_.grpo.prompt)};
}

std::vector<Question> PolicyStage::questions_at(uint64_t position, int64_t size) const {
  const int64_t group = recipe_.grpo.group;
  return questions_.training(position / uint64_t(group), size / group, rates_ ? &*rates_ : nullptr);
}

std::vector<std::string> PolicyStage::prompts(LoaderPosition position, int64_t size) const {
  std::vector<std::string> all;
  for (const Question& q : questions_at(position.sequence_index, size)) all.push_back(q.prompt);
  return all;
}

// Answers for all mini-batches come from the policy as it is now. With grpo.dynamic, further questions take the place of those
// whose answers are all worth the same; if there are still too few, these fill up, and teach nothing.
void PolicyStage::draw(const Context& ctx, Model& model, uint64_t position, int64_t size) {
  const auto& g = recipe_.grpo;
  const size_t group = size_t(g.group), wanted = size_t(size) / group;
  double seconds = 0;
  Answers all;
  std::vector<size_t> kept, others;  // groups
  while (kept.size() < wanted && all.questions.size() < wanted * size_t(g.dynamic)) {
    const size_t more = std::min(wanted - kept.size(), wanted * size_t(g.dynamic) - all.questions.size());
    const uint64_t from = position + all.rollouts.size();
    const auto begin = Clock::now();
    Answers made{.questions = questions_at(from, int64_t(more * group))};
    made.rollouts = answers(ctx, model, made.questions, g.group, from);
    seconds += seconds_since(begin);
    made.scores = rewards_.score(made.questions, made.rollouts, judging(ctx));
    if (g.shuffle_rewards) shuffle_rewards(made.scores, RngKey{recipe_.train.seed}.at("grpo shuffle").at(from));
    for (size_t i = 0; i < more; ++i) {
      const bool teaches = g.dynamic == 1 || !all_the_same(rewards_of(made.scores, i * group, group));
      (teaches ? kept : others).push_back(all.questions.size() + i);
    }
    all.append(std::move(made));
  }
  drawn_ = {};
  drawn_.end = position + all.rollouts.size();
  drawn_.note = log_answers(all.rollouts, all.scores, g.group, drawn_.record);
  drawn_.record["rollout_seconds"] = seconds;
  if (g.dynamic > 1)
    drawn_.record["questions/asked"] = all.questions.size(), drawn_.record["questions/same_reward"] = others.size();
  for (size_t i = 0; rates_ && i < all.questions.size(); ++i) {
    double right = 0;
    for (size_t k = 0; k < group; ++k) right += all.scores[i * group + k].accuracy;
    const Question& q = all.questions[i];
    rates_->add(q.source, q.level, right / double(group));
    drawn_.record["level_rates/" + questions_.level_name(q)] = rates_->rate(q.source, q.level);
  }
  kept.insert(kept.end(), others.begin(), others.begin() + std::ptrdiff_t(wanted - kept.size()));
  drawn_.answers = all.groups(kept, group);
  drawn_.advantages = advantages(ctx, drawn_.answers.rollouts, drawn_.answers.scores);
  drawn_.order = random_order(size_t(size), RngKey{recipe_.train.seed}.at("mini-batches").at(position));
}

std::vector<TokenBatch> PolicyStage::batches(const Context& ctx, Trainer& trainer, LoaderPosition position,
                                             int64_t size) {
  const auto& g = recipe_.grpo;
  is_first_ = may_save();
  if (is_first_) draw(ctx, trainer.model(), position.sequence_index, size * g.mini_batches);
  const auto from = drawn_.order.begin() + std::ptrdiff_t(drawn_.used);
  std::vector<size_t> part(from, from + size);
  std::sort(part.begin(), part.end());
  drawn_.used += size_t(size);
  const auto& [questions, rollouts, scores] = drawn_.answers;
  int64_t tokens = 0, count = 0;
  for (size_t i : part)
    if (!scores[i].masked) tokens += rollouts[i].answer_tokens(), ++count;
  samples_.clear();
  for (size_t i : part) {
    const Rollout& r = rollouts[i];
    if (!drawn_.advantages[i].empty())
      samples_.push_back({&r, std::move(drawn_.advantages[i]),
                          token_weight(g.division, r.answer_tokens(), count, tokens, g.max_new), i});
  }
  made_ = in_batches(samples_, true);
  complete(ctx, trainer, made_);
  return std::move(made_.batches);  // only the places are looked at afterwards
}

PolicyBatches PolicyStage::in_batches(const std::vector<PolicySample>& samples, bool with_experts) const {
  return policy_batches(samples, micro_tokens_, recipe_.train.sequence_length,
                        with_experts ? count_parameters(config()).moe_layers : 0, config().num_experts_per_tok);
}

LoaderPosition PolicyStage::after(LoaderPosition position, int64_t size) const {
  const uint64_t next = position.sequence_index + uint64_t(size);
  return {0, may_save() ? std::max(next, drawn_.end) : next};
}

LoaderPosition PolicyStage::after_rollback(LoaderPosition position) {
  const uint64_t end = drawn_.end;
  drawn_ = {};
  return {0, std::max(position.sequence_index, end)};
}

Json PolicyStage::small_state() const { return rates_ ? Json{{"levels", rates_->to_json()}} : Json(); }

void PolicyStage::restore(const Json& saved) {
  if (rates_ && saved.contains("levels")) rates_->restore(saved.at("levels"));
}

std::vector<TokenBatch> PolicyStage::largest_batch(const Context&, Trainer&, int64_t size) {
  TokenBatch b{.num_sequences = size, .sequence_length = micro_tokens_ / size};
  const size_t n = size_t(micro_tokens_ / size * size);
  b.tokens.assign(n, 0), b.targets.assign(n, 0);
  b.weight.assign(n, 0), b.advantage.assign(n, 0), b.old_loss.assign(n, 0), b.reference_loss.assign(n, 0);
  return {b};
}

std::string PolicyStage::after_step(const StepReport&, const TokenLosses& tokens, Json& record) {
  log_update(made_, samples_, tokens, terms(), experts_per_token(), is_first_, record);
  if (is_first_) record.update(drawn_.record);
  return drawn_.note;
}

// One answer to each problem; by level.
bool PolicyStage::evaluate(const RunView& run, bool last) {
  if (last && run.stop()) return false;
  const std::vector<Question> questions = questions_.tests();
  const std::vector<Rollout> made = answers(run.ctx, run.model, questions, 1, 0);
  const std::vector<Score> scores = rewards_.score(questions, made, judging(run.ctx));
  std::vector<std::string> levels;
  for (const Question& q : questions) levels.push_back(questions_.level_name(q));
  Json record{{"step", run.step()}, {"train_seconds", run.train_seconds}, {"unix_time", unix_time()}, {"final", last}};
  const std::string figures = log_evaluation(questions, levels, made, scores, record);
  run.console.print(fmt::format("{} step {}: {}", last ? "final      " : "evaluation ", run.step(), figures));
  run.log.write(record);
  if (recipe_.log.sample_tokens > 0) log_shown(run, questions, made, scores);
  if (run.step() == 0 || last) log_mtp_acceptance(run, questions);
  return true;
}

// The module is left alone while the policy changes: what it is still good for.
void PolicyStage::log_mtp_acceptance(const RunView& run, const std::vector<Question>& questions) {
  std::vector<std::vector<int32_t>> prompts;
  for (const size_t i : some_of_each(questions, kMtpProblems)) prompts.push_back(questions[i].ids);
  const auto counts =
      mtp_acceptance(run.ctx, run.model, tokenizer(), prompts, rollout_settings(1, 0), engine_settings());
  if (!counts || counts->drafted == 0) return;
  run.console.print(
      fmt::format("MTP         step {}: {:.1f} % of {} drafts of the module are right in the model's answers",
                  run.step(), 100 * counts->acceptance(), counts->drafted));
  run.log.write({{"step", run.step()}, {"mtp_acceptance", counts->acceptance()}, {"mtp_drafts", counts->drafted}});
}

// The answers to the first problem of each level, and of further ones up to some: the report shows early ones beside late ones.
void PolicyStage::log_shown(const RunView& run, const std::vector<Question>& questions,
                            const std::vector<Rollout>& made, const std::vector<Score>& scores) {
  constexpr size_t kMost = 8;
  for (const size_t i : some_of_each(questions, kMost))
    run.log.write({{"step", run.step()},
                   {"prompt", questions[i].prompt},
                   {"sample", valid_utf8(made[i].text)},
                   {"problem", i},
                   {"right", scores[i].accuracy >= 1}});
}

// The best and the worst answer of the last step.
void PolicyStage::show_samples(const RunView& run) {
  const auto& [asked, rollouts, scores] = drawn_.answers;
  if (rollouts.empty() || recipe_.log.sample_tokens == 0) return;
  const auto less = [](const Score& a, const Score& b) { return a.reward < b.reward; };
  const size_t worst = size_t(std::min_element(scores.begin(), scores.end(), less) - scores.begin()),
               best = size_t(std::max_element(scores.begin(), scores.end(), less) - scores.begin());
  for (const size_t i : {worst, best}) {
    const std::string& prompt = asked[rollouts[i].prompt].prompt;
    const std::string text = valid_utf8(rollouts[i].text);
    run.console.print(fmt::format("sample      reward {:g}: {}▶{}", scores[i].reward, prompt, text));
    run.log.write({{"step", run.step()}, {"prompt", prompt}, {"sample", text}});
  }
}

}  // namespace minke
