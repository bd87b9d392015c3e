#include "rl/mtp_acceptance.h"

#include <algorithm>

namespace minke {

EngineSettings mtp_engine(EngineSettings s, size_t prompts) {
  constexpr int64_t kAtOnce = 16;  // little memory beside a training
  s.max_sequences = std::min<int64_t>({s.max_sequences, kAtOnce, int64_t(prompts)});
  s.speculation = SpeculationMode::mtp, s.drafts = 1;
  s.max_tokens = std::max(s.max_sequences * 2, s.page);
  s.cache_tokens = s.slots_for_all();
  return s;
}

std::optional<SpeculationCounts> mtp_acceptance(const Context& ctx, const Model& model, const Tokenizer& tokenizer,
                                                const std::vector<std::vector<int32_t>>& prompts,
                                                RolloutSettings rollouts, EngineSettings engine) {
  if (model.config().num_nextn_predict_layers == 0 || prompts.empty()) return {};
  rollouts.group = 1, rollouts.with_experts = false, rollouts.drafts = true;
  Engine own(ctx, model, mtp_engine(engine, prompts.size()));
  roll_out(ctx, own, tokenizer, prompts, rollouts);
  return own.speculation()->counts();
}

}  // namespace minke
