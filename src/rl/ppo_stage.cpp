#include "rl/ppo_stage.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "rl/gae.h"
#include "rl/policy_run.h"
#include "run/settings.h"

namespace minke {

void check_ppo_recipe(const Recipe& recipe) {
  constexpr std::string_view kUnread[] = {"grpo.beta", "grpo.reference_every", "grpo.deviation", "grpo.dynamic"};
  check_policy_recipe(recipe, "ppo", kUnread);
  if (recipe.ppo.critic_warmup >= recipe.train.steps)
    user_error("ppo: ppo.critic_warmup {} leaves no step of train.steps {} for the policy", recipe.ppo.critic_warmup,
               recipe.train.steps);
}

bool ppo(Recipe recipe, const fs::path& model, const fs::path& folder, bool resume, const RunMachine& machine) {
  return run_policy<PpoStage>(RecipeOf::ppo, check_ppo_recipe, std::move(recipe), model, folder, resume, machine);
}

// As the policy's, but for the rate.
TrainSettings PpoStage::critic_settings() const {
  TrainSettings s = train_settings(recipe(), plan_phases(recipe()).front());
  adjust(s);
  s.ema_decay = 0;
  if (recipe().ppo.critic_lr > 0) {
    const double by = recipe().ppo.critic_lr / s.lr.peak;
    s.lr.peak *= by, s.lr.low *= by, s.lr.last *= by;
  }
  return s;
}

void PpoStage::enter_phase(const Phase& phase) {
  critic_.reset();
  PolicyStage::enter_phase(phase);
}

void PpoStage::initialise(const Context& ctx, Model& model) {
  PolicyStage::initialise(ctx, model);
  critic_.emplace(ctx, model, critic_settings(), plan_phases(recipe()).front().micro_batch_size,
                  recipe().train.sequence_length);
}

StageMemory PpoStage::memory() const {
  StageMemory m = PolicyStage::memory();
  // Of all answers that are drawn: the batches that the critic judges, values, returns and advantages; of a step its own batches.
  const double step = double(recipe().train.batch_size * recipe().train.sequence_length);
  m.host_bytes += step * (double(recipe().grpo.mini_batches) * 60 + 20);
  m.critic = [this](const Context& dry, const Model& policy, int64_t sequences) {
    const int64_t length = recipe().train.sequence_length;
    const auto critic = std::make_shared<Critic>(dry, policy, critic_settings(), sequences, length);
    TokenBatch b{.num_sequences = sequences, .sequence_length = length};
    b.tokens.assign(size_t(sequences * length), 0), b.targets = b.tokens;
    b.weight.assign(b.tokens.size(), 0), b.value_target = b.weight;
    critic->step(dry, {&b, 1}, 0);
    return critic;
  };
  return m;
}

Json PpoStage::small_state() const {
  Json all = PolicyStage::small_state();
  all["critic"] = critic_->small_state();
  return all;
}

void PpoStage::restore(const Json& saved) {
  PolicyStage::restore(saved);
  critic_->restore(saved.is_object() && saved.contains("critic") ? saved.at("critic") : Json());
}

std::vector<std::vector<float>> PpoStage::advantages(const Context& ctx, const std::vector<Rollout>& answers,
                                                     const std::vector<Score>& scores) {
  std::vector<PolicySample> asked;
  for (size_t i = 0; i < answers.size(); ++i)
    if (!scores[i].masked)
      asked.push_back({&answers[i], std::vector<float>(size_t(answers[i].answer_tokens()), 0), 0, i});
  const PolicyBatches made = in_batches(asked, false);  // a critic chooses its own experts
  const std::vector<float> values = critic_->values(ctx, made.batches);
  std::vector<std::vector<float>> of_answer(answers.size()), all(answers.size());
  for (const PolicySample& s : asked) of_answer[s.answer].resize(s.advantages.size());
  for (size_t i = 0; i < values.size(); ++i)
    if (const auto [sample, token] = made.places[i]; sample >= 0)
      of_answer[asked[size_t(sample)].answer][size_t(token)] = values[i];
  returns_.assign(answers.size(), {});
  std::vector<double> got, judged;
  for (const PolicySample& s : asked) {
    const auto& v = of_answer[s.answer];
    const GeneralisedAdvantages g =
        generalised_advantages(v, scores[s.answer].reward, recipe().ppo.gamma, recipe().ppo.lambda);
    all[s.answer].assign(g.advantages.begin(), g.advantages.end());
    returns_[s.answer].assign(g.returns.begin(), g.returns.end());
    for (size_t t = 0; t < v.size(); ++t) {
      got.push_back(scores[s.answer].reward * std::pow(recipe().ppo.gamma, double(v.size() - 1 - t)));
      judged.push_back(double(v[t]));
    }
  }
  judged_ = {{"critic/explained_variance", explained_variance(got, judged)}};
  if (recipe().ppo.whiten) whiten(all);
  return all;
}

void PpoStage::complete(const Context& ctx, Trainer& trainer, PolicyBatches& made) {
  std::vector<TokenBatch> batches;
  size_t place = 0;
  for (const TokenBatch& policy : made.batches) {
    TokenBatch& b = batches.emplace_back(
        TokenBatch{.num_sequences = policy.num_sequences, .sequence_length = policy.sequence_length});
    b.tokens = policy.tokens, b.targets = policy.targets, b.num_valid = policy.num_valid, b.weight = policy.weight;
    b.value_target.assign(b.tokens.size(), 0);
    for (float& target : b.value_target)
      if (const auto [sample, token] = made.places[place++]; sample >= 0)
        target = returns_[samples()[size_t(sample)].answer][size_t(token)];
  }
  critic_step_ = critic_->step(ctx, batches, recipe().train.batch_size * recipe().train.sequence_length);
  if (trainer.steps_done() < recipe().ppo.critic_warmup) made = {};
}

std::string PpoStage::after_step(const StepReport& report, const TokenLosses& tokens, Json& record) {
  const std::string note = PolicyStage::after_step(report, tokens, record);
  record["critic/loss"] = critic_step_.loss, record["critic/grad_norm"] = critic_step_.grad_norm;
  record["critic/skipped"] = !critic_step_.skipped.empty();
  record.update(std::exchange(judged_, Json::object()));
  return fmt::format("{}  critic {:.4f}{}", note, critic_step_.loss,
                     critic_step_.skipped.empty() ? "" : " (its step is skipped: " + critic_step_.skipped + ")");
}

}  // namespace minke
