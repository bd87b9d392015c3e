#include "app/task_command.h"

#include <CLI/CLI.hpp>

#include "app/choice_flag.h"
#include "app/command_line.h"
#include "core/standard_output.h"
#include "model/checkpoint.h"
#include "report/console.h"
#include "rl/reward_judge.h"

namespace minke {

void add_task_flags(CLI::App& c, TaskOptions& o) {
  add_inference_flags(c, o.inference);
  c.add_option(
       "--task", o.questions.tasks,
       o.questions.split == TaskSplit::test
           ? "Generated problems of the test split: NAME or NAME:LEVELS, as minke corpus tasks names them (may be "
             "repeated)"
           : "Generated problems of the training split: NAME or NAME:LEVELS, as minke corpus tasks names them (may be "
             "repeated)")
      ->allow_extra_args(false);
  c.add_option("--jsonl", o.questions.files,
               "File of problems: GSM8K's, HumanEval's or minke's lines (may be repeated)")
      ->allow_extra_args(false);
  c.add_option("-n,--problems", o.questions.problems,
               "Problems of each level, and of each file; 0 = 100, and all of a file")
      ->check(CLI::Range(int64_t(0), int64_t(1'000'000)))
      ->capture_default_str();
  const bool evaluates = o.questions.split == TaskSplit::test;
  c.add_option(
       "-k,--samples", o.samples,
       evaluates ? "Answers to each problem; 0 = none: only the bits per byte of chats" : "Answers to each problem")
      ->check(CLI::Range(evaluates ? 0 : 1, 4096))
      ->capture_default_str();
  add_choice(
      c, "--prompt", o.prompt,
      "How a question is put: as minke's small models have read it, in R1-Zero's words, or by the chat template");
  c.add_option("--max-new", o.max_new, "Largest number of tokens of an answer; 0 = what the context holds")
      ->check(CLI::Range(0, 1 << 30))
      ->capture_default_str();
  c.add_option("-b,--batch", o.inference.sequences, "Answers drawn at once; each has cache for --ctx-size tokens")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  c.add_option("--judge", o.questions.judge,
               "Reward model (minke reward-model) that judges the answers of --task chat, which no rule grades");
  o.sampling.add(c, kTaskSampling);
  c.add_option("--responses", o.responses, "Write each answer with its grade and the reason to this JSON Lines file");
  c.add_flag("--resume", o.resume, "Go on with the answers that the file of --responses holds");
}

void check_task_outputs(const TaskOptions& o, const std::vector<TaskOutput>& outputs) {
  std::vector<TaskOutput> all = outputs;
  all.push_back({"--responses", o.responses});
  std::error_code none;
  for (size_t i = 0; i < all.size(); ++i) {
    const auto& [flag, file] = all[i];
    if (file.empty()) continue;
    if (fs::is_directory(file, none)) user_error("{} {} is a folder; give a file", flag, file);
    for (const std::string& input : o.questions.files) refuse_own_input(file, input, flag);
    refuse_model_file(file, o.inference.model, flag);
    for (size_t j = 0; j < i; ++j)
      if (!all[j].file.empty() &&
          (fs::equivalent(file, all[j].file, none) ||
           fs::absolute(file).lexically_normal() == fs::absolute(all[j].file).lexically_normal()))
        user_error("{} and {} name the same file, {}: name two", all[j].flag, flag, file);
  }
  for (const auto& [flag, file] : outputs)
    if (!file.empty()) AtomicFile{file};  // can it be written? Hours of answers would be lost
}

AnsweredTasks answer_tasks(const TaskOptions& o,
                           const std::function<void(const TaskProblem&, const TaskAnswer&)>& each) {
  AnswerSettings settings{.samples = o.samples, .max_new = o.max_new, .sampling = o.sampling.over(kTaskSampling)};
  settings.sampling.seed = o.inference.runtime.seed;
  settings.top_log_probabilities = o.top_log_probabilities;
  validate(settings.sampling);
  if (o.samples > 1 && settings.sampling.temperature == 0)
    user_error("-k {} with --temp 0: all answers to a problem would be the same; use -k 1", o.samples);
  if (o.resume && o.responses.empty()) user_error("--resume goes on from the file that --responses names: give it");
  if (o.questions.tasks.empty() && o.questions.files.empty())
    user_error("give --task NAME, such as --task countdown:3-4, or --jsonl FILE");
  if (o.samples == 0 && !o.responses.empty())
    user_error("--responses {} has no effect with -k 0, which draws no answers: leave one of them out", o.responses);
  TaskQuestions questions = o.questions;
  questions.answered = o.samples > 0;
  TaskEvaluation e{.problems = asked_problems(questions),
                   .answers = std::move(settings),
                   .responses = o.responses,
                   .resume = o.resume,
                   .each = each};
  if (!o.questions.judge.empty()) e.judge = reward_judge(o.questions.judge, "--judge");
  const ModelSource source = open_model(o.inference.model, o.inference.mtp_modules());
  put_questions(e, o.prompt, source.tokenizer, source.chat_template, context_size(o.inference, source),
                source.stop_tokens, questions.split == TaskSplit::test);
  std::error_code none;  // the model by what its path names now: "latest" will be another one
  e.settings = answer_settings(fs::canonical(o.inference.model, none).string(), o.prompt, o.questions, e.answers);
  if (!o.questions.judge.empty()) e.settings["judge"] = fs::canonical(o.questions.judge, none).string();
  e.settings.update(computation_settings(o.inference));
  std::optional<LoadedModel> loaded;
  Console console(stderr);
  const auto open = [&](const std::vector<BesideEngine>& beside) -> AnsweringModel {
    loaded.emplace(o.inference, source, false, beside);
    return {loaded->ctx(), loaded->model(), loaded->engine(), source.tokenizer};
  };
  auto scores = evaluate_tasks(
      e, open,
      {.line = [&](const std::string& line, int64_t done, int64_t all) { console.progress(line, done, all); },
       .note = [](const std::string& note) { print_note(note); }});
  return {std::move(e.settings), std::move(*scores)};
}

}  // namespace minke
