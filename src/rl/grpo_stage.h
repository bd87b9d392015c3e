// GRPO as a stage of a run (V2 §4.2, R1-Zero §2.2; docs/recipe/post-training.md §3): questions of the training split, a group of
// answers to each by the policy as it is, rewards by rule, one update; no critic. One copy of the policy: the engine reads the
// weights that are trained. Test: tests/rl/grpo_test.cpp, tests/app/grpo_test.sh.
#pragma once
#include <optional>

#include "corpus/tasks.h"
#include "rl/policy_batches.h"
#include "run/base_model.h"
#include "run/training_run.h"

namespace minke {

// As pretrain() of run/pretrain_stage.h, from the model at `model`, which a run with a checkpoint no longer needs.
bool grpo(Recipe recipe, const fs::path& model, const fs::path& folder, bool resume, const RunMachine& machine);

class GrpoStage final : public Stage {
 public:
  GrpoStage(const Recipe& recipe, const fs::path& model, const RunFolder& folder);
  const Tokenizer& tokenizer() const override { return base_.tokenizer(); }
  const Config& config() const override { return base_.config(); }
  void initialise(const Context& ctx, Model& model) override { base_.initialise(ctx, model); }
  void adjust(TrainSettings& settings) const override;
  std::optional<EngineSettings> engine_settings() const override;
  bool replays_experts() const override { return recipe_.grpo.replay; }
  void enter_phase(const Phase& phase) override;
  std::vector<TokenBatch> batches(const Context& ctx, Model& model, LoaderPosition position, int64_t size) override;
  std::vector<TokenBatch> largest_batch(const Context& ctx, Model& model, int64_t size) override;
  LoaderPosition after(LoaderPosition p, int64_t size) const override { return {0, p.sequence_index + uint64_t(size)}; }
  LoaderPosition in_next_phase(LoaderPosition position) const override { return position; }
  bool has(LoaderPosition position) const override { return position.epoch == 0; }
  double epochs(LoaderPosition) const override { return 0; }
  // What the step asks that takes `size` answers from a position on.
  std::vector<std::string> prompts(LoaderPosition position, int64_t size) const;
  bool asks_token_losses() const override { return true; }
  std::string after_step(const StepReport& report, const TokenLosses& tokens, Json& record) override;
  bool evaluate(const RunView& run, bool last) override;
  void show_samples(const RunView& run) override;

 private:
  struct Question {
    Task task;
    TaskChoice choice;
    int level = 0;
    std::string prompt;
    std::vector<int32_t> ids;
  };
  struct Score {
    double reward = 0, accuracy = 0, lenient = 0, format = 0;
  };
  Question question(uint64_t seed, uint64_t index, TaskSplit split, size_t choice, int level) const;
  Question training_question(uint64_t index) const;
  std::vector<Question> questions_at(LoaderPosition position, int64_t size) const;
  Question test_question(size_t choice, int64_t index) const;
  void check_questions() const;
  Score score(const Question& question, const Rollout& answer) const;
  std::vector<Rollout> answers(const Context& ctx, Model& model, const std::vector<Question>& questions, int64_t group,
                               uint64_t seed, uint64_t first_sample);

  Recipe recipe_;
  BaseModel base_;
  std::vector<TaskChoice> choices_;
  int64_t micro_tokens_ = 0;  // of a micro-batch at most
  std::optional<Engine> engine_;

  // Of the step under way.
  std::vector<Question> questions_;
  std::vector<Rollout> rollouts_;
  std::vector<Score> scores_;
  std::vector<PolicySample> samples_;
  PolicyBatches made_;
  double rollout_seconds_ = 0;
};

}  // namespace minke
