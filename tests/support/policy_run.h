// What tests of GRPO and PPO train: a tiny base in a folder, and a stage with the model and the trainer that a run gives it, in F32.
#pragma once
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "model/checkpoint.h"
#include "rl/policy_stage.h"
#include "run/settings.h"
#include "support/random.h"
#include "support/tiny.h"
#include "tokenize/train.h"

namespace minke::test {

constexpr int64_t kPolicyBatch = 8, kPolicyLength = 96;

inline std::vector<float> host_floats(const Context& ctx, const Operand& o) {
  std::vector<float> all(size_t(o.size()));
  ctx.backend->download(ctx, {.device = o.flat(), .host = all.data()});
  return all;
}

inline std::vector<float> weights_of(const Context& ctx, const Model& model) {
  std::vector<float> all;
  for (const Weight& w : model.weights().all()) {
    const std::vector<float> one = host_floats(ctx, w.master());
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

class PolicyTest : public ::testing::Test {
 protected:
  fs::path folder = fs::path(::testing::TempDir()) / fmt::format("minke-policy-{}", ::getpid());
  TestContext ctx{cpu_backend()};
  void SetUp() override { make_base("base", {}); }
  void make_base(const char* name, const std::vector<std::string>& tags, int64_t mtp = 1) {
    const std::vector<std::string_view> text{"Make 54 from 3 7 25. Compute 1 + 2."};
    const Tokenizer tokenizer = train_bpe(text, {.vocab_size = 290, .tags = tags});
    Config config = tiny_v3(mtp);
    config.vocab_size = tokenizer.vocab_size(), config.max_position_embeddings = kPolicyLength;
    Model model(ctx, config, Precision::f32(), kPolicyLength);
    model.weights().initialise(ctx, 0.1);
    fs::create_directories(folder / name);
    save_weights(ctx, model, folder / name, DType::f32);
    tokenizer.save(folder / name);
  }
  void TearDown() override { fs::remove_all(folder); }
};

template <class S> struct PolicyLife {
  const Context& ctx;
  RunFolder run;
  S stage;
  Model model;
  std::optional<Trainer> trainer;
  LoaderPosition position;
  std::vector<TokenBatch> batches;
  TokenLosses tokens;
  Json record;

  PolicyLife(const Context& context, const Recipe& recipe, const fs::path& base, const fs::path& folder)
      : ctx(context),
        run(folder, false),
        stage(recipe, base, run),
        model(ctx, stage.config(), Precision::f32(), kPolicyLength) {
    const Phase phase = plan_phases(recipe).front();
    stage.enter_phase(phase);
    stage.initialise(ctx, model);
    TrainSettings settings = train_settings(recipe, phase);
    stage.adjust(settings);
    trainer.emplace(ctx, model, settings,
                    std::make_unique<PlainExecutor>(ctx, model, kPolicyBatch, kPolicyLength,
                                                    stage.memory().replays_experts, stage.memory().trains_mtp));
  }
  void draw() { batches = stage.batches(ctx, *trainer, position, kPolicyBatch); }
  void train() {
    const StepReport& report = trainer->step(ctx, batches, &tokens);
    position = stage.after(position, kPolicyBatch);
    record = Json::object();
    stage.after_step(report, tokens, record);
  }
  std::vector<float> weights() const { return weights_of(ctx, model); }
};

}  // namespace minke::test
