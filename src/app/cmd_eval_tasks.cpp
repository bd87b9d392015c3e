// minke eval tasks: questions with answers that can be checked, asked several times each → src/eval.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "app/choice_flag.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "app/loaded_model.h"
#include "app/sampling_flags.h"
#include "core/standard_output.h"
#include "eval/task_evaluation.h"
#include "report/console.h"

namespace minke {
namespace {

const SamplingSettings kSampling{.temperature = kUsualTemperature, .top_p = kUsualTopP};

struct EvalTasksOptions {
  InferenceOptions inference;
  SamplingFlags sampling;
  TaskPrompt prompt = TaskPrompt::brief;
  TaskQuestions questions;
  std::string out, responses;
  int64_t samples = 1, max_new = 1024;
  bool resume = false;
};

void write_scores(const EvalTasksOptions& o, const std::vector<TaskScore>& scores, const Json& settings) {
  std::string lines;
  for (const TaskScore& s : scores) lines += score_line(s) + "\n";
  if (is_standard_output(o.out)) print_note(lines);
  else print_out(lines);
  if (!o.out.empty()) write_file_atomic(o.out, evaluation_json(settings, scores).dump(2) + "\n");
}

// Mistakes are found before the weights are read.
void eval_tasks(const EvalTasksOptions& o) {
  AnswerSettings settings{.samples = o.samples, .max_new = o.max_new, .sampling = o.sampling.over(kSampling)};
  settings.sampling.seed = o.inference.runtime.seed;
  validate(settings.sampling);
  if (o.samples > 1 && settings.sampling.temperature == 0)
    user_error("-k {} with --temp 0: all answers to a problem would be the same; use -k 1", o.samples);
  if (o.resume && o.responses.empty()) user_error("--resume goes on from the file that --responses names: give it");
  if (fs::is_directory(o.out)) user_error("--out {} is a folder; give a file", o.out);
  if (const fs::path folder = fs::path(o.out).parent_path(); !folder.empty() && !fs::is_directory(folder))
    user_error("--out {}: there is no folder {}", o.out, folder.string());
  for (const std::string& file : o.questions.files) refuse_own_input(o.out, file), refuse_own_input(o.responses, file);
  for (const std::string& file : {o.out, o.responses}) refuse_model_file(file, o.inference.model);
  if (!o.out.empty() && !o.responses.empty() &&
      fs::absolute(o.out).lexically_normal() == fs::absolute(o.responses).lexically_normal())
    user_error("--out and --responses name the same file, {}: name two", o.out);
  if (o.questions.tasks.empty() && o.questions.files.empty())
    user_error("give --task NAME, such as --task countdown:3-4, or --jsonl FILE");
  TaskEvaluation e{.problems = asked_problems(o.questions, "--task"),
                   .answers = std::move(settings),
                   .responses = o.responses,
                   .resume = o.resume};
  const ModelSource source = open_model(o.inference.model, o.inference.mtp_modules());
  put_questions(e, o.prompt, source.tokenizer, source.chat_template, context_size(o.inference, source),
                source.stop_tokens);
  std::error_code none;  // the model by what its path names now: "latest" will be another one
  e.settings =
      answer_settings(fs::canonical(o.inference.model, none).string(), o.prompt, o.questions.test_seed, e.answers);
  e.settings.update(computation_settings(o.inference));
  std::optional<LoadedModel> loaded;
  Console console(stderr);
  const auto open = [&]() -> AnsweringModel {
    loaded.emplace(o.inference, source, false);
    return {loaded->ctx(), loaded->engine(), source.tokenizer};
  };
  const auto scores = evaluate_tasks(
      e, open,
      {.line = [&](const std::string& line, int64_t done, int64_t all) { console.progress(line, done, all); },
       .note = [](const std::string& note) { print_note(note); }});
  write_scores(o, *scores, e.settings);
}

}  // namespace

void add_eval_tasks(CLI::App& eval) {
  auto o = std::make_shared<EvalTasksOptions>();
  o->inference.sequences = 64;
  CLI::App* c = eval.add_subcommand("tasks", "Questions with answers that can be checked, answered several times each");
  set_example(*c, "minke eval tasks -m runs/out/r1-zero/latest --task countdown:3 -n 200 -k 4 --out tasks.json");
  add_inference_flags(*c, o->inference);
  c->add_option(
       "--task", o->questions.tasks,
       "Generated problems of the test split: NAME or NAME:LEVELS, as minke corpus tasks names them (may be repeated)")
      ->allow_extra_args(false);
  c->add_option("--jsonl", o->questions.files,
                "File of problems: GSM8K's, HumanEval's or minke's lines (may be repeated)")
      ->allow_extra_args(false);
  c->add_option("-n,--problems", o->questions.problems,
                "Problems of each level, and of each file; 0 = 100, and all of a file")
      ->check(CLI::Range(int64_t(0), int64_t(1'000'000)))
      ->capture_default_str();
  c->add_option("-k,--samples", o->samples, "Answers to each problem")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  c->add_option("--test-seed", o->questions.test_seed,
                "Seed of the generated problems; any is disjoint from all training")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  add_choice(
      *c, "--prompt", o->prompt,
      "How a question is put: as minke's small models have read it, in R1-Zero's words, or by the chat template");
  c->add_option("--max-new", o->max_new, "Largest number of tokens of an answer; 0 = what the context holds")
      ->check(CLI::Range(0, 1 << 30))
      ->capture_default_str();
  c->add_option("-b,--batch", o->inference.sequences, "Answers drawn at once; each has cache for --ctx-size tokens")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  o->sampling.add(*c, kSampling);
  c->add_option("--out", o->out, "Also write the figures to this JSON file");
  c->add_option("--responses", o->responses, "Write each answer with its grade and the reason to this JSON Lines file");
  c->add_flag("--resume", o->resume, "Go on with the answers that the file of --responses holds");
  c->callback([o] { eval_tasks(*o); });
}

}  // namespace minke
