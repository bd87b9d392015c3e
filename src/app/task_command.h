// What the verbs have in common that ask a model tasks: flags → questions → eval/task_evaluation.h.
#pragma once
#include <string>
#include <vector>

#include "app/loaded_model.h"
#include "app/sampling_flags.h"
#include "eval/task_evaluation.h"

namespace minke {

// R1's evaluations (R1 §3).
inline const SamplingSettings kTaskSampling{.temperature = kUsualTemperature, .top_p = kUsualTopP};

struct TaskOptions {
  InferenceOptions inference{.sequences = 64};
  SamplingFlags sampling;
  PromptFormat prompt = PromptFormat::brief;
  TaskQuestions questions;
  std::string responses;
  int64_t samples = 1, max_new = 1024;
  int64_t top_log_probabilities = 0;
  bool resume = false;
};
// -m and its like, --task, --jsonl, -n, -k, --prompt, --max-new, -b, sampling, --responses, --resume. The caller adds a flag for
// questions.seed.
void add_task_flags(CLI::App& verb, TaskOptions& options);

// A file that the verb writes, and the flag that names it; "" for none.
struct TaskOutput {
  const char* flag;
  std::string file;
};
// UserError for outputs that cannot be written, or that are what is read, or another output; `outputs`: those beside --responses.
void check_task_outputs(const TaskOptions& options, const std::vector<TaskOutput>& outputs);

struct AnsweredTasks {
  Json settings;
  std::vector<TaskScore> scores;
};
// Mistakes are found before the weights are read. `each` gets every answer, with its problem.
AnsweredTasks answer_tasks(const TaskOptions& options,
                           const std::function<void(const TaskProblem&, const TaskAnswer&)>& each = {});

}  // namespace minke
