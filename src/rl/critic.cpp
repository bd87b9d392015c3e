#include "rl/critic.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace minke {

Critic::Critic(const Context& ctx, const Model& policy, TrainSettings settings, int64_t sequences, int64_t length)
    : model_(ctx, without_mtp(policy.config()), policy.precision(), policy.max_positions(), nullptr, Head::value) {
  for (Weight& w : model_.weights().all()) {
    if (const Weight* same = policy.weights().find(w.storage().name))
      ctx.backend->copy(ctx, {.src = same->master().flat(), .dst = w.master().flat()});
    w.changed();
  }
  ctx.backend->synchronize(ctx);
  model_.set_recompute(policy.recompute());
  settings.objective = {};
  trainer_.emplace(ctx, model_, settings, std::make_unique<PlainExecutor>(ctx, model_, sequences, length));
}

std::vector<float> Critic::values(const Context& ctx, std::span<const TokenBatch> batches) {
  std::vector<float> all;
  TokenLosses tokens;
  for (const TokenBatch& b : batches) {
    trainer_->token_losses(ctx, b, tokens);
    all.insert(all.end(), tokens.value.begin(), tokens.value.end());
  }
  return all;
}

std::vector<std::pair<std::string, Operand>> Critic::state() const {
  auto all = trainer_->state();
  for (auto& [name, operand] : all) name.insert(0, "c.");
  return all;
}

Json Critic::small_state() const { return {{"steps", trainer_->steps_done()}, {"tokens", trainer_->tokens_done()}}; }

void Critic::restore(const Json& saved) {
  const auto number = [&](const char* key) {
    if (!saved.is_object() || !saved.contains(key) || !saved.at(key).is_number() ||
        !(saved.at(key).get<double>() >= 0 && saved.at(key).get<double>() < 1e18))
      user_error("the critic lacks a number of {}", key);
    return saved.at(key).get<double>();
  };
  trainer_->resumed_at(int64_t(number("steps")), number("tokens"));
}

}  // namespace minke
