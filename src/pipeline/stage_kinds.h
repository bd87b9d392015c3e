// The kinds of stages: how each is checked, announced, run, and what it is asked afterwards. A further kind is a line of the table in
// stage_kinds.cpp and one in recipe/pipeline.cpp. Test: tests/app/pipeline_test.sh.
#pragma once
#include "chat/model_source.h"
#include "eval/task_evaluation.h"
#include "recipe/pipeline.h"
#include "report/console.h"
#include "run/training_run.h"

namespace minke {

// What a pipeline computes with.
struct PipelineMachine {
  RunMachine run;
  // A model that answers, until it is closed. The source outlives it.
  std::function<AnsweringModel(const ModelSource&, const std::vector<BesideEngine>&)> open;
  std::function<void()> close;
  std::function<int64_t(const ModelSource&)> context_size;
  Json answer_settings;      // what its answers depend on beside the model and the sampling
  double cost_per_hour = 0;  // of the machine, in dollars; 0: nobody asks
};

struct StageTask {
  const Recipe& recipe;
  fs::path folder;    // of the stage
  fs::path model;     // that it begins with; empty: none
  fs::path pipeline;  // the folder of all
  const PipelineMachine& machine;
  Console& console;
};

struct StageActions {
  RecipeOf kind;
  void (*check)(const Recipe&);               // UserError for what the recipe alone shows to be wrong
  std::string (*plan)(const Recipe&);         // what it will do, in a few words
  bool (*has_begun)(const fs::path& folder);  // a stage that has keeps its recipe, and no longer needs its sources
  bool (*run)(const StageTask&);              // goes on where it was; false if it was stopped
  Json (*result)(const fs::path& folder);     // of a stage that is done (report/stages_file.h)
};
const StageActions& stage_actions(RecipeOf kind);

// task_stage.cpp: answers tasks, as minke eval tasks does; eval.json and responses.jsonl.
void check_eval_recipe(const Recipe& recipe);
bool evaluate(const StageTask& task);
// As minke sample does: samples.jsonl (kSamplesFile), sample.json and responses.jsonl.
void check_sample_recipe(const Recipe& recipe);
bool sample(const StageTask& task);
inline constexpr const char* kSamplesFile = "samples.jsonl";

}  // namespace minke
