#include "rl/mtp_acceptance.h"

#include <algorithm>

namespace minke {

std::optional<SpeculationCounts> mtp_acceptance(const Context& ctx, const Model& model, const Tokenizer& tokenizer,
                                                const std::vector<std::vector<int32_t>>& prompts,
                                                RolloutSettings rollouts, EngineSettings engine) {
  constexpr int64_t kAtOnce = 16;  // little memory beside a training
  if (model.config().num_nextn_predict_layers == 0 || prompts.empty()) return {};
  rollouts.group = 1, rollouts.with_experts = false, rollouts.drafts = true;
  engine.max_sequences = std::min<int64_t>({engine.max_sequences, kAtOnce, int64_t(prompts.size())});
  engine.speculation = SpeculationMode::mtp, engine.drafts = 1;
  engine.max_tokens = std::max(engine.max_sequences * 2, engine.page);
  engine.cache_tokens = engine.slots_for_all();
  Engine own(ctx, model, engine);
  roll_out(ctx, own, tokenizer, prompts, rollouts);
  return own.speculation()->counts();
}

}  // namespace minke
