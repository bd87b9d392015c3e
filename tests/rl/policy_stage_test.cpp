// A stage with answers that are given to it: what is asked, kept, weighed, counted and logged; and what it asks of the engine.
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

// What the recipe alone shows to be wrong, up to the bounds.
TEST_F(PolicyStages, MistakesInTheRecipe) {
  const auto message = [](const Recipe& recipe) -> std::string {
    try {
      check_grpo_recipe(recipe);
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  };
  const auto refused = [&](const std::string& begin, const std::vector<std::string>& more,
                           const std::function<void(Recipe&)>& edit = {}) {
    Recipe recipe = with(more);
    if (edit) edit(recipe);
    const std::string said = message(recipe);
    EXPECT_TRUE(said.starts_with("grpo: " + begin)) << begin << " -- said: " << said;
  };
  EXPECT_EQ(message(with({})), "");
  refused("grpo.tasks names no task", {"grpo.tasks=[]"});
  refused("data.train is for text", {}, [](Recipe& r) { r.data.train = {"x.txt"}; });
  refused("[[long_context]] belongs to pre-training", {}, [](Recipe& r) { r.long_context.emplace_back(); });
  refused("give train.steps", {}, [](Recipe& r) { r.train.steps = 0; });
  EXPECT_EQ(message(with({"train.steps=1"})), "");
  refused("grpo.accuracy_reward, grpo.format_reward and grpo.language_reward are all 0", {"grpo.accuracy_reward=0"});
  for (const char* one : {"grpo.format_reward=0.5", "grpo.language_reward=0.5"})
    EXPECT_EQ(message(with({"grpo.accuracy_reward=0", one})), "");
  refused("train.batch_size 10 is no multiple of grpo.group 4", {"train.batch_size=10"});
  EXPECT_EQ(message(with({"train.batch_size=10", "grpo.group=5"})), "");
  refused("train.batch_start, a batch that grows", {}, [](Recipe& r) { r.train.batch_start = 1; });
  refused("train.dropout would train another distribution", {}, [](Recipe& r) { r.train.dropout = 1e-9; });
  refused("grpo.max_new 96 leaves no room for a question in train.sequence_length 96", {"grpo.max_new=96"});
  EXPECT_EQ(message(with({"grpo.max_new=95"})), "");
  // Keys that nothing would read.
  const std::vector<std::pair<const char*, std::function<void(Recipe&)>>> unread{
      {"tokenizer.vocab_size", [](Recipe& r) { r.tokenizer.vocab_size = 300; }},
      {"model.", [](Recipe& r) { r.model_json = R"({"hidden_size": 7})"; }},
      {"data.fim_rate", [](Recipe& r) { r.data.fim_rate = 0.5; }},
      {"sft.epochs", [](Recipe& r) { r.sft.epochs = 1; }},
      {"eval.samples", [](Recipe& r) { r.eval.samples = 3; }},
      {"sample.samples", [](Recipe& r) { r.sample.samples = 3; }},
      {"balance.bias_speed", [](Recipe& r) { r.balance.bias_speed = 1; }},
      {"train.mtp_weight =", [](Recipe& r) { r.train.mtp_weight = 1; }},
      {"train.mtp_weight_late", [](Recipe& r) { r.train.mtp_weight_late = 1; }},
      {"train.spike_jump", [](Recipe& r) { r.train.spike_jump = 1; }},
      {"train.minutes", [](Recipe& r) { r.train.minutes = 1; }},
      {"train.initializer_range", [](Recipe& r) { r.train.initializer_range = 1; }},
      {"train.dense", [](Recipe& r) { r.train.dense = true; }},
      {"log.eval_tokens", [](Recipe& r) { r.log.eval_tokens = 1; }},
      {"log.sample_prompts", [](Recipe& r) { r.log.sample_prompts = {"a"}; }},
      {"log.choices", [](Recipe& r) { r.log.choices = "a"; }},
      {"log.needle_lengths", [](Recipe& r) { r.log.needle_lengths = {1}; }},
      {"ppo.gamma", [](Recipe& r) { r.ppo.gamma = 0.5; }}};
  for (const auto& [key, edit] : unread) refused(key, {}, edit);
  EXPECT_TRUE(message(with({"grpo.tasks=[\"nothing:3\"]"})).find("nothing") != std::string::npos);
  EXPECT_EQ(message(with({"grpo.tasks=[\"chains:2\",\"chains:2-3\"]"})), "grpo.tasks: chain:2 is named twice");
}

// A new run is refused for what the model and its questions show; one that has begun goes on with what it keeps of the base.
TEST_F(PolicyStages, ARunThatHasBegunNeedsNoBase) {
  const auto make = [&](const char* name, bool resume, const fs::path& base, const std::vector<std::string>& more) {
    const Recipe recipe = with(more);
    const RunFolder run(folder / name, resume);
    GrpoStage stage(recipe, base, run);
    EXPECT_EQ(stage.config().max_position_embeddings, 96);
  };
  const std::string longer = "train.sequence_length=97", no_room = "grpo.max_new=95";
  EXPECT_THROW(make("longer", false, folder / "base", {longer}), UserError);
  EXPECT_THROW(make("no room", false, folder / "base", {no_room}), UserError);
  make("run", false, folder / "base", {});
  EXPECT_TRUE(fs::exists(folder / "run" / "base" / "config.json"));
  std::ofstream(folder / "run" / "recipe.toml") << "";
  make("run", true, folder / "nowhere", {});
  make("run", true, folder / "nowhere", {no_room});  // it was taken when it began
  EXPECT_THROW(make("run", true, folder / "nowhere", {longer}), UserError);
}

// The engine that answers: as many at once as are drawn, up to 256; steps of 2048 tokens; a cache for all of them.
TEST_F(PolicyStages, WhatTheEngineIsAskedFor) {
  const auto memory = [&](const char* name, const std::vector<std::string>& more) {
    return life<Given>(name, with(more))->stage.memory();
  };
  const EngineSettings plain = *memory("plain", {}).engine;
  EXPECT_EQ(plain.max_context, 96);
  EXPECT_EQ(plain.max_sequences, 8);
  EXPECT_EQ(plain.max_tokens, 2048);
  EXPECT_EQ(plain.cache_tokens, 8 * 128);  // pages of 64
  EXPECT_EQ(plain.cache, DType::f32);
  EXPECT_EQ(plain.form, AttentionForm::by_role);
  EXPECT_EQ(plain.speculation, SpeculationMode::off);
  EXPECT_EQ(memory("bf16", {"train.precision=bf16"}).engine->cache, DType::bf16);
  EXPECT_EQ(memory("exact", {"grpo.exact=true"}).engine->form, AttentionForm::training);
  EXPECT_EQ(memory("more", {"train.batch_size=64", "grpo.mini_batches=3"}).engine->max_sequences, 192);
  EXPECT_EQ(memory("most", {"train.batch_size=64", "train.steps=60", "grpo.mini_batches=4"}).engine->max_sequences,
            256);
  const StageMemory many = memory("many", {"train.batch_size=64", "train.steps=60", "grpo.mini_batches=5"});
  EXPECT_EQ(many.engine->max_sequences, 256);
  EXPECT_EQ(many.engine->cache_tokens, 256 * 128);
  EXPECT_TRUE(many.asks_token_losses);
  EXPECT_FALSE(many.trains_mtp);
  EXPECT_TRUE(many.replays_experts);
  EXPECT_FALSE(memory("free", {"grpo.replay=false"}).replays_experts);
  // The second one has as many as there are tests, or 16.
  const std::string tasks = "grpo.tasks=[\"chains:2-3\",\"countdown:3\"]";
  EXPECT_EQ(memory("tests", {tasks, "train.batch_size=64", "grpo.eval_problems=6"}).second_engine->max_sequences, 12);
  EXPECT_EQ(memory("16", {tasks, "train.batch_size=64"}).second_engine->max_sequences, 16);
}

TEST(MtpEngine, IsSmall) {
  const EngineSettings e =
      mtp_engine({.max_context = 100, .cache_tokens = 7, .max_sequences = 64, .max_tokens = 999}, 40);
  EXPECT_EQ(e.max_context, 100);
  EXPECT_EQ(e.max_sequences, 16);
  EXPECT_EQ(e.speculation, SpeculationMode::mtp);
  EXPECT_EQ(e.drafts, 1);
  EXPECT_EQ(e.max_tokens, 64);  // a page, of which two a sequence are fewer
  EXPECT_EQ(e.cache_tokens, 16 * 128);
  EXPECT_EQ(mtp_engine({.max_sequences = 3, .page = 4}, 40).max_sequences, 3);
  EXPECT_EQ(mtp_engine({.max_sequences = 3, .page = 4}, 40).max_tokens, 6);
}

TEST_F(PolicyStages, TheObjectiveHasTheTemperatureOfTheAnswers) {
  const auto run = life<Given>("run", with({"grpo.temperature=0.5", "grpo.clip_low=0.1", "grpo.clip_high=0.3"}));
  TrainSettings s;
  run->stage.adjust(s);
  EXPECT_EQ(s.objective.inverse_temperature, 2);
  EXPECT_EQ(s.objective.policy->clip_low, 0.1);
  EXPECT_EQ(s.objective.policy->clip_high, 0.3);
}

// For the first step, before anything has been drawn: micro-batches that are full.
TEST_F(PolicyStages, TheLargestBatchIsAFullMicroBatch) {
  const auto run = life<Given>("run", with({"train.micro_batch_size=2"}));
  for (const auto& [size, length] : {std::pair<int64_t, int64_t>{2, 96}, {1, 192}, {8, 24}, {5, 38}}) {
    const auto batches = run->stage.largest_batch(ctx, *run->trainer, size);
    ASSERT_EQ(batches.size(), 1u);
    const TokenBatch& b = batches[0];
    EXPECT_EQ(b.num_sequences, size);
    EXPECT_EQ(b.sequence_length, length);
    const size_t n = size_t(size * length);
    EXPECT_EQ(b.tokens, std::vector<int32_t>(n, 0));
    EXPECT_EQ(b.targets, std::vector<int32_t>(n, 0));
    for (const std::vector<float>* v : {&b.weight, &b.advantage, &b.old_loss, &b.reference_loss})
      EXPECT_EQ(*v, std::vector<float>(n, 0));
  }
  run->stage.answer = [](const Question& q, uint64_t, int64_t k) -> Given::Answer {
    return {k == 0 ? formatted(q.task.answer) : formatted("no"), 3 + k};
  };
  run->draw();
  int64_t answers = 0;
  for (const TokenBatch& b : run->batches) {
    EXPECT_LE(b.num_sequences * b.sequence_length, 192);
    answers += b.num_sequences;
  }
  EXPECT_EQ(answers, 8);
}

// Of what was drawn at once each mini-batch takes its part of a random order, in the order of the answers, and divides by its own.
TEST_F(PolicyStages, MiniBatchesAreTheirPartsInOrder) {
  for (const std::string division : {"tokens", "sequences", "constant"}) {
    SCOPED_TRACE(division);
    const auto run = life<Given>(division, with({"grpo.mini_batches=3", "grpo.max_new=40", "train.micro_batch_size=2",
                                                 "train.seed=5", "grpo.division=" + division}));
    std::vector<int64_t> rounded(24);
    for (const uint64_t first : {0u, 6u}) {  // questions that were asked before
      run->stage.answer = [&](const Question& q, uint64_t number, int64_t k) -> Given::Answer {
        const int64_t i = int64_t(number - first) * 4 + k;
        rounded[size_t(i)] = (int64_t(q.ids.size()) + i + 15) / 16;  // 1 + i tokens, the last of which is no input
        return {k == 1 ? formatted(q.task.answer) : formatted("no"), 1 + i};
      };
      const std::vector<size_t> order = random_order(24, RngKey{5}.at("mini-batches").at(4 * first));
      for (size_t part = 0; part < 3; ++part) {
        run->draw();
        std::vector<size_t> expected(order.begin() + ptrdiff_t(8 * part), order.begin() + ptrdiff_t(8 * part + 8));
        std::sort(expected.begin(), expected.end());
        int64_t tokens = 0;
        for (const size_t i : expected) tokens += 1 + int64_t(i);
        std::stable_sort(expected.begin(), expected.end(), [&](size_t a, size_t b) { return rounded[a] > rounded[b]; });
        const auto rows = rows_of(run->batches);
        ASSERT_EQ(rows.size(), 8u);
        for (size_t r = 0; r < 8; ++r) {
          const int64_t length = 1 + int64_t(expected[r]);
          EXPECT_EQ(rows[r].tokens, length) << part;
          EXPECT_FLOAT_EQ(rows[r].weight, float(division == "tokens"      ? 1 / double(tokens)
                                                : division == "sequences" ? 1 / (8.0 * double(length))
                                                                          : 1 / (8.0 * 40)));
          EXPECT_EQ(rows[r].advantage > 0, expected[r] % 4 == 1);
        }
        run->position = run->stage.after(run->position, 8);
      }
      EXPECT_EQ(run->position.sequence_index, 24 + 4 * first);
      EXPECT_EQ(run->position.epoch, 0);
    }
  }
}

// Questions whose answers are all worth the same are asked on, one after another, until there are enough of the others.
TEST_F(PolicyStages, DynamicSamplingEndsWhenThereAreEnough) {
  const auto run = life<Given>("run", with({"grpo.dynamic=3", "grpo.mini_batches=1"}));
  const auto length = [](uint64_t number, int64_t k) { return 1 + 4 * int64_t(number) + k; };
  std::vector<uint64_t> asked;
  std::set<uint64_t> teaching{1, 3};
  run->stage.answer = [&](const Question& q, uint64_t number, int64_t k) -> Given::Answer {
    if (k == 0) asked.push_back(number);
    return {teaching.contains(number) && k == 0 ? formatted(q.task.answer) : formatted("no"), length(number, k)};
  };
  const auto lengths = [&] {
    std::vector<int64_t> all;
    for (const Row& row : rows_of(run->batches)) all.push_back(row.tokens);
    std::sort(all.begin(), all.end());
    return all;
  };
  run->draw();
  EXPECT_EQ(asked, (std::vector<uint64_t>{0, 1, 2, 3}));
  EXPECT_EQ(lengths(), (std::vector<int64_t>{5, 6, 7, 8, 13, 14, 15, 16}));
  std::string note;
  const Json record = logged(*run, &note);
  EXPECT_EQ(record.at("questions/asked"), 4);
  EXPECT_EQ(record.at("questions/same_reward"), 2);
  EXPECT_EQ(record.at("rewards/accuracy/mean"), 2.0 / 16);  // of all that were drawn
  EXPECT_GT(record.at("rollout_seconds").get<double>(), 0);
  EXPECT_EQ(note, "reward 0.125  right 12.5 %  length 8");
  run->position = run->stage.after(run->position, 8);
  EXPECT_EQ(run->position.sequence_index, 16u);
  EXPECT_EQ(run->stage.most_sequences(8), 24);
  // Too few: six are asked, and the first of the others fills up, and is divided by, but teaches nothing.
  asked.clear(), teaching = {7};
  run->draw();
  EXPECT_EQ(asked, (std::vector<uint64_t>{4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(lengths(), (std::vector<int64_t>{29, 30, 31, 32}));
  const double tokens = 17 + 18 + 19 + 20 + 29 + 30 + 31 + 32;
  for (const Row& row : rows_of(run->batches)) EXPECT_FLOAT_EQ(row.weight, float(1 / tokens));
  EXPECT_EQ(run->stage.after(run->position, 8).sequence_index, 40u);
}

// The control: the rewards of a draw, dealt out by the seed and the position.
TEST_F(PolicyStages, ShuffledRewardsAreThoseOfOthers) {
  const auto run = life<Given>("run", with({"grpo.shuffle_rewards=true", "train.seed=7", "train.batch_size=32"}));
  run->stage.answer = [](const Question& q, uint32_t number, int32_t k) -> Given::Answer {
    return {k == 0 ? formatted(q.task.answer) : formatted("no"), 1 + int32_t(number % 8) * 4 + k};
  };
  for (const uint32_t position : {0u, 32u}) {
    std::vector<Score> scores(32);
    for (size_t i = 0; i < 32; i += 4) scores[i].reward = 1;
    shuffle_rewards(scores, RngKey{7}.at("grpo shuffle").at(position));
    size_t expected = 0;
    for (size_t i = 0; i < 32; i += 4) {
      const double sum = scores[i].reward + scores[i + 1].reward + scores[i + 2].reward + scores[i + 3].reward;
      expected += sum > 0 && sum < 4 ? 4 : 0;
    }
    run->batches = run->stage.batches(ctx, *run->trainer, {0, position}, 32);
    const auto rows = rows_of(run->batches);
    EXPECT_EQ(rows.size(), expected);
    for (const Row& row : rows) {
      const size_t i = size_t(row.tokens - 1), first = i / 4 * 4;
      double mean = 0;
      for (size_t k = first; k < first + 4; ++k) mean += scores[k].reward / 4;
      EXPECT_EQ(row.advantage > 0, scores[i].reward > mean) << i;
    }
    const Json record = logged(*run);
    EXPECT_EQ(record.at("rewards/accuracy/mean"), 0.25);  // what they are, not what they get
    EXPECT_EQ(record.at("reward"), 0.25);
    EXPECT_FALSE(record.contains("questions/asked"));
  }
}

// The last evaluation takes long: a run that is to stop leaves it out, any other one is made.
TEST_F(PolicyStages, EvaluationsAndWhatIsSaidOfThem) {
  const Recipe recipe =
      with({"grpo.eval_problems=5", "log.sample_tokens=1", "grpo.tasks=[\"chains:2-3\",\"countdown:3\"]"});
  const auto run = life<Given>("run", recipe);
  std::vector<Question> asked;
  run->stage.answer = [&](const Question& q, uint64_t number, int64_t k) -> Given::Answer {
    EXPECT_EQ(k, 0);
    EXPECT_EQ(number, asked.size());
    asked.push_back(q);
    return {number % 2 == 0 ? formatted(q.task.right_answer()) : "no \xE4\xB8", 4};
  };
  const auto evaluation = [&](bool last, bool (*stop)(), bool done = true) {
    asked.clear();
    return said(
        *run, recipe, [&](const RunView& view) { EXPECT_EQ(run->stage.evaluate(view, last), done); }, stop);
  };
  const auto yes = [] { return true; };
  const auto no = [] { return false; };
  const Said stopped = evaluation(true, yes, false);
  EXPECT_TRUE(stopped.records.empty());
  EXPECT_TRUE(asked.empty());
  const Said first = evaluation(false, yes);
  ASSERT_EQ(asked.size(), 10u);
  ASSERT_EQ(first.records.size(), 1u + 8 + 1);
  EXPECT_EQ(first.records[0].at("step"), 0);
  EXPECT_EQ(first.records[0].at("train_seconds"), 12.5);
  EXPECT_EQ(first.records[0].at("final"), false);
  EXPECT_GT(first.records[0].at("unix_time").get<double>(), 1e9);
  EXPECT_EQ(first.records[0].at("eval_right"), 0.5);
  EXPECT_TRUE(first.text.starts_with("evaluation  step 0: 50.0 % of 10 test problems right (")) << first.text;
  // Of chains:2, chains:3 and countdown:3 the first, the second …: of chains all five, of countdown three.
  const std::vector<size_t> shown = some_of_each(asked, 8);
  EXPECT_EQ(shown, (std::vector<size_t>{0, 1, 2, 3, 4, 5, 6, 7}));
  for (size_t i = 0; i < 8; ++i) {
    const Json& r = first.records[1 + i];
    EXPECT_EQ(r.at("step"), 0);
    EXPECT_EQ(r.at("problem"), i);
    EXPECT_EQ(r.at("prompt"), asked[i].prompt);
    EXPECT_EQ(r.at("right"), i % 2 == 0);
    EXPECT_EQ(r.at("sample"), i % 2 == 0 ? formatted(asked[i].task.right_answer()) : "no \uFFFD");
  }
  const Json& mtp = first.records.back();
  EXPECT_EQ(mtp.at("step"), 0);
  EXPECT_GT(mtp.at("mtp_drafts").get<int64_t>(), 20);
  EXPECT_NE(
      first.text.find(fmt::format("\nMTP         step 0: {:.1f} % of {} drafts of the module are right",
                                  100 * mtp.at("mtp_acceptance").get<double>(), mtp.at("mtp_drafts").get<int64_t>())),
      std::string::npos)
      << first.text;
  // Later the module is not measured but at the end.
  run->stage.answer = [&](const Question& q, uint64_t, int64_t k) -> Given::Answer {
    asked.push_back(q);
    return {k == 0 ? formatted(q.task.right_answer()) : "no", 3 + k};
  };
  run->draw(), run->train();
  const Said later = evaluation(false, no), end = evaluation(true, no);
  ASSERT_EQ(later.records.size(), 1u + 8);
  EXPECT_EQ(later.records[0].at("step"), 1);
  EXPECT_EQ(later.records[0].at("eval_right"), 1);
  ASSERT_EQ(end.records.size(), 1u + 8 + 1);
  EXPECT_EQ(end.records[0].at("final"), true);
  EXPECT_EQ(end.records[8].at("step"), 1);
  EXPECT_TRUE(end.records[9].contains("mtp_acceptance"));
  EXPECT_EQ(end.text.find("final       step 1: 100.0 % of 10 test problems right"), 0u) << end.text;
  Recipe quiet = recipe;
  quiet.log.sample_tokens = 0;
  const auto silent = life<Given>("silent", quiet);
  silent->stage.answer = run->stage.answer;
  EXPECT_EQ(evaluated(*silent, quiet).size(), 2u);
}

// Of a step the worst answer and the best one, the first of those alike; of no step nothing.
TEST_F(PolicyStages, ShowsTheWorstAndTheBestAnswer) {
  const Recipe recipe = with({"grpo.format_reward=0.5", "log.sample_tokens=1"});
  const auto run = life<Given>("run", recipe);
  std::vector<std::string> prompts;
  run->stage.answer = [&](const Question& q, uint64_t number, int64_t k) -> Given::Answer {
    if (k == 0) prompts.push_back(q.prompt);
    const std::string thought = fmt::format("<think>{}</think>\n", k);
    if (number == 1 && k >= 2) return {thought + "<answer>" + q.task.answer + "</answer>", 3};
    if (number == 0 && k >= 2) return {fmt::format("nothing {} \xE4\xB8", k), 3};
    return {formatted("no"), 3};
  };
  const auto shown = [&](PolicyLife<Given>& l, const Recipe& r) {
    return said(l, r, [&](const RunView& view) { l.stage.show_samples(view); });
  };
  EXPECT_TRUE(shown(*run, recipe).records.empty());
  run->draw();
  const Said both = shown(*run, recipe);
  ASSERT_EQ(both.records.size(), 2u);
  EXPECT_EQ(both.records[0], (Json{{"step", 0}, {"prompt", prompts[0]}, {"sample", "nothing 2 \uFFFD"}}));
  EXPECT_EQ(both.records[1].at("prompt"), prompts[1]);
  EXPECT_NE(both.text.find("sample      reward 0: " + prompts[0] + "▶nothing 2 \uFFFD\n"), std::string::npos)
      << both.text;
  EXPECT_NE(both.text.find("sample      reward 1.5: " + prompts[1] + "▶<think>2</think>"), std::string::npos)
      << both.text;
  Recipe quiet = recipe;
  quiet.log.sample_tokens = 0;
  const auto silent = life<Given>("silent", quiet);
  silent->stage.answer = run->stage.answer;
  silent->draw();
  EXPECT_TRUE(shown(*silent, quiet).records.empty());
}

// Tokens, probabilities, advantages and text of all that is drawn at once, and of the step; and the experts, where they are replayed.
TEST_F(PolicyStages, TheAnswersAreInTheEstimate) {
  const auto host_bytes = [&](const char* name, const std::vector<std::string>& more) {
    return life<Given>(name, with(more))->stage.memory().host_bytes;
  };
  const double step = 8.0 * 96, plain = host_bytes("plain", {"grpo.replay=false"});
  EXPECT_EQ(plain, step * (16 + 24));
  EXPECT_EQ(host_bytes("two", {"grpo.replay=false", "grpo.mini_batches=2"}), step * (2 * 16 + 24));
  EXPECT_EQ(host_bytes("dynamic", {"grpo.replay=false", "grpo.dynamic=3"}), step * (3 * 16 + 24));
  const double experts = 4.0 * 2 * 2;  // two layers, two each
  EXPECT_EQ(host_bytes("replay", {}), step * (16 + 24 + 2 * experts));
  const EngineSettings few = mtp_engine({.max_context = 100, .cache_tokens = 7, .max_sequences = 64}, 5);
  EXPECT_EQ(few.max_sequences, 5);
  EXPECT_EQ(few.cache_tokens, few.slots_for_all());
}

}  // namespace
}  // namespace minke::test
