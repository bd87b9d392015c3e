#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "eval/task_evaluation.h"
#include "pipeline/stage_kinds.h"
#include "rl/rejection.h"
#include "rl/reward_judge.h"
#include "run/settings.h"
#include "run/stop_signals.h"

namespace minke {
namespace {

TaskQuestions questions_of(const Recipe::Asked& a, uint64_t seed, TaskSplit split) {
  return {.tasks = a.tasks,
          .files = a.jsonl,
          .problems = a.problems,
          .seed = seed,
          .split = split,
          .judge = a.judge,
          .answered = a.samples > 0};
}
QuestionNames names_of_keys(const std::string& section) {
  return {section + ".tasks", section + ".jsonl", section + ".judge", section + ".samples"};
}
TaskQuestions questions_of(const Recipe::Eval& e) { return questions_of(e, e.test_seed, TaskSplit::test); }
TaskQuestions questions_of(const Recipe::Sample& s) { return questions_of(s, s.train_seed, TaskSplit::train); }

// A model by the checkpoint that it is now, and without the folder of the pipeline, which may be moved.
std::string name_of_model(const fs::path& path, const StageTask& t) {
  const fs::path model = fs::canonical(path), inside = model.lexically_relative(fs::canonical(t.pipeline));
  return inside.empty() || *inside.begin() == ".." ? model.string() : inside.string();
}

// `section`: "eval" or "sample".
void check_asked(const Recipe& recipe, const std::string& section, const Recipe::Asked& a, const TaskQuestions& q) {
  std::vector<std::string_view> unread{
      "tokenizer.", "data.", "train.",   "long_context", "sft.",   "reward_model.",
      "grpo.",      "ppo.",  "balance.", "log.",         "model.", section == "eval" ? "sample." : "eval."};
  refuse_unread_keys(recipe, section, unread);
  if (a.tasks.empty() && a.jsonl.empty())
    user_error("{0}: give {0}.tasks, such as [\"countdown:3-4\"], or {0}.jsonl, files of problems", section);
  if (a.samples > 1 && a.temperature == 0)
    user_error("{0}: {0}.samples {1} with {0}.temperature 0: all answers to a problem would be the same; use 1",
               section, a.samples);
  for (const TaskProblem& p : asked_problems(q, names_of_keys(section)))
    if (a.samples > 0) check_prompt(p.task.grader, a.prompt, section + ".prompt");
}

struct Answered {
  Json settings;
  std::vector<TaskScore> scores;
};
// Nothing if it was stopped. `files`: what the stage writes in the end.
std::optional<Answered> answer(const StageTask& t, const Recipe::Asked& a, const TaskQuestions& questions,
                               int64_t top_log_probabilities, std::initializer_list<std::string_view> files,
                               const std::function<void(const TaskProblem&, const TaskAnswer&)>& each) {
  const bool evaluates = questions.split == TaskSplit::test;
  TaskEvaluation evaluation{.problems = asked_problems(questions, names_of_keys(evaluates ? "eval" : "sample")),
                            .answers = {.samples = a.samples,
                                        .max_new = a.max_new,
                                        .sampling = {.temperature = a.temperature, .top_p = a.top_p, .seed = a.seed}},
                            .responses = t.folder / "responses.jsonl",
                            .resume = true,
                            .each = each};
  evaluation.answers.top_log_probabilities = top_log_probabilities;
  const ModelSource source = open_model(t.model);
  put_questions(evaluation, a.prompt, source.tokenizer, source.chat_template, t.machine.context_size(source),
                source.stop_tokens, evaluates);
  evaluation.settings = answer_settings(name_of_model(t.model, t), a.prompt, questions, evaluation.answers);
  if (!a.judge.empty()) {
    evaluation.judge = reward_judge(a.judge, evaluates ? "eval.judge" : "sample.judge");
    evaluation.settings["judge"] = name_of_model(a.judge, t);
  }
  evaluation.settings.update(t.machine.answer_settings);
  std::error_code error;
  fs::create_directory(t.folder, error);
  if (error) user_error("cannot make the folder {}: {}", t.folder.string(), error.message());
  remove_leftovers(t.folder,
                   [&](std::string_view name) { return std::find(files.begin(), files.end(), name) != files.end(); });
  const StopSignals signals;
  auto scores = evaluate_tasks(
      evaluation, [&](const std::vector<BesideEngine>& beside) { return t.machine.open(source, beside); },
      {.line = [&](const std::string& line, int64_t done, int64_t all) { t.console.progress(line, done, all); },
       .note = [&](const std::string& note) { t.console.print(note); },
       .stop = stop_is_requested});
  t.machine.close();
  if (scores) return Answered{std::move(evaluation.settings), std::move(*scores)};
  t.console.print(fmt::format("stopped     what was answered is in {}", evaluation.responses.string()));
  return std::nullopt;
}

RejectionRules rules_of(const Recipe::Sample& s) {
  return {.any_form = s.any_format,
          .longest = s.longest,
          .language_share = s.language_share,
          .per_question = s.per_question,
          .prefer = s.prefer,
          .readable = s.readable};
}

}  // namespace

void check_eval_recipe(const Recipe& recipe) { check_asked(recipe, "eval", recipe.eval, questions_of(recipe.eval)); }

bool evaluate(const StageTask& t) {
  const auto answered = answer(t, t.recipe.eval, questions_of(t.recipe.eval), 0, {"eval.json"}, {});
  if (!answered) return false;
  for (const TaskScore& s : answered->scores) t.console.print(score_line(s));
  write_file_atomic(t.folder / "eval.json", evaluation_json(answered->settings, answered->scores).dump(2) + "\n");
  return true;
}

void check_sample_recipe(const Recipe& recipe) {
  check_asked(recipe, "sample", recipe.sample, questions_of(recipe.sample));
  check_rules(rules_of(recipe.sample));
  refuse_rewritten_tokens(recipe.sample.readable, recipe.sample.top_logprobs, "sample.readable", "sample.top_logprobs");
}

bool sample(const StageTask& t) {
  const Recipe::Sample& s = t.recipe.sample;
  RejectionSampling sampling(rules_of(s));
  const auto answered = answer(t, s, questions_of(s), s.top_logprobs, {"sample.json", kSamplesFile, kSometimesFile},
                               [&](const TaskProblem& p, const TaskAnswer& a) { sampling.add(p, a); });
  if (!answered) return false;
  const RejectionSampling::Data data = sampling.data();
  if (data.all.kept == 0 && data.sometimes.empty())
    user_error("no answer is worth learning: {}", counts_line(data.all));
  for (const std::string& line : data.level_lines()) t.console.print(line);
  write_file_atomic(t.folder / kSamplesFile, data.lines);
  write_file_atomic(t.folder / kSometimesFile, data.sometimes);
  write_file_atomic(t.folder / "sample.json", data.to_json(answered->settings).dump(2) + "\n");
  return true;
}

}  // namespace minke
