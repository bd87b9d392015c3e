// minke sample: a model's own answers as data for its fine-tuning → rl/rejection.h.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/choice_flag.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "app/task_command.h"
#include "core/error.h"
#include "core/standard_output.h"
#include "report/console.h"
#include "rl/rejection.h"

namespace minke {
namespace {

struct SampleOptions {
  TaskOptions tasks;
  RejectionRules rules;
  std::string out, counts, sometimes;
};

void sample(SampleOptions& o) {
  check_rules(o.rules);
  refuse_rewritten_tokens(o.rules.readable, o.tasks.top_log_probabilities, "--readable", "--top-logprobs");
  if (!o.sometimes.empty() && o.tasks.samples < 2)
    user_error("--sometimes {}: with one answer to a problem none is right only sometimes; give -k of at least 2",
               o.sometimes);
  check_task_outputs(o.tasks, {{"--out", o.out}, {"--counts", o.counts}, {"--sometimes", o.sometimes}});
  RejectionSampling sampling(o.rules);
  const AnsweredTasks answered =
      answer_tasks(o.tasks, [&](const TaskProblem& problem, const TaskAnswer& a) { sampling.add(problem, a); });
  const RejectionSampling::Data data = sampling.data();
  if (!o.sometimes.empty()) write_file_atomic(o.sometimes, data.sometimes);
  if (!o.counts.empty()) write_file_atomic(o.counts, data.to_json(answered.settings).dump(2) + "\n");
  if (data.all.kept == 0)
    user_error("no answer is worth learning: {}. Nothing was written to --out {}", counts_line(data.all), o.out);
  std::string lines;
  for (const std::string& line : data.level_lines()) lines += line + "\n";
  if (is_standard_output(o.out)) print_note(lines);
  else print_out(lines);
  write_file_atomic(o.out, data.lines);
}

}  // namespace

void add_sample_command(CLI::App& program) {
  auto o = std::make_shared<SampleOptions>();
  o->tasks.questions.split = TaskSplit::train;
  o->tasks.samples = 4;
  CLI::App* c = program.add_subcommand("sample", "Rejection sampling: a model's right answers as data for minke sft");
  set_example(*c, "minke sample -m runs/out/r1-zero/latest --task chains:2-3 -n 1000 --temp 1 --out right.jsonl");
  add_task_flags(*c, o->tasks);
  c->add_option("--train-seed", o->tasks.questions.seed, "Seed of the generated problems")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  c->add_option("--out", o->out, "Write the answers that are kept to this file, as minke sft reads them")->required();
  c->add_option("--counts", o->counts, "Write what was kept and dropped, by task and level, to this JSON file");
  c->add_option(
      "--sometimes", o->sometimes,
      "Write the problems that were right sometimes to this file, for grpo.jsonl: from these there is most to learn");
  c->add_option("--per-question", o->rules.per_question, "Keep so many answers to a question at most; 0 = all")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  add_choice(*c, "--prefer", o->rules.prefer, "With --per-question: which those are");
  c->add_option("--longest", o->rules.longest, "Drop answers of more tokens; 0 = none")
      ->check(CLI::Range(0, 1 << 30))
      ->capture_default_str();
  c->add_option("--language-share", o->rules.language_share,
                "Least share of a thought's words that are of the question's language")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  c->add_flag(
      "--readable", o->rules.readable,
      "Write what is kept in a readable form: a thought of one step a line, in words, then the answer in a box");
  c->add_option("--top-logprobs", o->tasks.top_log_probabilities,
                "Beside each answer, the log-probabilities of so many tokens at each of its places, as minke sft --set "
                "sft.soft_targets=1 learns them; 0 = none")
      ->check(CLI::Range(int64_t(0), kMostTopLogProbabilities))
      ->capture_default_str();
  c->add_flag("--any-format", o->rules.any_form, "Also keep answers without <think>…</think><answer>…</answer>");
  c->callback([o] { sample(*o); });
}

}  // namespace minke
