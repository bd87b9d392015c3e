// minke eval tasks: questions with answers that can be checked, asked several times each → src/eval.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "app/choice_flag.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "app/loaded_model.h"
#include "app/sampling_flags.h"
#include "core/clock.h"
#include "core/human_numbers.h"
#include "core/standard_output.h"
#include "eval/task_responses.h"
#include "eval/task_scores.h"
#include "report/console.h"

namespace minke {
namespace {

// R1's evaluations (R1 §3).
const SamplingSettings kSampling{.temperature = 0.6, .top_p = 0.95};

struct EvalTasksOptions {
  InferenceOptions inference;
  SamplingFlags sampling;
  TaskPrompt prompt = TaskPrompt::brief;
  std::vector<std::string> tasks, files;
  std::string out, responses;
  int64_t problems = 0, samples = 1, max_new = 1024;
  uint64_t test_seed = 1;
  bool resume = false;
};

std::vector<TaskProblem> problems_of(const EvalTasksOptions& o) {
  if (o.tasks.empty() && o.files.empty()) user_error("give --task NAME, such as --task countdown:3-4, or --jsonl FILE");
  std::vector<TaskProblem> all;
  const auto append = [&](std::vector<TaskProblem> more) {
    std::move(more.begin(), more.end(), std::back_inserter(all));
  };
  constexpr int64_t kUsual = 100;
  for (const std::string& task : o.tasks)
    append(generated_problems(parse_task_choice(task, "--task"), o.problems > 0 ? o.problems : kUsual, o.test_seed));
  for (const std::string& file : o.files) append(problems_of_file(file, o.problems));
  return all;
}

// What an answer depends on beside its problem. The model by what its path names now: "latest" will be another one.
Json answer_settings(const EvalTasksOptions& o, const SamplingSettings& s) {
  const InferenceOptions& i = o.inference;
  std::error_code none;
  return {{"model", fs::canonical(i.model, none).string()},
          {"prompt", name_of(o.prompt)},
          {"test_seed", o.test_seed},
          {"seed", s.seed},
          {"temperature", s.temperature},
          {"top_k", s.top_k},
          {"top_p", s.top_p},
          {"min_p", s.min_p},
          {"repetition_penalty", s.repetition_penalty},
          {"presence_penalty", s.presence_penalty},
          {"frequency_penalty", s.frequency_penalty},
          {"max_new", o.max_new},
          {"ctx_size", i.ctx_size},
          {"dtype", name_of(i.dtype)},
          {"weights", name_of(i.weights)},
          {"activations", name_of(i.activations)},
          {"cache_type", name_of(i.cache_type)}};
}

void write_scores(const EvalTasksOptions& o, const std::vector<TaskScore>& scores, const Json& settings) {
  std::string lines;
  Json results = Json::array();
  for (const TaskScore& s : scores) lines += score_line(s) + "\n", results.push_back(score_json(s));
  if (is_standard_output(o.out)) print_note(lines);
  else print_out(lines);
  if (o.out.empty()) return;
  const Json all{{"settings", settings},
                 {"intervals", "95 %, Wilson, over problems; of means with the effective number of problems"},
                 {"results", results}};
  write_file_atomic(o.out, all.dump(2) + "\n");
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
  for (const std::string& file : o.files) refuse_own_input(o.out, file), refuse_own_input(o.responses, file);
  std::vector<TaskProblem> problems = problems_of(o);
  const ModelSource source = open_model(o.inference.model, o.inference.mtp_modules());
  const int64_t longest = source.files.config.max_position_embeddings;
  const int64_t context = o.inference.ctx_size > 0 ? o.inference.ctx_size : std::min<int64_t>(longest, 4096);
  make_prompts(problems, o.prompt, source.tokenizer, source.chat_template, context);
  settings.stop_tokens = source.stop_tokens;
  if (o.prompt != TaskPrompt::chat) settings.stop_texts = {std::string(kAnswerEnd)};
  const Json said = answer_settings(o, settings.sampling);
  std::optional<ResponsesFile> responses;
  if (!o.responses.empty()) responses.emplace(o.responses, o.resume, problems, o.samples, said);
  std::vector<TaskAnswer> answers;
  if (responses) answers = responses->known();
  AnswerKeys known;
  for (const TaskAnswer& a : answers) known.insert({a.problem, a.sample});
  const int64_t all = int64_t(problems.size()) * o.samples;
  if (!known.empty()) print_note(fmt::format("{} of {} answers are in {}", known.size(), all, o.responses));
  if (int64_t(known.size()) < all) {
    if (responses) responses->open();
    LoadedModel loaded(o.inference, source, false);
    Console console(stderr);
    const auto begin = Clock::now();
    double right = 0;
    const auto take = [&](TaskAnswer a) {
      if (responses) responses->add(a);
      right += a.grade.accuracy.strict;
      a.response = {};
      answers.push_back(std::move(a));
    };
    const auto progress = [&](int64_t tokens) {
      const int64_t fresh = int64_t(answers.size() - known.size());
      if (fresh == 0) return;
      const double seconds = seconds_since(begin);
      console.progress(fmt::format("answers {}/{}  right {:.1f} %  {} tok/s  ETA {}", answers.size(), all,
                                   100 * right / double(fresh), human_count(double(tokens) / seconds),
                                   human_time(seconds / double(fresh) * double(all - int64_t(answers.size())))),
                       int64_t(answers.size()), all);
    };
    answer_problems(loaded.ctx(), loaded.engine(), source.tokenizer, problems, settings, known, take, progress);
  }
  write_scores(o, score_tasks(problems, answers, o.samples), said);
}

}  // namespace

void add_eval_tasks(CLI::App& eval) {
  auto o = std::make_shared<EvalTasksOptions>();
  o->inference.sequences = 64;
  CLI::App* c = eval.add_subcommand("tasks", "Questions with answers that can be checked, answered several times each");
  set_example(*c, "minke eval tasks -m runs/out/r1-zero/latest --task countdown:3 -n 200 -k 4 --out tasks.json");
  add_inference_flags(*c, o->inference);
  c->add_option(
       "--task", o->tasks,
       "Generated problems of the test split: NAME or NAME:LEVELS, as minke corpus tasks names them (may be repeated)")
      ->allow_extra_args(false);
  c->add_option("--jsonl", o->files, "File of problems: GSM8K's, HumanEval's or minke's lines (may be repeated)")
      ->allow_extra_args(false);
  c->add_option("-n,--problems", o->problems, "Problems of each level, and of each file; 0 = 100, and all of a file")
      ->check(CLI::Range(int64_t(0), int64_t(1'000'000)))
      ->capture_default_str();
  c->add_option("-k,--samples", o->samples, "Answers to each problem")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  c->add_option("--test-seed", o->test_seed, "Seed of the generated problems; any is disjoint from all training")
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
