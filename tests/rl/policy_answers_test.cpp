// What becomes of answers: counted in evaluations, masked, ended, drawn by the seed; and what both engines take of memory.
#include <cstdio>
#include <fstream>
#include <map>
#include <set>

#include "core/error.h"
#include "infer/memory.h"
#include "rl/grpo_stage.h"
#include "rl/mtp_acceptance.h"
#include "support/policy_stages.h"

namespace minke::test {
namespace {

// Right is what is right as the format asks; neither the format alone, nor what a reader would let pass.
TEST_F(PolicyStages, AnEvaluationCountsRightAnswers) {
  const Recipe recipe = with({"grpo.eval_problems=8", "grpo.format_reward=1"});
  const auto run = life<Given>("run", recipe);
  run->stage.answer = [](const Question& q, uint64_t number, int64_t) -> Given::Answer {
    if (q.level == 3) return {formatted("no")};
    if (number == 0) return {formatted(q.task.answer), 7};
    return {"<answer>" + q.task.answer + "</answer> <answer>" + q.task.answer + "</answer>"};
  };
  const auto records = evaluated(*run, recipe);
  ASSERT_GE(records.size(), 1u);
  EXPECT_EQ(records[0].at("eval_right"), 1.0 / 8);
  EXPECT_EQ(records[0].at("eval_right/chain:2"), 1.0 / 4);
  EXPECT_EQ(records[0].at("eval_right/chain:3"), 0.0);
  EXPECT_EQ(records[0].at("eval_length"), 28.0 / 8);
  EXPECT_EQ(records[0].at("final"), false);
}

// What the MTP module is good for is measured at problems of all tasks and levels, with the settings of the answers.
TEST_F(PolicyStages, MtpIsMeasuredOnAllTasks) {
  const Recipe recipe = with({"grpo.tasks=[\"countdown:3\",\"chains:2-3\"]", "grpo.eval_problems=60",
                              "grpo.temperature=0.5", "train.seed=3", "grpo.max_new=12"});
  const auto run = life<Seen>("run", recipe);
  const Questions questions("test", recipe, run->stage.tokenizer(), run->stage.config());
  const std::vector<Question> tests = questions.tests();
  const auto counts = [&](const std::vector<size_t>& which) {
    std::vector<std::vector<int32_t>> prompts;
    for (const size_t i : which) prompts.push_back(tests[i].ids);
    return *mtp_acceptance(ctx, run->model, run->stage.tokenizer(), prompts,
                           {.group = 1, .max_new = 12, .temperature = 0.5, .seed = 3, .stop_texts = {"</answer>"}},
                           *run->stage.memory().engine);
  };
  std::vector<size_t> which;  // a third are of countdown, and 21 of each level of chains
  for (size_t i = 0; i < 22; ++i) which.push_back(i);
  for (size_t i = 60; i < 102; ++i) which.push_back(i);
  ASSERT_EQ(some_of_each(tests, 64), which);
  const SpeculationCounts expected = counts(which);
  const auto records = evaluated(*run, recipe);
  const Json& last = records.back();
  EXPECT_EQ(last.at("mtp_drafts"), expected.drafted);
  EXPECT_EQ(last.at("mtp_acceptance"), expected.acceptance());
  for (size_t i = 0; i < 64; ++i) which[i] = i;
  EXPECT_NE(counts(which).drafted, expected.drafted) << "these tests cannot tell which problems were taken";
}

// While it is measured there are two engines.
TEST_F(PolicyStages, TheMemoryOfBothEnginesIsEstimated) {
  const Recipe recipe = with({"grpo.eval_problems=64"});
  const auto run = life<Seen>("run", recipe);
  const Phase phase = plan_phases(recipe).front();
  StageMemory memory = run->stage.memory();
  ASSERT_TRUE(memory.second_engine);
  EXPECT_EQ(memory.second_engine->max_sequences, 8);
  EXPECT_EQ(memory.second_engine->speculation, SpeculationMode::mtp);
  const double both = training_memory(ctx, run->stage.config(), recipe, phase, 8, memory).evaluation;
  const InferenceMemory second = inference_memory(ctx, run->stage.config(), Precision::f32(), *memory.second_engine);
  memory.second_engine.reset();
  const double one = training_memory(ctx, run->stage.config(), recipe, phase, 8, memory).evaluation;
  EXPECT_GE(both - one, second.cache);
  EXPECT_LE(both - one, second.cache + second.buffers);
  EXPECT_GT(second.cache, 8 * 96 * 4 * 4);
}

// Three questions: of the first the only answer that is worth something else takes no part, so another one is asked; of the last two
// one does not. What a token weighs is by the answers that do.
TEST_F(PolicyStages, MaskedAnswersTakeNoPart) {
  const auto length = [](uint64_t number, int64_t k) { return 2 + 4 * int64_t(number) + k; };
  const auto answer = [&](const Question& q, uint64_t number, int64_t k) -> Given::Answer {
    const bool right = number == 0 || k < 2, truncated = k == 3 && number != 1;
    return {formatted(right ? q.task.answer : "no"), length(number, k), truncated};
  };
  for (const std::string division : {"tokens", "sequences", "constant"}) {
    SCOPED_TRACE(division);
    const auto run =
        life<Given>(division, with({"grpo.truncated=mask", "grpo.dynamic=2", "grpo.division=" + division}));
    run->stage.answer = answer;
    run->draw();
    std::map<int64_t, double> weights;  // by the length of the answer, which is its name
    for (const TokenBatch& b : run->batches)
      for (int64_t s = 0; s < b.num_sequences; ++s) {
        std::set<float> weight;
        int64_t tokens = 0;
        for (int64_t i = s * b.sequence_length; i < (s + 1) * b.sequence_length; ++i)
          if (b.targets[size_t(i)] >= 0) ++tokens, weight.insert(b.weight[size_t(i)]);
        ASSERT_EQ(weight.size(), 1u);
        EXPECT_TRUE(weights.emplace(tokens, *weight.begin()).second) << tokens;
      }
    std::vector<int64_t> lengths;
    double all = 0;
    for (uint64_t number : {1, 2})
      for (int64_t k = 0; k < (number == 1 ? 4 : 3); ++k)
        lengths.push_back(length(number, k)), all += double(length(number, k));
    ASSERT_EQ(weights.size(), lengths.size());
    for (const int64_t n : lengths)
      EXPECT_FLOAT_EQ(float(weights.at(n)), float(division == "tokens"      ? 1 / all
                                                  : division == "sequences" ? 1 / (7.0 * double(n))
                                                                            : 1 / (7.0 * 16)))
          << n;
    EXPECT_EQ(run->stage.after({}, 8).sequence_index, 12u);
    // The record, with a token of whose experts one would be another one now, of two in each of two layers.
    TokenLosses tokens;
    for (const TokenBatch& b : run->batches) tokens.loss.resize(tokens.loss.size() + b.targets.size(), 1);
    tokens.entropy.assign(tokens.loss.size(), 0), tokens.flips.assign(tokens.loss.size(), 1);
    Json record = Json::object();
    run->stage.after_step({}, tokens, record);
    EXPECT_EQ(record.at("questions/asked"), 3);
    EXPECT_EQ(record.at("questions/same_reward"), 1);
    EXPECT_EQ(record.at("flip_rate"), 0.25);
    EXPECT_EQ(record.at("rewards/accuracy/mean"), 8.0 / 12);
    EXPECT_EQ(record.at("reward"), 7.0 / 12);
  }
}

// A level's rate moves by answers that are right, whatever they are rewarded with, and it is that of its own task.
TEST_F(PolicyStages, RatesOfLevelsAreOfRightAnswers) {
  const auto run = life<Given>("run", with({"grpo.levels=edge", "grpo.tasks=[\"chains:2-5\",\"countdown:3-6\"]",
                                            "grpo.format_reward=1", "grpo.accuracy_reward=0.5"}));
  run->stage.answer = [](const Question& q, uint64_t, int64_t k) -> Given::Answer {
    if (q.source == 0 && k != 1) return {formatted(q.task.answer)};
    return {formatted("no")};  // in the format, which is rewarded
  };
  run->draw();
  const Json state = run->stage.small_state();
  const auto moved = [&](size_t choice) {
    std::vector<double> rates;
    for (const Json& level : state.at("levels").at(choice))
      if (level.at("questions") == 1) rates.push_back(level.at("rate"));
      else EXPECT_EQ(level.at("rate"), 0.5);
    return rates;
  };
  EXPECT_EQ(moved(0), std::vector<double>{0.625});  // half the way to 3/4
  EXPECT_EQ(moved(1), std::vector<double>{0.25});   // … to 0
  std::map<std::string, double> rates;
  const Json record = logged(*run);
  for (const auto& [name, value] : record.items())
    if (name.starts_with("level_rates/")) rates[name.substr(12, 5)] = value;
  EXPECT_EQ(rates, (std::map<std::string, double>{{"chain", 0.625}, {"count", 0.25}}));
  // A state of a run without rates changes none; one of other tasks is refused.
  run->stage.restore(Json::object());
  EXPECT_EQ(run->stage.small_state(), state);
  EXPECT_THROW(run->stage.restore(Json{{"levels", Json::array()}}), UserError);
  const auto even = life<Given>("even", with({}));
  even->stage.restore(state);
  EXPECT_TRUE(even->stage.small_state().is_null());
}

// Known beginnings are of the weights that made them: a prompt of more than a page, asked again when the weights have moved, is
// answered as by an engine that has never seen it.
TEST_F(PolicyStages, TheEngineForgetsWhatOlderWeightsMade) {
  const auto known = life<Seen>("known", with({})), fresh = life<Seen>("fresh", with({}));
  Question question;
  question.ids = random_tokens(1, 70, 250);
  const auto losses = [&](PolicyLife<Seen>& l) {
    std::vector<std::vector<float>> all;
    for (const Rollout& r : l.stage.answers(ctx, l.model, {question}, 3, 0)) all.push_back(r.loss);
    return all;
  };
  const auto before = losses(*known);
  for (PolicyLife<Seen>* l : {known.get(), fresh.get()}) l->draw(), l->train();
  const auto after = losses(*known);
  EXPECT_NE(after, before);
  EXPECT_EQ(after, losses(*fresh));
}

// An answer ends behind </answer>, though this model would go on.
TEST_F(PolicyStages, AnswersEndBehindTheAnswer) {
  make_base("base", {"<answer>", "</answer>"});
  const auto run = life<Seen>("run", with({"train.batch_size=64", "grpo.max_new=40", "grpo.temperature=50"}));
  run->stage.batches(ctx, *run->trainer, {}, 64);
  ASSERT_EQ(run->stage.drawn.size(), 64u);
  const int32_t end = run->stage.tokenizer().id_of("</answer>").value();
  int ended = 0;
  for (const Rollout& r : run->stage.drawn) {
    const auto at = std::find(r.tokens.begin() + r.prompt_tokens, r.tokens.end(), end);
    if (at == r.tokens.end()) continue;
    ++ended;
    EXPECT_EQ(at + 1, r.tokens.end());
    EXPECT_TRUE(r.text.ends_with("</answer>"));
    EXPECT_FALSE(r.truncated);
  }
  EXPECT_GT(ended, 3);
}

TEST_F(PolicyStages, AnswersAreDrawnByTheSeedOfTheRecipe) {
  const Recipe first = with({});
  const auto run = life<Seen>("run", first), same = life<Seen>("same", first),
             other = life<Seen>("other", with({"train.seed=2"}));
  const std::vector<Question> questions =
      Questions("test", first, run->stage.tokenizer(), run->stage.config()).training(0, 3);
  const auto drawn = [&](PolicyLife<Seen>& l, uint64_t sample) {
    std::vector<std::vector<int32_t>> all;
    for (const Rollout& r : l.stage.answers(ctx, l.model, questions, 2, sample)) all.push_back(r.tokens);
    return all;
  };
  const auto answers = drawn(*run, 0);
  EXPECT_EQ(answers, drawn(*same, 0));
  const auto others = drawn(*other, 0), later = drawn(*run, 6);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_NE(answers[i], others[i]);
    EXPECT_NE(answers[i], later[i]);
  }
}

// Questions have no end: a position is a number of answers, and there are no epochs.
TEST_F(PolicyStages, PositionsGoOn) {
  const auto run = life<Given>("run", with({"grpo.mini_batches=2", "grpo.dynamic=3"}));
  const GrpoStage& stage = run->stage;
  EXPECT_EQ(stage.most_sequences(16), 2 * 16 * 3);
  EXPECT_TRUE(stage.has({0, uint64_t(1) << 40}));
  EXPECT_FALSE(stage.has({1, 0}));
  EXPECT_EQ(stage.epochs({0, 12345}), 0);
  EXPECT_EQ(stage.in_next_phase({0, 77}).sequence_index, 77u);
  EXPECT_TRUE(stage.evaluates_untrained());
  EXPECT_TRUE(stage.asks_token_losses());
  EXPECT_EQ(stage.kind(), RecipeOf::grpo);
  // Questions go on by groups of answers.
  const Recipe recipe = with({});
  const Questions questions("test", recipe, stage.tokenizer(), stage.config());
  std::vector<std::string> prompts;
  for (const Question& q : questions.training(6, 2)) prompts.push_back(q.prompt);
  EXPECT_EQ(stage.prompts({0, 24}, 8), prompts);
  EXPECT_TRUE(stage.may_save());
  EXPECT_EQ(stage.after({0, 77}, 8).sequence_index, 85u);
  EXPECT_EQ(run->stage.after_rollback({0, 77}).sequence_index, 77u);
}

// Where the model has no module there is nothing to measure, and no second engine.
TEST_F(PolicyStages, AModelWithoutAModule) {
  make_base("base", {}, 0);
  const Recipe recipe = with({"grpo.eval_problems=4"});
  const auto run = life<Seen>("run", recipe);
  EXPECT_FALSE(run->stage.memory().second_engine);
  const auto records = evaluated(*run, recipe);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_TRUE(records[0].contains("eval_right"));
}

}  // namespace
}  // namespace minke::test
