// GRPO as a stage of a run: what of the trainer's settings it changes, and that every step asks other questions.
#include "rl/grpo_stage.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <set>

#include "model/checkpoint.h"
#include "support/random.h"
#include "support/tiny.h"
#include "tokenize/train.h"

namespace minke::test {
namespace {

class Grpo : public ::testing::Test {
 protected:
  fs::path folder = fs::path(::testing::TempDir()) / fmt::format("minke-grpo-{}", ::getpid());
  TestContext ctx{cpu_backend()};
  Recipe recipe = parse_recipe("", "r.toml",
                               {"train.steps=4", "train.sequence_length=96", "train.batch_size=8", "grpo.group=4",
                                "grpo.max_new=16", "grpo.tasks=[\"countdown:3\",\"chains:2\"]", "grpo.clip_high=0.28"},
                               "", RecipeOf::grpo);
  void SetUp() override {
    const std::vector<std::string_view> text{"Make 54 from 3 7 25. Compute 1 + 2."};
    const Tokenizer tokenizer = train_bpe(text, {.vocab_size = 290});
    Config config = tiny_v3(1);
    config.vocab_size = tokenizer.vocab_size(), config.max_position_embeddings = 96;
    Model model(ctx, config, Precision::f32(), 96);
    model.weights().initialise(ctx, 0.1);
    fs::create_directories(folder / "base");
    save_weights(ctx, model, folder / "base", DType::f32);
    tokenizer.save(folder / "base");
  }
  void TearDown() override { fs::remove_all(folder); }
};

TEST_F(Grpo, NothingButThePolicyIsTrained) {
  const RunFolder run(folder / "run", false);
  const GrpoStage stage(recipe, folder / "base", run);
  TrainSettings s;
  s.mtp = {.early = 0.3, .late = 0.1};
  s.bias_speed = 0.001;
  s.balance = {.terms = {.alpha_expert = 1e-4}};
  s.spike_jump = 2;
  stage.adjust(s);
  ASSERT_TRUE(s.objective.policy);
  EXPECT_EQ(s.objective.policy->clip_low, 0.2);
  EXPECT_EQ(s.objective.policy->clip_high, 0.28);
  EXPECT_EQ(s.objective.policy->beta, 0);
  EXPECT_EQ(s.objective.inverse_temperature, 1);
  EXPECT_EQ(s.mtp.early, 0);
  EXPECT_EQ(s.mtp.late, 0);
  EXPECT_EQ(s.bias_speed, 0);
  EXPECT_FALSE(s.balance.terms.any());
  EXPECT_EQ(s.spike_jump, 0);
  EXPECT_TRUE(stage.replays_experts());
}

// Positions go on by answers, and a step of 8 answers asks two questions: never the same ones again.
TEST_F(Grpo, EveryStepAsksOtherQuestions) {
  const RunFolder run(folder / "run", false);
  GrpoStage stage(recipe, folder / "base", run);
  std::set<std::string> asked;
  LoaderPosition position;
  for (int step = 0; step < 4; ++step) {
    for (const std::string& prompt : stage.prompts(position, 8)) EXPECT_TRUE(asked.insert(prompt).second) << prompt;
    EXPECT_EQ(stage.prompts(position, 8), stage.prompts(position, 8));
    position = stage.after(position, 8);
  }
  EXPECT_EQ(asked.size(), 8u);
  EXPECT_EQ(position.sequence_index, 32u);
}

}  // namespace
}  // namespace minke::test
