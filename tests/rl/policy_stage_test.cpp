// A stage with answers that are given to it: what is asked, kept, weighed, counted and logged; and what it asks of the engine.
#include <cstdio>
#include <fstream>
#include <map>
#include <set>

#include "core/error.h"
#include "infer/memory.h"
#include "rl/grpo_stage.h"
#include "rl/mtp_acceptance.h"
#include "support/policy_run.h"

namespace minke::test {
namespace {

std::string formatted(const std::string& answer) { return "<think>so</think>\n<answer>" + answer + "</answer>"; }

// Answers as `answer` says: of a question, of which number the question and the answer in its group are.
class Given : public GrpoStage {
 public:
  using GrpoStage::GrpoStage;
  struct Answer {
    std::string text;
    int64_t tokens = 3;
    bool truncated = false;
  };
  std::function<Answer(const Question& question, uint64_t number, int64_t k)> answer;

 protected:
  std::vector<Rollout> answers(const Context&, Model&, const std::vector<Question>& questions, int64_t group,
                               uint64_t first_sample) override {
    std::vector<Rollout> all;
    for (size_t q = 0; q < questions.size(); ++q)
      for (int64_t k = 0; k < group; ++k) {
        const Answer a = answer(questions[q], first_sample / uint64_t(group) + q, k);
        Rollout& r = all.emplace_back(Rollout{.prompt = q, .truncated = a.truncated, .text = a.text});
        r.tokens = questions[q].ids, r.prompt_tokens = int64_t(r.tokens.size());
        r.tokens.resize(r.tokens.size() + size_t(a.tokens), 7), r.loss.assign(size_t(a.tokens), 1);
      }
    return all;
  }
};

// What the engine gave.
class Seen : public GrpoStage {
 public:
  using GrpoStage::answers;
  using GrpoStage::GrpoStage;
  std::vector<Rollout> drawn;

 protected:
  std::vector<std::vector<float>> advantages(const Context&, const std::vector<Rollout>& answers,
                                             const std::vector<Score>&) override {
    drawn = answers;
    std::vector<std::vector<float>> all;
    for (size_t i = 0; i < answers.size(); ++i) all.emplace_back(answers[i].loss.size(), i % 2 ? 1.0f : -1.0f);
    return all;
  }
};

class PolicyStages : public PolicyTest {
 protected:
  static Recipe with(const std::vector<std::string>& more) {
    std::vector<std::string> all{"train.steps=6",      "train.sequence_length=96", "train.batch_size=8",
                                 "train.lr=0.05",      "train.warmup=0",           "train.precision=f32",
                                 "grpo.group=4",       "grpo.max_new=16",          "grpo.tasks=[\"chains:2-3\"]",
                                 "log.sample_tokens=0"};
    all.insert(all.end(), more.begin(), more.end());
    return parse_recipe("", "r.toml", all, "", RecipeOf::grpo);
  }
  template <class S> std::unique_ptr<PolicyLife<S>> life(const std::string& name, const Recipe& recipe) {
    return std::make_unique<PolicyLife<S>>(ctx, recipe, folder / "base", folder / name);
  }
  // What f(view of the run) writes into the log, and says.
  struct Said {
    std::vector<Json> records;
    std::string text;
  };
  template <class S, class F>
  Said said(
      PolicyLife<S>& run, const Recipe& recipe, F&& f, bool (*stop)() = [] { return false; }) {
    const fs::path log = folder / "log";
    fs::remove_all(log), fs::create_directories(log);
    std::FILE* out = std::fopen((log / "said").c_str(), "w");
    {
      Console console(out);
      Recorder recorder(log, 0);
      const Phase phase = plan_phases(recipe).front();
      f(RunView{.ctx = ctx,
                .recipe = recipe,
                .console = console,
                .model = run.model,
                .trainer = *run.trainer,
                .log = recorder,
                .phase = phase,
                .train_seconds = 12.5,
                .stop = stop});
    }
    std::fclose(out);
    Said all;
    std::ifstream text(log / "said"), file(log / "log.jsonl");
    all.text.assign(std::istreambuf_iterator<char>(text), {});
    for (std::string line; std::getline(file, line);) all.records.push_back(Json::parse(line));
    return all;
  }
  // An evaluation before the first step.
  template <class S> std::vector<Json> evaluated(PolicyLife<S>& run, const Recipe& recipe) {
    return said(run, recipe, [&](const RunView& view) { EXPECT_TRUE(run.stage.evaluate(view, false)); }).records;
  }
  // What is logged of the step under way, as if the policy were still the one that answered.
  template <class S> Json logged(PolicyLife<S>& run, std::string* note = nullptr) {
    TokenLosses tokens;
    for (const TokenBatch& b : run.batches) tokens.loss.insert(tokens.loss.end(), b.old_loss.begin(), b.old_loss.end());
    tokens.entropy.assign(tokens.loss.size(), 0), tokens.flips.assign(tokens.loss.size(), 0);
    Json record = Json::object();
    const std::string line = run.stage.after_step({}, tokens, record);
    if (note) *note = line;
    return record;
  }
  // The sequences of batches, in their order, each by the number of its answer's tokens.
  struct Row {
    int64_t tokens = 0;
    float weight = 0, advantage = 0;
  };
  static std::vector<Row> rows_of(const std::vector<TokenBatch>& batches) {
    std::vector<Row> rows;
    for (const TokenBatch& b : batches)
      for (int64_t s = 0; s < b.num_sequences; ++s) {
        Row& row = rows.emplace_back();
        for (size_t i = size_t(s * b.sequence_length); i < size_t((s + 1) * b.sequence_length); ++i)
          if (b.targets[i] >= 0) ++row.tokens, row.weight = b.weight[i], row.advantage = b.advantage[i];
      }
    return rows;
  }
};

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
    if (q.choice == 0 && k != 1) return {formatted(q.task.answer)};
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
