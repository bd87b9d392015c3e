// An evaluation on tasks from start to end: problems, what of their answers is there already, the rest, the figures. Shared by
// `minke eval tasks` and the stages of a pipeline. Tests: tests/app/eval_tasks_test.sh, pipeline_test.sh.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "eval/reference_answers.h"
#include "eval/task_responses.h"
#include "eval/task_scores.h"
#include "infer/memory.h"

namespace minke {

struct TaskQuestions {
  std::vector<std::string> tasks;  // generated, "countdown:3-4" (corpus/tasks.h)
  std::vector<std::string> files;
  int64_t problems = 0;  // of each level, and of each file; 0 = 100, and all of a file
  uint64_t seed = 1;     // of the generated ones
  TaskSplit split = TaskSplit::test;
  std::string judge;     // folder of the reward model for tasks that no rule grades; empty: none
  bool answered = true;  // false: nobody answers; asked for are the bits per byte of chats, and nothing else
};
// What the user has called them, for messages.
struct QuestionNames {
  std::string tasks = "--task", files = "--jsonl", judge = "--judge", samples = "-k";
};
// Without prompts. UserError for what there is not, what is asked twice (its figures could not be told apart), programs in a
// language that cannot run here, tasks that need a judge without one, and without answers all but chats.
std::vector<TaskProblem> asked_problems(const TaskQuestions& questions, const QuestionNames& names = {});

// R1's evaluations (R1 §3).
constexpr double kUsualTemperature = 0.6, kUsualTopP = 0.95;

// What an answer depends on beside its problem; the caller adds how the model computes, and who judges. `model` names it.
Json answer_settings(const std::string& model, PromptFormat prompt, const TaskQuestions& questions,
                     const AnswerSettings& settings);

struct TaskEvaluation {
  std::vector<TaskProblem> problems;             // with prompts
  std::vector<ReferenceAnswer> references = {};  // whose bits per byte are asked for
  AnswerSettings answers;
  Json settings;           // answer_settings() and more
  fs::path responses;      // a file for the answers; empty: none
  bool resume = false;     // go on with what it holds
  JudgeSource judge = {};  // if answers are to be judged
  // Gets every answer with its problem, also those of the file, in any order.
  std::function<void(const TaskProblem&, const TaskAnswer&)> each = {};
};
// Fills in the prompts, what ends an answer, and where it is asked for the good answers to chats: UserErrors of make_prompts() and
// reference_answers(). Without samples nothing is answered.
void put_questions(TaskEvaluation& evaluation, PromptFormat prompt, const Tokenizer& tokenizer,
                   const std::optional<ChatTemplate>& chat, int64_t max_context, std::vector<int32_t> stop_tokens,
                   bool with_references);

// What draws the answers.
struct AnsweringModel {
  const Context& ctx;
  Model& model;  // the engine's
  Engine& engine;
  const Tokenizer& tokenizer;
};

struct TaskProgress {
  std::function<void(const std::string& line, int64_t done, int64_t all)> line;  // while it goes on
  std::function<void(const std::string& note)> note;                             // what was there already
  std::function<bool()> stop;                                                    // asked after each step, if given
};

// Opens the model, with room for what comes beside it.
using OpenModel = std::function<AnsweringModel(const std::vector<BesideEngine>& beside)>;

// `open` is called if answers are missing, or the bits of good ones are asked for: those are computed again each time, before anything is
// drawn. Nothing if it was stopped: what was answered is in the file.
std::optional<std::vector<TaskScore>> evaluate_tasks(const TaskEvaluation& evaluation, const OpenModel& open,
                                                     const TaskProgress& progress);

// The file of figures.
Json evaluation_json(const Json& settings, const std::vector<TaskScore>& scores);

}  // namespace minke
