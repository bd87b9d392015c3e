#include "rl/grpo_stage.h"

#include <nlohmann/json.hpp>

#include "rl/advantages.h"
#include "rl/policy_log.h"
#include "rl/policy_run.h"

namespace minke {

void check_grpo_recipe(const Recipe& recipe) {
  constexpr std::string_view kUnread[] = {"ppo."};
  check_policy_recipe(recipe, "grpo", kUnread);
}

bool grpo(Recipe recipe, const fs::path& model, const fs::path& folder, bool resume, const RunMachine& machine) {
  return run_policy<GrpoStage>(RecipeOf::grpo, check_grpo_recipe, std::move(recipe), model, folder, resume, machine);
}

void GrpoStage::initialise(const Context& ctx, Model& model) {
  PolicyStage::initialise(ctx, model);
  reference_.reset();
  if (recipe().grpo.beta > 0) reference_.emplace(ctx, model);
}

StageMemory GrpoStage::memory() const {
  StageMemory m = PolicyStage::memory();
  m.weight_copies = recipe().grpo.beta > 0;
  return m;
}

std::vector<std::pair<std::string, Operand>> GrpoStage::state() const {
  if (reference_) return reference_->state("r.");
  return {};
}

PolicyTerms GrpoStage::terms() const {
  PolicyTerms t = PolicyStage::terms();
  t.beta = recipe().grpo.beta;
  return t;
}

// A group whose answers are all worth the same takes no part: without an advantage the KL term alone would move its tokens. An answer
// that is worth just the mean of a group that has differences has a KL term.
std::vector<std::vector<float>> GrpoStage::advantages(const Context&, const std::vector<Rollout>& answers,
                                                      const std::vector<Score>& scores) {
  const size_t group = size_t(recipe().grpo.group);
  std::vector<std::vector<float>> all(answers.size());
  for (size_t first = 0; first < answers.size(); first += group) {
    std::vector<double> rewards;
    std::vector<size_t> which;
    for (size_t i = first; i < first + group; ++i)
      if (!scores[i].masked) rewards.push_back(scores[i].reward), which.push_back(i);
    if (rewards.empty() || all_the_same(rewards)) continue;
    const std::vector<double> a = group_advantages(rewards, recipe().grpo.deviation);
    for (size_t i = 0; i < which.size(); ++i)
      if (a[i] != 0 || recipe().grpo.beta > 0)
        all[which[i]].assign(size_t(answers[which[i]].answer_tokens()), float(a[i]));
  }
  return all;
}

// What the reference policy says of the answers. It chooses its experts itself: it is another model, and the term is about how far its
// distribution is from the policy's, whichever way it comes about. Only the policy's are replayed.
void GrpoStage::complete(const Context& ctx, Trainer& trainer, PolicyBatches& made) {
  if (!reference_) return;
  const int64_t every = recipe().grpo.reference_every, done = trainer.steps_done();
  if (every > 0 && done > 0 && done % every == 0) reference_->refresh(ctx);
  reference_losses_.clear();
  reference_->with(ctx, [&] {
    for (TokenBatch& b : made.batches) {
      std::vector<int32_t> experts;
      std::swap(experts, b.experts);
      TokenLosses tokens;
      trainer.token_losses(ctx, b, tokens);
      std::swap(experts, b.experts);
      reference_losses_.insert(reference_losses_.end(), tokens.loss.begin(), tokens.loss.end());
      b.reference_loss = std::move(tokens.loss);
    }
  });
}

std::string GrpoStage::after_step(const StepReport& report, const TokenLosses& tokens, Json& record) {
  std::string note = PolicyStage::after_step(report, tokens, record);
  if (reference_ && !samples().empty()) record["kl"] = mean_kl(made(), tokens, reference_losses_);
  return note;
}

}  // namespace minke
