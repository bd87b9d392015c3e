// How many of the drafts of the model's MTP module are right in answers that the model draws (acceptance: V3 §5.4.3). Reinforcement
// learning leaves the module alone while the policy changes, so it is measured before and after. Test: tests/rl/rollouts_test.cpp.
#pragma once
#include <optional>

#include "rl/rollouts.h"

namespace minke {

// The engine for it, which is made beside the one that answers: one draft a step, and few answers at once.
EngineSettings mtp_engine(EngineSettings engine, size_t prompts);

// Of one answer to each prompt, by an engine of its own: mtp_engine(engine, …).
// The answers are those of a plain engine (infer/speculation.h). Nothing if the model has no module.
std::optional<SpeculationCounts> mtp_acceptance(const Context& ctx, const Model& model, const Tokenizer& tokenizer,
                                                const std::vector<std::vector<int32_t>>& prompts,
                                                RolloutSettings rollouts, EngineSettings engine);

}  // namespace minke
