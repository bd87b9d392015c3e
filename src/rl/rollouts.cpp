#include "rl/rollouts.h"

#include <unordered_map>

#include "core/error.h"
#include "eval/task_answers.h"

namespace minke {

std::vector<Rollout> roll_out(const Context& ctx, Engine& engine, const Tokenizer& tokenizer,
                              const std::vector<std::vector<int32_t>>& prompts, const RolloutSettings& o,
                              const std::function<void(int64_t)>& progress) {
  std::vector<Rollout> all(prompts.size() * size_t(o.group));
  std::unordered_map<int64_t, size_t> rollout_of;  // by the engine's number
  const auto ask = [&](size_t i) {
    Rollout& r = all[i];
    r.prompt = i / size_t(o.group);
    r.tokens = prompts[r.prompt];
    r.prompt_tokens = int64_t(r.tokens.size());
    Request request{.prompt = r.tokens,
                    .max_new = o.max_new,
                    .sampling = {.temperature = o.temperature, .seed = o.seed},
                    .sample_index = o.first_sample + i,
                    .drafts = o.drafts};
    if (tokenizer.eos_id() >= 0) request.stop_tokens.push_back(tokenizer.eos_id());
    if (o.with_experts) {
      const Rollout& first = all[i - i % size_t(o.group)];
      request.all_experts = &r == &first;
      request.on_experts = [&r, &first, per_token = engine.experts_per_token()](int64_t position,
                                                                                std::span<const int32_t> experts) {
        const size_t before = size_t(position * per_token);
        if (r.experts.empty() && before > 0) {  // of the prompt, which the first one has computed
          check(first.experts.size() >= before, "roll_out: the first answer of a group is ahead");
          r.experts.assign(first.experts.begin(), first.experts.begin() + std::ptrdiff_t(before));
        }
        check(r.experts.size() == before, "roll_out: experts come in order");
        r.experts.insert(r.experts.end(), experts.begin(), experts.end());
      };
    }
    rollout_of[engine.add(std::move(request))] = i;
  };
  // The first of each group computes the prompt, the others find it.
  for (size_t i = 0; i < all.size(); i += size_t(o.group)) ask(i);
  for (size_t i = 0; i < all.size(); ++i)
    if (i % size_t(o.group) != 0) ask(i);
  int64_t ended = 0;
  while (!engine.idle()) {
    for (const NewToken& t : engine.step(ctx)) {
      const auto at = rollout_of.find(t.sequence);
      if (at == rollout_of.end()) continue;  // what was drafted behind the end
      Rollout& r = all[at->second];
      r.tokens.push_back(t.token);
      r.loss.push_back(float(-t.log_probability));
      const std::string_view piece =
          t.ending == Ending::stop_token ? std::string_view() : tokenizer.token_bytes(t.token);
      r.text += piece;
      const bool said_the_end = ends_with_stop(r.text, piece.size(), o.stop_texts);
      if (t.ending == Ending::none && !said_the_end) continue;
      r.truncated = !said_the_end && t.ending != Ending::stop_token;
      if (t.ending == Ending::none) engine.cancel(t.sequence);
      rollout_of.erase(at);
      ++ended;
    }
    if (progress) progress(ended);
  }
  return all;
}

}  // namespace minke
