// How many of the drafts of the model's MTP module are right in answers that the model draws (acceptance: V3 §5.4.3). Reinforcement
// learning leaves the module alone while the policy changes, so it is measured before and after. Test: tests/rl/rollouts_test.cpp.
#pragma once
#include <optional>

#include "rl/rollouts.h"

namespace minke {

// Of one draft a step for one answer to each prompt, with a cache of its own; `engine` is made smaller where it is for more answers.
// The answers are those of a plain engine (infer/speculation.h). Nothing if the model has no module.
std::optional<SpeculationCounts> mtp_acceptance(const Context& ctx, const Model& model, const Tokenizer& tokenizer,
                                                const std::vector<std::vector<int32_t>>& prompts,
                                                RolloutSettings rollouts, EngineSettings engine);

}  // namespace minke
