// Reward models from pairs to scores: what a step does is Bradley-Terry's, what was trained is what scores, and a score is the
// text's alone.
#include "rl/reward_model.h"

#include <cmath>
#include <set>

#include "core/error.h"
#include "data/packing.h"
#include "kernels/dry_run.h"
#include "run/reward_model_stage.h"
#include "support/policy_run.h"

namespace minke::test {
namespace {

class RewardModelTest : public PolicyTest {
 protected:
  RunMachine machine{ctx.context(), "a test", [](const Context&, DType) { return 1e9; }};
  const RewardModelSettings f32{.dtype = FloatFormat::f32};

  void SetUp() override {
    PolicyTest::SetUp();
    write_file_atomic(folder / "base" / "chat_template.jinja", own_chat_template(false));
    std::string lines;
    for (int i = 0; i < 60; ++i)
      lines += Json{{"prompt", fmt::format("{} + {}?", i % 20, i % 3)},
                    {"chosen", std::string(size_t(i % 4 + 1), 'a')},
                    {"rejected", std::string(size_t(i % 5 + 1), 'b')}}
                   .dump() +
               "\n";
    write_file_atomic(folder / "p.jsonl", lines);
  }
  // Returns the records of its log.
  std::vector<Json> train(const char* run, std::vector<std::string> set = {}, bool resume = false) {
    for (const char* s : {"train.sequence_length=48", "train.batch_size=8", "train.lr=0.01", "train.precision=\"f32\"",
                          "train.weight_decay=0", "train.warmup=0", "data.held_out_fraction=0.3"})
      set.insert(set.begin(), s);
    set.push_back(fmt::format("data.train=[\"{}\"]", (folder / "p.jsonl").string()));
    ::testing::internal::CaptureStdout();
    EXPECT_TRUE(train_reward_model(parse_recipe("", "r.toml", set, "", RecipeOf::reward_model), folder / "base",
                                   folder / run, resume, machine));
    said = ::testing::internal::GetCapturedStdout();
    std::vector<Json> log;
    const std::string text = read_file(folder / run / "log.jsonl");
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = text.find('\n', begin);
      log.push_back(parse_json(text.substr(begin, end - begin), "log"));
      begin = end + 1;
    }
    return log;
  }
  static std::vector<double> all_of(const std::vector<Json>& log, const char* key) {
    std::vector<double> values;
    for (const Json& j : log)
      if (j.contains(key)) values.push_back(j[key]);
    return values;
  }
  fs::path latest(const char* run) { return folder / run / "latest"; }
  std::string said;
};

// Pairs, and nothing else: without a length of the run, so many epochs of them.
TEST_F(RewardModelTest, LearnsWhichAnswersAreBetter) {
  const std::vector<Json> log = train("run", {"reward_model.epochs=6"});
  const std::vector<double> accuracy = all_of(log, "eval_pair_accuracy"), nats = all_of(log, "eval_nats_per_pair"),
                            loss = all_of(log, "loss");
  ASSERT_GE(accuracy.size(), 3u);
  EXPECT_EQ(accuracy.front(), 0.5);  // a head of zeros: all are ties
  EXPECT_NEAR(nats.front(), std::log(2), 1e-12);
  EXPECT_NEAR(loss.front(), std::log(2), 1e-6);
  EXPECT_GT(accuracy.back(), 0.95);
  EXPECT_LT(nats.back(), 0.3);
  EXPECT_LT(loss.back(), 0.3);
  EXPECT_GT(all_of(log, "pair_accuracy").back(), 0.9);
  EXPECT_GT(all_of(log, "pair_margin").back(), 1);
  const auto pairs = open_pairs(folder / "run" / "data");
  EXPECT_EQ(all_of(log, "eval_pairs").back(), double(pairs.held_out.size()));
  EXPECT_EQ(loss.size(), size_t(std::ceil(double(pairs.train.size()) * 6 / 4)));
  EXPECT_NE(said.find("worst pairs"), std::string::npos) << said;
  EXPECT_NE(said.find("⟦b"), std::string::npos) << said;
}

// However the step is cut into micro-batches, a pair stays whole, and the loss and the step are those of the whole.
TEST_F(RewardModelTest, AStepIsTheMeanOverItsPairs) {
  const std::vector<Json> one = train("one", {"train.steps=4"}),
                          many = train("many", {"train.steps=4", "train.micro_batch_size=2"});
  const auto a = all_of(one, "loss"), b = all_of(many, "loss"), g = all_of(one, "grad_norm"),
             h = all_of(many, "grad_norm");
  ASSERT_EQ(a.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(a[i], b[i], 1e-4) << i;
    EXPECT_NEAR(g[i], h[i], 1e-3 * g[i] + 1e-6) << i;
  }
  EXPECT_NE(a[0], a[3]);
}

// The first step moves the head alone, which is 0, against the mean of −½(h chosen − h rejected): AdamW's first step is ±lr by its
// sign. h is what another model of the same body gives, one text at a time.
TEST_F(RewardModelTest, TheFirstStepIsBradleyTerrys) {
  train("run",
        {"train.steps=1", "train.batch_size=200", "data.held_out_fraction=0", "train.clip=0", "train.eps=1e-12"});
  const PairSet pairs = open_pairs(folder / "run" / "data").train;
  CheckpointFiles base = open_checkpoint(folder / "base", 0);
  Model model(ctx, base.config, Precision::f32(), 64, nullptr, Head::value);
  load_weights(ctx, model, base.weights);
  const int64_t d = base.config.hidden_size;
  const auto hidden = [&](const std::vector<int32_t>& ids) {
    const std::vector<int64_t> n{int64_t(ids.size())};
    Arena arena(ctx.context().backend->memory(), model.saved_bytes(n, false));
    BatchBuffers buffers(ctx, n[0], 0);
    const std::vector<int32_t> none(ids.size(), -1);
    const Tensor value(ctx.context().backend->memory(), DType::f32, {n[0]});
    buffers.fill(ctx, ids, none, 1, n[0]);
    buffers.batches().front().value = value;
    const ModelSaved saved = model.lay_out_saved(arena, n, false);
    model.forward(ctx, buffers.batches(), saved);
    const std::vector<float> all = host_floats(ctx, saved.h);
    return std::vector<double>(all.end() - d, all.end());
  };
  // 100 pairs of the 60 that there are: the epoch begins anew, and the order of both is of no matter to a whole one only.
  std::vector<double> gradient(size_t(d), 0);
  const Permutation second(RngKey{1}.at("pairs").at(1), pairs.size());
  ASSERT_EQ(pairs.size(), 60u);
  for (uint64_t i = 0; i < 100; ++i) {
    const PreferencePair p = pairs.pair(i < 60 ? i : second(i - 60));
    const std::vector<double> c = hidden(p.chosen), r = hidden(p.rejected);
    for (size_t k = 0; k < size_t(d); ++k) gradient[k] += -0.5 * (c[k] - r[k]) / 100;
  }
  CheckpointFiles made = open_checkpoint(latest("run"), 0, Head::value);
  Model after(ctx, made.config, Precision::f32(), 64, nullptr, Head::value);
  load_weights(ctx, after, made.weights);
  const std::vector<float> head = host_floats(ctx, after.weights().get("value_head")->master());
  for (size_t k = 0; k < size_t(d); ++k) {
    ASSERT_GT(std::abs(gradient[k]), 1e-7);
    EXPECT_NEAR(double(head[k]), gradient[k] > 0 ? -0.01 : 0.01, 1e-5) << k;
  }
  double norm = 0;
  for (double g : gradient) norm += g * g;
  const std::vector<Json> log =
      train("again", {"train.steps=1", "train.batch_size=200", "data.held_out_fraction=0", "balance.loss=\"none\""});
  EXPECT_NEAR(all_of(log, "grad_norm").front(), std::sqrt(norm), 1e-4 * std::sqrt(norm));
}

// The scores of what was saved are those of the run's last evaluation.
TEST_F(RewardModelTest, ScoresAreThoseOfTheTraining) {
  const std::vector<Json> log = train("run", {"train.steps=12"});
  RewardModel model(ctx, latest("run"), f32);
  const PairSet held_out = open_pairs(folder / "run" / "data").held_out;
  std::vector<std::vector<int32_t>> texts;
  for (uint64_t i = 0; i < held_out.size(); ++i) {
    texts.push_back(held_out.pair(i).chosen);
    texts.push_back(held_out.pair(i).rejected);
  }
  const std::vector<float> scores = model.scores(ctx, std::span<const std::vector<int32_t>>(texts));
  double nats = 0, right = 0;
  for (size_t i = 0; i < scores.size(); i += 2) {
    nats += preference_loss(double(scores[i]) - double(scores[i + 1])) / double(held_out.size());
    right += double(scores[i] > scores[i + 1]) / double(held_out.size());
  }
  EXPECT_NEAR(nats, all_of(log, "eval_nats_per_pair").back(), 1e-5);
  EXPECT_NEAR(right, all_of(log, "eval_pair_accuracy").back(), 1e-9);
  // And a text as a user has it gives the same ids.
  const std::vector<ScoredText> by_hand{{"3 + 0?", "aaa"}, {"3 + 0?", "bb"}};
  const std::vector<float> two = model.scores(ctx, by_hand);
  EXPECT_GT(two[0], two[1]);
}

TEST_F(RewardModelTest, AScoreIsTheTextsAlone) {
  train("run", {"train.steps=3"});
  for (const FloatFormat dtype : {FloatFormat::f32, FloatFormat::bf16}) {
    RewardModel model(ctx, latest("run"), {.dtype = dtype, .at_once = 200});
    std::vector<std::string> answers;
    for (size_t i = 0; i < 40; ++i) answers.push_back(std::string(i * 7 % 50, char('a' + i % 5)));
    answers[3] = "";
    answers[4] = "a\xff\xfe<think>";  // a policy may write anything
    std::vector<ScoredText> texts;
    for (const std::string& a : answers) texts.push_back({"1 + 2?", a});
    const std::vector<float> all = model.scores(ctx, texts);
    ASSERT_EQ(all.size(), texts.size());
    std::set<float> different;
    for (size_t i = 0; i < texts.size(); ++i) {
      const std::vector<float> alone = model.scores(ctx, {&texts[i], 1});
      EXPECT_EQ(alone[0], all[i]) << i;
      different.insert(all[i]);
    }
    EXPECT_GT(different.size(), 30u);
    std::vector<ScoredText> other(texts.rbegin(), texts.rend());
    std::vector<float> turned = model.scores(ctx, other);
    std::reverse(turned.begin(), turned.end());
    EXPECT_EQ(turned, all);
    EXPECT_TRUE(model.scores(ctx, std::span<const ScoredText>()).empty());
  }
}

TEST_F(RewardModelTest, WhatIsTooLongHasNoScore) {
  train("run", {"train.steps=1"});
  RewardModel model(ctx, latest("run"), {.dtype = FloatFormat::f32, .longest = 32});
  EXPECT_EQ(model.longest(), 32);
  const std::string longest(100, 'x');
  const std::vector<ScoredText> texts{{"1?", "a"}, {"1?", longest}, {longest, "a"}, {"1?", "b"}};
  const std::vector<float> scores = model.scores(ctx, texts);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(std::isnan(scores[i]), i == 1 || i == 2) << i;
  EXPECT_EQ(RewardModel(ctx, latest("run"), f32).longest(), kPolicyLength);
}

TEST_F(RewardModelTest, TheFolderIsOneForClassification) {
  train("run", {"train.steps=1"});
  const Json config = parse_json(read_file(latest("run") / "config.json"), "config.json");
  EXPECT_EQ(config["architectures"][0], "DeepseekV3ForSequenceClassification");
  EXPECT_EQ(config["num_labels"], 1);
  EXPECT_EQ(config["num_nextn_predict_layers"], 0);
  const CheckpointFiles files = open_checkpoint(latest("run"), kAllMtp, Head::value);
  const WeightInfo* head = files.weights.find("score.weight");
  ASSERT_NE(head, nullptr);
  EXPECT_EQ(std::vector<int64_t>(head->shape.begin(), head->shape.end()),
            (std::vector<int64_t>{1, files.config.hidden_size}));
  EXPECT_EQ(files.weights.find("lm_head.weight"), nullptr);
}

TEST_F(RewardModelTest, OneKindOfModelIsNotTheOther) {
  train("run", {"train.steps=1"});
  const auto complaint = [](const auto& open) -> std::string {
    try {
      open();
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_NE(complaint([&] { open_checkpoint(latest("run"), kAllMtp); }).find("is a reward model"), std::string::npos);
  EXPECT_NE(complaint([&] { RewardModel(ctx, folder / "base"); }).find("is no reward model"), std::string::npos);
  for (const char* file : {"chat_template.jinja", "tokenizer_config.json"}) fs::remove(latest("run") / file);
  EXPECT_NE(complaint([&] { RewardModel(ctx, latest("run")); }).find("no chat template"), std::string::npos);
}

// What the dry run says of scratch is enough for any texts: many short ones have no more tokens than the longest.
TEST_F(RewardModelTest, ScratchIsEnoughForAnyTexts) {
  train("run", {"train.steps=1"});
  const RewardModelSettings settings{
      .dtype = FloatFormat::f32, .longest = 48, .at_once = 170};  // 3 of the longest, or 5 of 32
  DryRun dry(ctx);
  RewardModel::dry(dry.ctx(), latest("run"), settings);
  Arena scratch(ctx.context().backend->memory(), dry.scratch_bytes());
  Context own = ctx.context();
  own.scratch = &scratch;
  RewardModel model(own, latest("run"), settings);
  for (const size_t length : {1, 9, 20, 44}) {
    const std::vector<std::vector<int32_t>> texts(23, std::vector<int32_t>(length, 5));
    const std::vector<float> scores = model.scores(own, texts);
    for (const float s : scores) EXPECT_EQ(s, scores[0]);
  }
}

// Without gradients and moments: a dry run of it counts the memory.
TEST_F(RewardModelTest, ADryOneSaysWhatItTakes) {
  train("run", {"train.steps=1"});
  DryRun dry(ctx);
  const auto made = RewardModel::dry(dry.ctx(), latest("run"), f32);
  double weights = 0;
  for (const Storage& s : storages(open_checkpoint(latest("run"), 0, Head::value).config))
    weights += 4.0 * double(s.size());
  EXPECT_GT(double(dry.counted().bytes()), weights / 2);
  EXPECT_GT(dry.scratch_bytes(), 0u);
}

TEST_F(RewardModelTest, MistakesOfARecipe) {
  const auto complaint = [&](const std::string& set) -> std::string {
    try {
      check_reward_model_recipe(parse_recipe("", "r.toml",
                                             {fmt::format("data.train=[\"{}\"]", (folder / "p.jsonl").string()), set},
                                             "", RecipeOf::reward_model));
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(complaint("train.seed=3"), "");
  EXPECT_NE(complaint("train.batch_size=5").find("train.batch_size = 5 would cut a pair"), std::string::npos);
  EXPECT_NE(complaint("train.micro_batch_size=1").find("train.micro_batch_size = 1 would cut a pair"),
            std::string::npos);
  for (const char* set : {"sft.epochs=3", "grpo.group=8", "train.batch_start=2", "log.sample_tokens=3",
                          "data.fim_rate=0.5", "train.mtp_weight=0.1", "log.needle_lengths=[32]"})
    EXPECT_NE(complaint(set).find("has no effect here"), std::string::npos) << set;
  EXPECT_NE(complaint("data.train=[\"builtin:\"]").find("of what is built in only builtin:pairs does"),
            std::string::npos);
}

}  // namespace
}  // namespace minke::test
