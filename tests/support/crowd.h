// Requests that come and go, and what the engine gives for each: alone, and in company.
#pragma once
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "infer/engine.h"
#include "infer/memory.h"
#include "support/random.h"
#include "support/tiny.h"

namespace minke::test {

constexpr AttentionForm kForms[] = {AttentionForm::by_role, AttentionForm::absorbed, AttentionForm::training};

struct Made {
  std::vector<int32_t> tokens;
  std::vector<std::vector<float>> logits;  // of each new token
  Ending ending = Ending::none;
  bool operator==(const Made&) const = default;
};

// A request that records the logits it was given and then does what sampling would have done.
inline Request recording(Request r, Made& made) {
  r.choose = [&made, sampling = r.sampling, index = r.sample_index](std::span<const float> logits, int64_t position) {
    made.logits.emplace_back(logits.begin(), logits.end());
    return Sampler().sample(logits, sampling, index, uint64_t(position));
  };
  return r;
}

inline Made alone(const Context& ctx, const Model& model, const EngineSettings& settings, Request r) {
  Made made;
  Engine engine(ctx, model, settings);
  made.tokens = generate(ctx, engine, recording(std::move(r), made), [&](const NewToken& t) {
    made.ending = t.ending;
    return true;
  });
  return made;
}

struct Crowd {
  std::vector<Request> requests;
  std::vector<int64_t> arrives;  // at which step
};

// Prompts of 1 … 40 tokens, some with a beginning that others have too, answers of 1 … 16.
inline Crowd random_crowd(uint64_t seed, int64_t count, int64_t vocab, int64_t shared) {
  Rng rng{RngKey{.seed = seed}.at("crowd")};
  Crowd crowd;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t own = 1 + int64_t(rng.below(40));
    std::vector<int32_t> prompt = random_tokens(seed * 1000 + uint64_t(i), own, vocab);
    if (shared > 0 && rng.below(2)) {
      const std::vector<int32_t> beginning = random_tokens(seed + 77, shared, vocab);
      const auto length = ptrdiff_t(1 + rng.below(uint64_t(shared)));
      prompt.insert(prompt.begin(), beginning.begin(), beginning.begin() + length);
    }
    crowd.requests.push_back({.prompt = prompt,
                              .max_new = 1 + int64_t(rng.below(16)),
                              .sampling = {.temperature = rng.below(3) ? 1.0 : 0.0, .seed = rng.below(5)},
                              .sample_index = rng.below(3)});
    crowd.arrives.push_back(int64_t(rng.below(30)));
  }
  return crowd;
}

inline std::vector<Made> together(const Context& ctx, Engine& engine, const Crowd& crowd) {
  std::vector<Made> made(crowd.requests.size());
  std::map<int64_t, size_t> by_id;
  std::vector<bool> added(crowd.requests.size());
  for (int64_t step = 0;; ++step) {
    bool all = true;
    for (size_t i = 0; i < crowd.requests.size(); ++i) {
      if (!added[i] && crowd.arrives[i] <= step) {
        by_id[engine.add(recording(crowd.requests[i], made[i]))] = i;
        added[i] = true;
      }
      all = all && added[i];
    }
    if (engine.idle()) {
      if (all) return made;
      continue;
    }
    for (const NewToken& t : engine.step(ctx)) {
      Made& m = made[by_id.at(t.sequence)];
      EXPECT_EQ(m.ending, Ending::none);
      m.tokens.push_back(t.token);
      m.ending = t.ending;
    }
  }
}

// A crowd gets along with the scratch that the dry run says, and with little less. Computed in FP32; fill(ctx, model).
template <class F>
void expect_planned_scratch(const Context& ctx, const Config& config, const EngineSettings& settings, F&& fill) {
  const auto bytes = size_t(inference_memory(ctx, config, Precision::f32(), settings).scratch);
  Arena scratch(ctx.backend->memory(), bytes);
  Context limited = ctx;
  limited.scratch = &scratch;
  Model model(limited, config, Precision::f32(), 64);
  fill(limited, model);
  Engine engine(limited, model, settings);
  Crowd crowd = random_crowd(9, 20, 23, 0);
  crowd.requests.push_back({.prompt = random_tokens(1, 60, 23), .max_new = 4});
  crowd.arrives.push_back(0);
  together(limited, engine, crowd);
  EXPECT_LE(scratch.high_water(), bytes);
  EXPECT_GT(scratch.high_water(), bytes / 4);
}

}  // namespace minke::test
