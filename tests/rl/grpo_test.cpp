// GRPO as a stage of a run: what of the trainer's settings it changes, and that every step asks other questions.
#include "rl/grpo_stage.h"

#include <cmath>
#include <map>
#include <set>

#include "support/policy_run.h"

namespace minke::test {
namespace {

class Grpo : public PolicyTest {
 protected:
  Recipe recipe = parse_recipe(
      "", "r.toml",
      {"train.steps=4", "train.sequence_length=96", "train.batch_size=8", "grpo.group=4", "grpo.max_new=16",
       "grpo.tasks=[\"countdown:3\",\"chains:2\"]", "grpo.clip_low=0.15", "grpo.clip_high=0.28"},
      "", RecipeOf::grpo);
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
  EXPECT_EQ(s.objective.policy->clip_low, 0.15);
  EXPECT_EQ(s.objective.policy->clip_high, 0.28);
  EXPECT_EQ(s.objective.policy->beta, 0);
  EXPECT_EQ(s.objective.inverse_temperature, 1);
  EXPECT_EQ(s.mtp.early, 0);
  EXPECT_EQ(s.mtp.late, 0);
  EXPECT_EQ(s.bias_speed, 0);
  EXPECT_FALSE(s.balance.terms.any());
  EXPECT_EQ(s.spike_jump, 0);
  EXPECT_TRUE(stage.memory().replays_experts);
  EXPECT_FALSE(stage.memory().trains_mtp);
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

// The tiny model is never right, so the answers of these runs get advantages by their places, as if they had been.
class RankedStage : public GrpoStage {
 public:
  using GrpoStage::GrpoStage;

 protected:
  std::vector<std::vector<float>> advantages(const Context&, const std::vector<Rollout>& answers,
                                             const std::vector<Score>&) override {
    std::vector<std::vector<float>> all;
    for (size_t i = 0; i < answers.size(); ++i) all.emplace_back(answers[i].loss.size(), i % 2 ? 1.0f : -1.0f);
    return all;
  }
};

struct Life : PolicyLife<RankedStage> {
  using PolicyLife::PolicyLife;
  std::vector<float> old_losses() const {
    std::vector<float> all;
    for (const TokenBatch& b : batches) all.insert(all.end(), b.old_loss.begin(), b.old_loss.end());
    return all;
  }
};

// The sequences of batches, each with the weight that its answer has.
std::map<std::vector<int32_t>, double> sequences(const std::vector<TokenBatch>& batches) {
  std::map<std::vector<int32_t>, double> all;
  for (const TokenBatch& b : batches)
    for (int64_t s = 0; s < b.num_sequences; ++s) {
      const auto row = b.tokens.begin() + s * b.sequence_length;
      double& weight = all[std::vector<int32_t>(row, row + b.num_valid[size_t(s)])];
      for (int64_t i = 0; i < b.sequence_length; ++i)
        if (const size_t at = size_t(s * b.sequence_length + i); b.targets[at] >= 0) weight += b.weight[at];
    }
  return all;
}

class GrpoUpdates : public Grpo {
 protected:
  Recipe with(const std::vector<std::string>& more) const {
    std::vector<std::string> all{
        "train.steps=6", "train.sequence_length=96", "train.batch_size=8",
        "train.lr=0.05", "train.warmup=0",           "train.precision=f32",
        "grpo.group=4",  "grpo.max_new=16",          "grpo.tasks=[\"countdown:3\",\"chains:2\"]"};
    all.insert(all.end(), more.begin(), more.end());
    return parse_recipe("", "r.toml", all, "", RecipeOf::grpo);
  }
  std::unique_ptr<Life> life(const std::string& name, const std::vector<std::string>& more) {
    return std::make_unique<Life>(ctx, with(more), folder / "base", folder / name);
  }
};

TEST_F(GrpoUpdates, MiniBatchesShareOutWhatWasDrawnAtOnce) {
  const auto parts = life("parts", {"grpo.mini_batches=3"}), whole = life("whole", {"train.batch_size=24"});
  const auto all = sequences(whole->stage.batches(ctx, *whole->trainer, {}, 24));
  ASSERT_EQ(all.size(), 24u);
  std::map<std::vector<int32_t>, double> used;
  for (int part = 0; part < 3; ++part) {
    EXPECT_TRUE(part > 0 || parts->stage.may_save());
    parts->draw();
    EXPECT_EQ(parts->stage.may_save(), part == 2);
    const auto some = sequences(parts->batches);
    EXPECT_EQ(some.size(), 8u);
    double weight = 0;
    std::set<std::vector<int32_t>> prompts;
    for (const auto& [tokens, w] : some) {
      EXPECT_TRUE(all.contains(tokens)) << "was not drawn with the others";
      EXPECT_TRUE(used.emplace(tokens, w).second) << "is used twice";
      weight += w;
      prompts.insert({tokens.begin(), tokens.begin() + 20});
    }
    EXPECT_NEAR(weight, 1, 1e-5) << "a mini-batch is divided by its own tokens";
    EXPECT_GT(prompts.size(), 2u) << "groups are kept whole";
    parts->position = parts->stage.after(parts->position, 8);
    EXPECT_EQ(parts->position.sequence_index, uint64_t(part + 1) * 8);
  }
  EXPECT_EQ(used.size(), 24u);
  // Then others are drawn, for other questions.
  parts->draw();
  for (const auto& [tokens, w] : sequences(parts->batches)) EXPECT_FALSE(all.contains(tokens));
}

TEST_F(GrpoUpdates, OldLossesAreThoseOfTheDrawing) {
  const auto still = life("still", {"grpo.mini_batches=3"}), moving = life("moving", {"grpo.mini_batches=3"});
  for (int part = 0; part < 3; ++part) {
    still->draw(), moving->draw();
    ASSERT_EQ(still->batches.size(), moving->batches.size());
    for (size_t i = 0; i < still->batches.size(); ++i) {
      EXPECT_EQ(still->batches[i].tokens, moving->batches[i].tokens);
      EXPECT_EQ(still->batches[i].old_loss, moving->batches[i].old_loss);
      EXPECT_EQ(still->batches[i].experts, moving->batches[i].experts);
    }
    const std::vector<float> old = moving->old_losses();
    moving->train();
    double moved = 0;
    for (size_t i = 0; i < old.size(); ++i)
      if (moving->tokens.loss[i] != 0)
        moved = std::max(moved, std::abs(double(old[i]) - double(moving->tokens.loss[i])));
    if (part == 0) EXPECT_LT(moved, 1e-3);  // the policy is still the one that answered
    else EXPECT_GT(moved, 0.05);
    EXPECT_EQ(moving->record.contains("delta_logp/max"), part == 0);
    EXPECT_EQ(moving->record.contains("reward"), part == 0);
    EXPECT_EQ(moving->record.at("clip_ratio").get<double>() > 0, part > 0);
    EXPECT_EQ(std::abs(moving->record.at("ratio/mean").get<double>() - 1) < 1e-4, part == 0);
  }
}

TEST_F(GrpoUpdates, ARollbackDropsWhatWasDrawn) {
  const auto run = life("run", {"grpo.mini_batches=3"});
  run->draw();
  const auto before = sequences(run->batches);
  run->position = run->stage.after({}, 8);
  run->position = run->stage.after_rollback(run->position);
  EXPECT_EQ(run->position.sequence_index, 24u);
  EXPECT_TRUE(run->stage.may_save());
  run->draw();
  for (const auto& [tokens, w] : sequences(run->batches)) EXPECT_FALSE(before.contains(tokens));
  EXPECT_EQ(run->stage.after_rollback({0, 32}).sequence_index, 48u);
}

// The reference is the policy of the start, chooses its own experts, and stays so until it is renewed.
TEST_F(GrpoUpdates, TheReferenceIsThePolicyOfSomeStepsAgo) {
  const auto run = life("run", {"grpo.beta=0.1", "grpo.reference_every=2", "grpo.temperature=1.3"});
  Model start(ctx, run->stage.config(), Precision::f32(), 96);
  run->stage.PolicyStage::initialise(ctx, start);
  PlainExecutor executor(ctx, start, 8, 96);
  EXPECT_EQ(run->stage.state().size(), size_t(run->model.weights().all().size()));
  for (int step = 0; step < 3; ++step) {
    const std::vector<float> weights = weights_of(ctx, run->model);
    run->draw();
    EXPECT_EQ(weights_of(ctx, run->model), weights) << "the policy's weights have not come back";
    std::vector<float> reference;
    double worst = 0;
    for (const TokenBatch& b : run->batches) {
      ASSERT_EQ(b.reference_loss.size(), b.tokens.size());
      EXPECT_FALSE(b.experts.empty());
      TokenBatch free = b;
      free.experts.clear();
      TokenLosses expected;
      executor.losses(ctx, free, false, {.inverse_temperature = 1 / 1.3}, &expected);
      for (size_t i = 0; i < b.tokens.size(); ++i)
        worst = std::max(worst, std::abs(double(b.reference_loss[i]) - double(expected.loss[i])));
      reference.insert(reference.end(), b.reference_loss.begin(), b.reference_loss.end());
    }
    if (step < 2) EXPECT_LT(worst, 1e-4) << "step " << step;
    else EXPECT_GT(worst, 0.05);  // renewed
    run->train();
    double kl = 0, n = 0;
    for (size_t i = 0; i < reference.size(); ++i) {
      if (run->tokens.loss[i] == 0) continue;
      const double x = std::exp(double(run->tokens.loss[i]) - double(reference[i]));
      kl += x - 1 - std::log(x), ++n;
    }
    EXPECT_NEAR(run->record.at("kl").get<double>(), kl / n, 1e-6 + 1e-4 * kl / n);
    EXPECT_EQ(kl / n > 1e-4, step == 1) << step;
  }
}

TEST_F(GrpoUpdates, TheKlTermHoldsThePolicyBack) {
  const auto moved = [&](const std::string& name, const std::string& beta) {
    const auto run = life(name, {"grpo.beta=" + beta, "train.lr=0.01", "train.weight_decay=0"});
    double kl = 0;
    for (int step = 0; step < 6; ++step) run->draw(), run->train(), kl = run->record.at("kl").get<double>();
    return kl;
  };
  const double little = moved("little", "1e-9"), much = moved("much", "20");
  EXPECT_GT(little, 0.01);
  EXPECT_LT(much, 0.5 * little);
}

TEST_F(GrpoUpdates, WithoutKlThereIsNoReference) {
  const auto run = life("run", {});
  EXPECT_TRUE(run->stage.state().empty());
  EXPECT_EQ(run->stage.memory().weight_copies, 0);
  run->draw();
  EXPECT_TRUE(run->batches[0].reference_loss.empty());
  EXPECT_EQ(life("other", {"grpo.beta=0.1"})->stage.memory().weight_copies, 1);
}

class OpenStage : public GrpoStage {
 public:
  using GrpoStage::advantages;
  using GrpoStage::GrpoStage;
};

// Groups of four: one without differences, one with an answer at the mean, one whose only difference is masked.
TEST_F(GrpoUpdates, WhichAnswersAreTrained) {
  std::vector<Rollout> answers(12);
  std::vector<Score> scores(12);
  for (size_t i = 0; i < answers.size(); ++i) answers[i].prompt_tokens = 1, answers[i].tokens.assign(3 + i, 0);
  for (size_t i = 0; i < 4; ++i) scores[i].reward = 1;
  scores[4].reward = 2, scores[5].reward = scores[6].reward = 1, scores[7].reward = 0;
  scores[8].reward = 1, scores[8].masked = true;
  const auto trained = [&](const std::string& name, const std::vector<std::string>& more) {
    const Recipe recipe = with(more);
    const RunFolder run(folder / name, false);
    OpenStage stage(recipe, folder / "base", run);
    std::string which;
    const auto all = stage.advantages(ctx, answers, scores);
    for (size_t i = 0; i < all.size(); ++i) {
      EXPECT_TRUE(all[i].empty() || int64_t(all[i].size()) == answers[i].answer_tokens());
      which += all[i].empty() ? '.' : all[i][0] > 0 ? '+' : all[i][0] < 0 ? '-' : '0';
    }
    return which;
  };
  EXPECT_EQ(trained("plain", {}), "....+..-....");
  EXPECT_EQ(trained("kl", {"grpo.beta=0.1"}), "....+00-....");
}

// All answers of the tiny model are worth the same: as many more are asked as may be, and the position counts them.
TEST_F(GrpoUpdates, DynamicSamplingAsksForMore) {
  const auto run = life("run", {"grpo.dynamic=3", "grpo.mini_batches=2"});
  run->draw(), run->train();
  EXPECT_EQ(run->record.at("questions/asked"), 12);  // three times four
  EXPECT_EQ(run->record.at("questions/same_reward"), 12);
  EXPECT_EQ(run->position.sequence_index, 8u);
  EXPECT_FALSE(run->stage.may_save());
  run->draw(), run->train();
  EXPECT_EQ(run->position.sequence_index, 48u);
  EXPECT_FALSE(run->record.contains("questions/asked"));
  EXPECT_LE(run->position.sequence_index, uint64_t(run->stage.most_sequences(16)));
}

// Levels follow what was right, and the rates go with the checkpoint.
TEST_F(GrpoUpdates, LevelsAtTheEdgeFollowTheAnswers) {
  const std::vector<std::string> edge{"grpo.levels=edge", "grpo.tasks=[\"chains:2-5\"]", "train.batch_size=64",
                                      "grpo.group=2"};
  const auto run = life("run", edge), other = life("other", edge);
  const auto before = run->stage.prompts({}, 64);
  EXPECT_EQ(before, other->stage.prompts({}, 64));
  Json state = run->stage.small_state();
  for (Json& level : state["levels"][0]) level["rate"] = level["level"] == 4 ? 0.5 : 0.0;
  other->stage.restore(state);
  EXPECT_NE(before, other->stage.prompts({}, 64));
  run->stage.restore(Json::parse(other->stage.small_state().dump()));
  EXPECT_EQ(run->stage.prompts({}, 64), other->stage.prompts({}, 64));
  // Never right: all rates fall as questions are asked.
  run->stage.batches(ctx, *run->trainer, {}, 64);
  double rates = 0;
  state = run->stage.small_state();
  for (const Json& level : state["levels"][0]) rates += level["rate"].get<double>();
  EXPECT_LT(rates, 0.4);
  EXPECT_TRUE(life("even", {})->stage.small_state().is_null());
}

}  // namespace
}  // namespace minke::test
