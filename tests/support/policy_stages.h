// Stages of reinforcement learning for tests: one with answers that are given to it, one that keeps what the engine gave, and the
// fixture that runs them.
#pragma once
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>

#include "rl/grpo_stage.h"
#include "support/policy_run.h"

namespace minke::test {

inline std::string formatted(const std::string& answer) { return "<think>so</think>\n<answer>" + answer + "</answer>"; }

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

}  // namespace minke::test
