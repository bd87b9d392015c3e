// What a step of reinforcement learning writes into the log, by the names that are usual elsewhere. Test: tests/rl/policy_log_test.cpp.
#pragma once
#include "core/json.h"
#include "kernels/policy_objective.h"
#include "rl/policy_batches.h"
#include "rl/rewards.h"
#include "train/executor.h"

namespace minke {

double mean_of(const std::vector<double>& values);  // 0 of none

// What was drawn: rewards, groups of `group` answers, lengths. Returns it for the line of the step.
std::string log_answers(const std::vector<Rollout>& answers, const std::vector<Score>& scores, int64_t group,
                        Json& record);
// How the update found them: `tokens` of the batches that `made` describes. on_policy: the weights are still those that answered.
// experts: that a token has, in all layers.
void log_update(const PolicyBatches& made, const std::vector<PolicySample>& samples, const TokenLosses& tokens,
                const PolicyTerms& terms, int64_t experts, bool on_policy, Json& record);

// An evaluation, one answer to each question: what share is right, in all and at each of `levels` (the name of each question's),
// lengths, and what share of the equations is wrong, of the wrong ones put right, and of the corrections wrong.
std::string log_evaluation(const std::vector<Question>& questions, const std::vector<std::string>& levels,
                           const std::vector<Rollout>& answers, const std::vector<Score>& scores, Json& record);

// The KL term's estimate, mean over the answers' tokens; reference: −log probabilities of the reference policy, as in `tokens`.
double mean_kl(const PolicyBatches& made, const TokenLosses& tokens, const std::vector<float>& reference);

}  // namespace minke
