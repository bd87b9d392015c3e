// PPO as a stage of a run: advantages by its critic, which is trained on the same answers, and what it leaves alone.
#include "rl/ppo_stage.h"

#include <cmath>
#include <set>

#include "core/error.h"
#include "run/memory_estimate.h"
#include "support/policy_run.h"

namespace minke::test {
namespace {

class OpenStage : public PpoStage {
 public:
  using PpoStage::advantages;
  using PpoStage::PpoStage;
};

class Ppo : public PolicyTest {
 protected:
  static Recipe with(const std::vector<std::string>& more) {
    std::vector<std::string> set{"train.steps=4",         "train.sequence_length=96", "train.batch_size=8",
                                 "grpo.group=4",          "grpo.max_new=16",          "grpo.tasks=[\"chains:2\"]",
                                 "train.lr=3e-3",         "train.warmup=0",           "train.precision=f32",
                                 "train.weight_decay=0.1"};
    set.insert(set.end(), more.begin(), more.end());
    return parse_recipe("", "r.toml", set, "", RecipeOf::ppo);
  }

  struct Life : PolicyLife<OpenStage> {
    using PolicyLife::PolicyLife;
    void step() { draw(), train(); }
    std::vector<float> critic_weights() const {
      std::vector<float> all;
      for (const auto& [name, o] : stage.state())
        if (name.starts_with("c.w.")) {
          const std::vector<float> one = host_floats(ctx, o);
          all.insert(all.end(), one.begin(), one.end());
        }
      return all;
    }
  };
  std::unique_ptr<Life> life(const std::string& name, const std::vector<std::string>& more = {}) {
    return std::make_unique<Life>(ctx, with(more), folder / "base", folder / name);
  }
  // Takes a step, and gives the learning rate that the critic's decay of 0.1 has shrunk its embedding by.
  double critic_rate(Life& run) {
    const auto matrix = [&] {
      for (const auto& [name, o] : run.stage.state())
        if (name.starts_with("c.w.") && name.find("embed") != name.npos) return host_floats(ctx, o);
      return std::vector<float>{};
    };
    const std::vector<float> before = matrix();
    run.step();
    const std::vector<float> after = matrix();
    double dot = 0, squares = 0;
    for (size_t i = 0; i < before.size(); ++i)
      dot += double(before[i]) * double(after[i]), squares += double(before[i]) * double(before[i]);
    EXPECT_GT(squares, 0);
    return (1 - dot / squares) / 0.1;
  }
};

// A run that goes on knows how often each level was right, as GRPO's does, beside its critic.
TEST_F(Ppo, KeepsTheRatesOfLevels) {
  const std::vector<std::string> edge{"grpo.levels=edge", "grpo.tasks=[\"chains:2-5\"]", "train.batch_size=64",
                                      "grpo.group=2"};
  const auto run = life("run", edge), other = life("other", edge);
  const auto before = run->stage.prompts({}, 64);
  Json state = run->stage.small_state();
  ASSERT_TRUE(state.contains("critic"));
  for (Json& level : state["levels"][0]) level["rate"] = level["level"] == 4 ? 0.5 : 0.0;
  other->stage.restore(state);
  EXPECT_NE(before, other->stage.prompts({}, 64));
  EXPECT_EQ(other->stage.small_state(), state);
}

// A critic that knows nothing yet: the advantage is the discounted reward, and of masked answers there is none.
TEST_F(Ppo, AdvantagesAreByTheCritic) {
  const auto run = life("run", {"ppo.whiten=false", "ppo.gamma=0.5", "ppo.lambda=1"});
  std::vector<Rollout> answers(4);
  std::vector<Score> scores(4);
  for (size_t i = 0; i < 4; ++i) {
    answers[i].prompt_tokens = 2, answers[i].tokens.assign(4 + i, int32_t(i + 1));
    answers[i].loss.assign(size_t(answers[i].answer_tokens()), 1);
    scores[i].reward = double(i);
  }
  scores[2].masked = true;
  const auto a = run->stage.advantages(ctx, answers, scores);
  ASSERT_EQ(a.size(), 4u);
  EXPECT_TRUE(a[2].empty());
  EXPECT_EQ(a[0], (std::vector<float>{0, 0}));
  EXPECT_EQ(a[1], (std::vector<float>{0.25, 0.5, 1}));
  EXPECT_EQ(a[3], (std::vector<float>{0.1875, 0.375, 0.75, 1.5, 3}));
  const auto white = life("white")->stage.advantages(ctx, answers, scores);
  double sum = 0, squares = 0;
  for (const auto& answer : white)
    for (float x : answer) sum += double(x), squares += double(x) * double(x);
  EXPECT_NEAR(sum, 0, 1e-5);
  EXPECT_NEAR(squares, 10, 1e-4);  // ten tokens
}

// γ and λ each in its place: against the sum of eq. 16, with the values of a critic that has learned something. What it says of a
// token is found by an answer that ends there and gets nothing: its last advantage is −V.
TEST_F(Ppo, AdvantagesAreDiscountedByGammaAndLambda) {
  class Told : public OpenStage {
   public:
    using OpenStage::OpenStage;
    bool is_telling = true;
    Rollout one;
    std::vector<std::vector<float>> advantages(const Context& c, const std::vector<Rollout>& answers,
                                               const std::vector<Score>& scores) override {
      std::vector<Score> told = scores;
      for (size_t i = 0; is_telling && i < told.size(); ++i) told[i].reward = double(i % 2);
      one = answers[0];
      return OpenStage::advantages(c, answers, told);
    }
  };
  const double gamma = 0.5, lambda = 0.9;
  const Recipe recipe = with({"ppo.whiten=false", "train.steps=20", "ppo.critic_warmup=10", "ppo.critic_lr=0.05",
                              "ppo.gamma=0.5", "ppo.lambda=0.9"});
  PolicyLife<Told> run(ctx, recipe, folder / "base", folder / "run");
  for (int step = 0; step < 4; ++step) run.draw(), run.train();
  Told& stage = run.stage;
  stage.is_telling = false;
  const Rollout whole = stage.one;
  const size_t n = size_t(whole.answer_tokens());
  ASSERT_GT(n, 3u);
  std::vector<Rollout> parts(n, whole);
  for (size_t i = 0; i < n; ++i)
    parts[i].tokens.resize(size_t(whole.prompt_tokens) + i + 1), parts[i].loss.resize(i + 1);
  const auto none = stage.advantages(ctx, parts, std::vector<Score>(n));
  std::vector<double> v;
  for (size_t i = 0; i < n; ++i) v.push_back(-double(none[i].back()));
  std::vector<Score> scores(1);
  scores[0].reward = 0.7;
  const std::vector<float> a = stage.advantages(ctx, {whole}, scores)[0];
  const auto expected = [&](size_t t, double g, double l) {
    double sum = 0;
    for (size_t k = t; k < n; ++k) sum += std::pow(g * l, double(k - t)) * ((k + 1 == n ? 0.7 : g * v[k + 1]) - v[k]);
    return sum;
  };
  double others = 0;
  for (size_t t = 0; t < n; ++t) {
    EXPECT_NEAR(a[t], expected(t, gamma, lambda), 1e-4) << t;
    others = std::max(others, std::abs(expected(t, gamma, lambda) - expected(t, lambda, gamma)));
  }
  EXPECT_GT(others, 0.01) << "the critic has learned too little to tell one from the other";
}

// The critic's own targets arrive at the tokens they are of: after steps towards a reward of 1 for one answer and 0 for the next it
// tells them apart. While the policy waits, the same questions get the same answers.
TEST_F(Ppo, TheCriticLearnsWhichAnswersAreRight) {
  class Told : public PpoStage {
   public:
    using PpoStage::PpoStage;
    std::vector<std::vector<float>> seen;
    std::vector<double> rewards;

   protected:
    std::vector<std::vector<float>> advantages(const Context& c, const std::vector<Rollout>& answers,
                                               const std::vector<Score>& scores) override {
      std::vector<Score> told = scores;
      for (size_t i = 0; i < told.size(); ++i) told[i].reward = double(i % 2);
      const auto all = PpoStage::advantages(c, answers, told);  // λ = 1: the reward less the value
      seen = all;
      for (size_t i = 0; i < seen.size(); ++i)
        for (float& a : seen[i]) a = float(told[i].reward) - a;  // the value
      rewards.clear();
      for (const Score& s : told) rewards.push_back(s.reward);
      return all;
    }
  };
  const Recipe recipe = with({"ppo.whiten=false", "train.steps=200", "ppo.critic_warmup=100", "ppo.critic_lr=0.02"});
  PolicyLife<Told> run(ctx, recipe, folder / "base", folder / "run");
  const Told& stage = run.stage;
  double error = 0, n = 0, right = 0;
  for (int step = 0; step < 80; ++step) {
    run.position = {};
    run.draw(), run.train();
    for (size_t i = 0; step >= 60 && i < stage.seen.size(); ++i)
      for (size_t t = 1; t < stage.seen[i].size(); ++t)  // before the first token nobody knows
        error += std::pow(double(stage.seen[i][t]) - stage.rewards[i], 2), right += stage.rewards[i], ++n;
  }
  ASSERT_GT(n, 100);
  ASSERT_NEAR(right / n, 0.5, 0.25);  // both kinds occur
  EXPECT_LT(error / n, 0.01);         // 0.25: the mean alone; 1e-4 is seen
}

TEST_F(Ppo, WhileTheCriticWarmsUpThePolicyStays) {
  const auto run = life("run", {"ppo.critic_warmup=2", "grpo.format_reward=1"});
  const std::vector<float> before = run->weights();
  for (int step = 0; step < 2; ++step) {
    const std::vector<float> critic = run->critic_weights();
    run->step();
    EXPECT_EQ(run->weights(), before) << step;
    EXPECT_TRUE(run->batches.empty());
    EXPECT_FALSE(run->record.contains("entropy"));
    EXPECT_TRUE(std::isfinite(run->record.at("critic/loss").get<double>()));
    // All rewards are 0 and so are the values: nothing to learn, but decay moves the critic.
    EXPECT_NE(run->critic_weights(), critic) << step;
  }
  run->step();
  EXPECT_NE(run->weights(), before);
  EXPECT_TRUE(run->record.contains("entropy"));
}

TEST_F(Ppo, TheCheckpointHoldsTheCritic) {
  const auto run = life("run"), other = life("other");
  run->step();
  const Json state = Json::parse(run->stage.small_state().dump());
  EXPECT_EQ(state.at("critic").at("steps"), 1);
  other->stage.restore(state);
  EXPECT_EQ(other->stage.small_state(), state);
  EXPECT_THROW(other->stage.restore(Json::object()), UserError);
  EXPECT_THROW(other->stage.restore(Json()), UserError);
  const auto average = life("average", {"train.ema_decay=0.9"});  // the policy's; the critic has none
  for (const Life* l : {run.get(), average.get()}) {
    std::set<std::string> kinds;
    for (const auto& [name, o] : l->stage.state()) kinds.insert(name.substr(0, 4));
    EXPECT_EQ(kinds, (std::set<std::string>{"c.w.", "c.m.", "c.v."}));
  }
}

TEST_F(Ppo, TheCriticHasARateOfItsOwn) {
  const auto run = life("run", {"ppo.critic_lr=0", "grpo.format_reward=1"}),
             same = life("same", {"ppo.critic_lr=3e-3"}), other = life("other", {"ppo.critic_lr=3e-4"});
  for (Life* l : {run.get(), same.get(), other.get()}) l->step();
  EXPECT_EQ(run->critic_weights(), same->critic_weights());
  EXPECT_NE(run->critic_weights(), other->critic_weights());
  EXPECT_EQ(run->weights(), other->weights());
}

// It follows the schedule of the policy, by what a step may take. Rewards and values are 0, so decay alone moves the critic, and its
// matrices shrink by what the rate is.
TEST_F(Ppo, TheCriticsRateFollowsTheSchedule) {
  const auto run =
      life("run", {"ppo.critic_lr=0.05", "train.decay_begin=0", "train.decay_end=1", "train.low_ratio=0.1"});
  for (int step = 0; step < 4; ++step) {
    const double decayed = 0.1 + 0.45 * (1 + std::cos(std::acos(-1.0) * step / 4));  // a cosine from 1 to 0.1
    EXPECT_NEAR(critic_rate(*run), 0.05 * decayed, 1e-5) << step;
  }
}

TEST_F(Ppo, MistakesInTheRecipe) {
  const auto message = [&](const std::vector<std::string>& more) -> std::string {
    try {
      check_ppo_recipe(with(more));
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(message({}), "");
  EXPECT_EQ(message({"grpo.beta=0.1"}).find("ppo: grpo.beta = 0.1 has no effect here"), 0u);
  EXPECT_EQ(message({"grpo.deviation=none"}).find("ppo: grpo.deviation"), 0u);
  EXPECT_EQ(message({"ppo.critic_warmup=4"}).find("ppo: ppo.critic_warmup 4 leaves no step of train.steps 4"), 0u);
  EXPECT_EQ(message({"grpo.tasks=[]"}).find("ppo: grpo.tasks names no task"), 0u);
}

// What all answers that are drawn take on the host beside what GRPO's do, and the critic with the batches of a step.
TEST_F(Ppo, TheCriticIsInTheEstimate) {
  const double step = 8.0 * 96;
  const auto host_bytes = [&](const char* name, const std::vector<std::string>& more) {
    return life(name, more)->stage.memory().host_bytes;
  };
  EXPECT_EQ(host_bytes("one", {"grpo.replay=false"}), step * (16 + 24 + 60 + 20));
  EXPECT_EQ(host_bytes("two", {"grpo.replay=false", "grpo.mini_batches=2"}), step * (2 * 16 + 24 + 2 * 60 + 20));
  const Recipe recipe = with({"train.micro_batch_size=2"});
  const auto run = life("run", {"train.micro_batch_size=2"});
  const Phase phase = plan_phases(recipe).front();
  const auto critic = [&](int64_t sequences) {
    return training_memory(ctx, run->stage.config(), recipe, phase, sequences, run->stage.memory()).critic;
  };
  // Its weights, their gradients and two moments in F32, but for MTP modules and with a head of its own; and what it computes with.
  double weights = 0;
  for (const auto& [name, o] : run->stage.state())
    if (name.starts_with("c.w.")) weights += double(host_footprint(o.bytes()));
  EXPECT_GT(critic(2), 4 * weights);
  // Of a sequence more the activations more, which are the same each time; and those of its batch.
  const double two = critic(2), four = critic(4), eight = critic(8);
  EXPECT_GT(four - two, 2 * 96 * 10 * 3 * 4);
  EXPECT_NEAR(eight - four, 2 * (four - two), 0.02 * (four - two) + 4096 * 40);
}

// How well the critic judged is by what an answer got, discounted to each of its tokens; a step that cannot be is said.
TEST_F(Ppo, HowWellTheCriticJudged) {
  class Told : public OpenStage {
   public:
    using OpenStage::OpenStage;
    double wrong = 0;
    std::vector<std::vector<float>> advantages(const Context& c, const std::vector<Rollout>& answers,
                                               const std::vector<Score>& scores) override {
      std::vector<Score> told = scores;
      for (size_t i = 0; i < told.size(); ++i) told[i].reward = i % 2 ? 1 : wrong;
      return OpenStage::advantages(c, answers, told);
    }
  };
  const Recipe recipe = with({"ppo.whiten=false", "train.steps=20", "ppo.critic_warmup=10", "ppo.critic_lr=0.05",
                              "ppo.gamma=0.5", "ppo.lambda=1"});
  PolicyLife<Told> run(ctx, recipe, folder / "base", folder / "run");
  Told& stage = run.stage;
  run.draw(), run.train();
  EXPECT_EQ(run.record.at("critic/explained_variance"), 0);  // its values were all 0
  EXPECT_EQ(run.record.at("critic/skipped"), false);
  for (int step = 0; step < 3; ++step) run.draw(), run.train();
  // Two answers of three and five tokens. With λ = 1 an advantage is what the answer got, discounted, less the value.
  std::vector<Rollout> answers(2);
  for (size_t i = 0; i < 2; ++i) {
    answers[i].prompt_tokens = 2;
    for (size_t t = 0; t < 5 + 2 * i; ++t) answers[i].tokens.push_back(int32_t(40 * i + 7 * t));
    answers[i].loss.assign(3 + 2 * i, 1);
  }
  stage.wrong = 0.25;
  const auto a = stage.advantages(ctx, answers, std::vector<Score>(2));
  // The critic chooses its own experts, whichever the policy chose.
  std::vector<Rollout> chosen = answers;
  for (Rollout& r : chosen)
    for (size_t t = 0; t + 1 < r.tokens.size(); ++t) r.experts.insert(r.experts.end(), {4, 5, 0, 1});
  EXPECT_EQ(stage.advantages(ctx, chosen, std::vector<Score>(2)), a);
  std::vector<double> got, error;
  for (size_t i = 0; i < 2; ++i)
    for (size_t t = 0; t < a[i].size(); ++t)
      got.push_back((i ? 1 : 0.25) * std::pow(0.5, double(a[i].size() - 1 - t))), error.push_back(double(a[i][t]));
  const auto variance = [](const std::vector<double>& v) {
    double mean = 0, sum = 0;
    for (const double x : v) mean += x / double(v.size());
    for (const double x : v) sum += (x - mean) * (x - mean);
    return sum;
  };
  Json record = Json::object();
  std::string note = stage.after_step({}, {}, record);
  EXPECT_NEAR(record.at("critic/explained_variance").get<double>(), 1 - variance(error) / variance(got), 1e-5);
  EXPECT_GT(std::abs(record.at("critic/explained_variance").get<double>()), 1e-3);
  EXPECT_TRUE(note.ends_with(fmt::format("  critic {:.4f}", record.at("critic/loss").get<double>()))) << note;
  EXPECT_GT(record.at("critic/grad_norm").get<double>(), 0);
  record = Json::object();
  stage.after_step({}, {}, record);
  EXPECT_FALSE(record.contains("critic/explained_variance"));  // only of the step whose answers were drawn
  stage.wrong = NAN;
  run.draw();
  note = stage.after_step({}, {}, record);
  EXPECT_EQ(record.at("critic/skipped"), true);
  EXPECT_NE(note.find(" (its step is skipped: "), note.npos) << note;
}

// At its rate all parts of the schedule are the policy's; none given, it is the policy's own.
TEST_F(Ppo, TheCriticsLastRateIsItsOwnToo) {
  const auto run = life("run", {"ppo.critic_lr=0.05", "train.decay_begin=0", "train.decay_end=0.25",
                                "train.low_ratio=0.5", "train.last_begin=0.5", "train.last_ratio=0.02"});
  const std::vector<double> rates{0.05, 0.025, 0.001, 0.001};
  for (size_t step = 0; step < 4; ++step) {
    EXPECT_NEAR(critic_rate(*run), rates[step], 1e-5) << step;
  }
}

}  // namespace
}  // namespace minke::test
