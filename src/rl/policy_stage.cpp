#include "rl/policy_stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "core/clock.h"
#include "corpus/prompt.h"
#include "report/text.h"
#include "rl/advantages.h"
#include "rl/policy_log.h"
#include "run/settings.h"

namespace minke {

void check_policy_recipe(const Recipe& recipe, std::string_view verb, std::span<const std::string_view> unread) {
  const auto& g = recipe.grpo;
  if (g.tasks.empty()) user_error("{}: grpo.tasks names no task, such as [\"countdown:3\"]", verb);
  for (const std::string& task : g.tasks)
    if (parse_task_choice(task, "grpo.tasks").kind == TaskKind::code)
      user_error("grpo.tasks: {}: tasks of code are graded in the sandbox, which training does not use yet", task);
  if (!recipe.data.train.empty()) user_error("{}: data.train is for text; what is asked is in grpo.tasks", verb);
  if (!recipe.long_context.empty()) user_error("{}: [[long_context]] belongs to pre-training", verb);
  if (recipe.train.steps == 0) user_error("{}: give train.steps", verb);
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
  refuse_unread_keys(recipe, verb, kUnread);
  refuse_unread_keys(recipe, verb, unread);
  if (g.max_new >= recipe.train.sequence_length)
    user_error("{}: grpo.max_new {} leaves no room for a question in train.sequence_length {}", verb, g.max_new,
               recipe.train.sequence_length);
}

namespace {

constexpr int64_t kRunning = 256;  // answers that are drawn at once

}  // namespace

PolicyStage::PolicyStage(std::string_view verb, const Recipe& recipe, const fs::path& model, const RunFolder& folder)
    : recipe_(recipe), base_(model, folder), questions_(verb, recipe_, base_.tokenizer(), base_.config()) {
  if (config().max_position_embeddings < recipe.train.sequence_length)
    user_error("{}: train.sequence_length {} is more than the model's {} positions", verb, recipe.train.sequence_length,
               config().max_position_embeddings);
  if (folder.has_begun()) return;
  questions_.check_lengths();
  base_.keep();
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

std::optional<EngineSettings> PolicyStage::engine_settings() const {
  const int64_t t = recipe_.train.sequence_length, page = EngineSettings{}.page;
  const int64_t running = std::min<int64_t>(recipe_.train.batch_size, kRunning);
  return EngineSettings{.max_context = t,
                        .cache_tokens = running * ((t + page - 1) / page * page),
                        .max_sequences = running,
                        .max_tokens = std::max<int64_t>(running, 512),
                        .cache = precision(recipe_).activation};
}

std::vector<Rollout> PolicyStage::answers(const Context& ctx, Model& model, const std::vector<Question>& questions,
                                          int64_t group, uint64_t first_sample) {
  std::vector<std::vector<int32_t>> prompts;
  for (const Question& q : questions) prompts.push_back(q.ids);
  if (!engine_) engine_.emplace(ctx, model, *engine_settings());
  engine_->weights_changed();
  return roll_out(ctx, *engine_, tokenizer(), prompts,
                  {.group = group,
                   .max_new = recipe_.grpo.max_new,
                   .temperature = recipe_.grpo.temperature,
                   .seed = recipe_.train.seed,
                   .first_sample = first_sample,
                   .with_experts = recipe_.grpo.replay,
                   .stop_texts = {std::string(kAnswerEnd)}});
}

std::vector<Question> PolicyStage::questions_at(LoaderPosition position, int64_t size) const {
  return questions_.training(position.sequence_index / uint64_t(recipe_.grpo.group), size / recipe_.grpo.group);
}

std::vector<std::string> PolicyStage::prompts(LoaderPosition position, int64_t size) const {
  std::vector<std::string> all;
  for (const Question& q : questions_at(position, size)) all.push_back(q.prompt);
  return all;
}

std::vector<TokenBatch> PolicyStage::batches(const Context& ctx, Model& model, LoaderPosition position, int64_t size) {
  const auto& g = recipe_.grpo;
  const auto begin = Clock::now();
  asked_ = questions_at(position, size);
  rollouts_ = answers(ctx, model, asked_, g.group, position.sequence_index);
  rollout_seconds_ = seconds_since(begin);
  scores_ = score_answers(recipe_, asked_, rollouts_);
  if (g.shuffle_rewards)
    shuffle_rewards(scores_, RngKey{recipe_.train.seed}.at("grpo shuffle").at(position.sequence_index));
  std::vector<std::vector<float>> worth = advantages(ctx, rollouts_, scores_);
  int64_t tokens = 0, count = 0;
  for (size_t i = 0; i < rollouts_.size(); ++i)
    if (!scores_[i].masked) tokens += rollouts_[i].answer_tokens(), ++count;
  samples_.clear();
  for (size_t i = 0; i < rollouts_.size(); ++i) {
    const Rollout& r = rollouts_[i];
    if (!worth[i].empty())
      samples_.push_back(
          {&r, std::move(worth[i]), token_weight(g.division, r.answer_tokens(), count, tokens, g.max_new)});
  }
  int64_t moe_layers = 0;
  for (const Block& b : model.blocks()) moe_layers += b.moe() != nullptr;
  made_ = policy_batches(samples_, micro_tokens_, recipe_.train.sequence_length, moe_layers,
                         model.config().num_experts_per_tok);
  return std::move(made_.batches);  // only the places are looked at afterwards
}

std::vector<TokenBatch> PolicyStage::largest_batch(const Context&, Model&, int64_t size) {
  TokenBatch b{.num_sequences = size, .sequence_length = micro_tokens_ / size};
  const size_t n = size_t(micro_tokens_ / size * size);
  b.tokens.assign(n, 0), b.targets.assign(n, 0);
  b.weight.assign(n, 0), b.advantage.assign(n, 0), b.old_loss.assign(n, 0);
  return {b};
}

std::string PolicyStage::after_step(const StepReport&, const TokenLosses& tokens, Json& record) {
  record["rollout_seconds"] = rollout_seconds_;
  log_update(made_, samples_, tokens, terms(), record);
  return log_answers(rollouts_, scores_, recipe_.grpo.group, record);
}

// One answer to each problem; by level.
bool PolicyStage::evaluate(const RunView& run, bool last) {
  if (last && run.stop()) return false;
  const std::vector<Question> questions = questions_.tests();
  const std::vector<Rollout> made = answers(run.ctx, run.model, questions, 1, 0);
  const std::vector<Score> scores = score_answers(recipe_, questions, made);
  std::map<std::string, std::pair<double, int>> right;
  double all = 0, length = 0;
  for (size_t i = 0; i < made.size(); ++i) {
    auto& [sum, n] = right[fmt::format("{}:{}", name_of(questions[i].choice.kind), questions[i].level)];
    sum += scores[i].accuracy, ++n;
    all += scores[i].accuracy / double(made.size()), length += double(made[i].answer_tokens()) / double(made.size());
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
void PolicyStage::show_samples(const RunView& run) {
  if (rollouts_.empty() || recipe_.log.sample_tokens == 0) return;
  const auto less = [](const Score& a, const Score& b) { return a.reward < b.reward; };
  const size_t worst = size_t(std::min_element(scores_.begin(), scores_.end(), less) - scores_.begin()),
               best = size_t(std::max_element(scores_.begin(), scores_.end(), less) - scores_.begin());
  for (const size_t i : {worst, best}) {
    const std::string& prompt = asked_[rollouts_[i].prompt].prompt;
    const std::string text = valid_utf8(rollouts_[i].text);
    run.console.print(fmt::format("sample      reward {:g}: {}▶{}", scores_[i].reward, prompt, text));
    run.log.write({{"step", run.step()}, {"prompt", prompt}, {"sample", text}});
  }
}

}  // namespace minke
