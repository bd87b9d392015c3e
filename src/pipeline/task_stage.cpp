#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "eval/task_evaluation.h"
#include "pipeline/stage_kinds.h"
#include "run/settings.h"
#include "run/stop_signals.h"

namespace minke {
namespace {

TaskQuestions questions_of(const Recipe::Eval& e) {
  return {.tasks = e.tasks, .files = e.jsonl, .problems = e.problems, .seed = e.test_seed};
}

// The model by the checkpoint that it is now, and without the folder of the pipeline, which may be moved.
std::string name_of_model(const StageTask& t) {
  const fs::path model = fs::canonical(t.model), inside = model.lexically_relative(fs::canonical(t.pipeline));
  return inside.empty() || *inside.begin() == ".." ? model.string() : inside.string();
}

}  // namespace

void check_eval_recipe(const Recipe& recipe) {
  const Recipe::Eval& e = recipe.eval;
  constexpr std::string_view kUnread[] = {"tokenizer.", "data.", "train.",   "long_context", "sft.",
                                          "grpo.",      "ppo.",  "balance.", "log.",         "model."};
  refuse_unread_keys(recipe, "eval", kUnread);
  if (e.tasks.empty() && e.jsonl.empty())
    user_error("eval: give eval.tasks, such as [\"countdown:3-4\"], or eval.jsonl, files of problems");
  if (e.samples > 1 && e.temperature == 0)
    user_error("eval: eval.samples {} with eval.temperature 0: all answers to a problem would be the same; use 1",
               e.samples);
  asked_problems(questions_of(e), "eval.tasks");
}

bool evaluate(const StageTask& t) {
  const Recipe::Eval& e = t.recipe.eval;
  TaskEvaluation evaluation{.problems = asked_problems(questions_of(e), "eval.tasks"),
                            .answers = {.samples = e.samples,
                                        .max_new = e.max_new,
                                        .sampling = {.temperature = e.temperature, .top_p = e.top_p, .seed = e.seed}},
                            .responses = t.folder / "responses.jsonl",
                            .resume = true};
  const ModelSource source = open_model(t.model);
  const TaskPrompt prompt = *find_named<TaskPrompt>(name_of(e.prompt));
  put_questions(evaluation, prompt, source.tokenizer, source.chat_template, t.machine.context_size(source),
                source.stop_tokens);
  evaluation.settings = answer_settings(name_of_model(t), prompt, questions_of(e), evaluation.answers);
  evaluation.settings.update(t.machine.answer_settings);
  std::error_code error;
  fs::create_directory(t.folder, error);
  if (error) user_error("cannot make the folder {}: {}", t.folder.string(), error.message());
  remove_leftovers(t.folder, [](std::string_view name) { return name == "eval.json"; });
  const StopSignals signals;
  const auto scores = evaluate_tasks(
      evaluation, [&] { return t.machine.open(source); },
      {.line = [&](const std::string& line, int64_t done, int64_t all) { t.console.progress(line, done, all); },
       .note = [&](const std::string& note) { t.console.print(note); },
       .stop = stop_is_requested});
  t.machine.close();
  if (!scores) {
    t.console.print(fmt::format("stopped     what was answered is in {}", evaluation.responses.string()));
    return false;
  }
  for (const TaskScore& s : *scores) t.console.print(score_line(s));
  write_file_atomic(t.folder / "eval.json", evaluation_json(evaluation.settings, *scores).dump(2) + "\n");
  return true;
}

}  // namespace minke
