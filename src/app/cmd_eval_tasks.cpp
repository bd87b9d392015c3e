// minke eval tasks: questions with answers that can be checked, asked several times each → src/eval.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/task_command.h"
#include "core/standard_output.h"
#include "report/console.h"

namespace minke {
namespace {

struct EvalTasksOptions {
  TaskOptions tasks;
  std::string out;
};

void eval_tasks(const EvalTasksOptions& o) {
  check_task_outputs(o.tasks, {{"--out", o.out}});
  const AnsweredTasks answered = answer_tasks(o.tasks);
  std::string lines;
  for (const TaskScore& s : answered.scores) lines += score_line(s) + "\n";
  if (is_standard_output(o.out)) print_note(lines);
  else print_out(lines);
  if (!o.out.empty()) write_file_atomic(o.out, evaluation_json(answered.settings, answered.scores).dump(2) + "\n");
}

}  // namespace

void add_eval_tasks(CLI::App& eval) {
  auto o = std::make_shared<EvalTasksOptions>();
  CLI::App* c = eval.add_subcommand("tasks", "Questions with answers that can be checked, answered several times each");
  set_example(*c, "minke eval tasks -m runs/out/r1-zero/latest --task countdown:3 -n 200 -k 4 --out tasks.json");
  add_task_flags(*c, o->tasks);
  c->add_option("--test-seed", o->tasks.questions.seed,
                "Seed of the generated problems; any is disjoint from all training")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  c->add_option("--out", o->out, "Also write the figures to this JSON file");
  c->callback([o] { eval_tasks(*o); });
}

}  // namespace minke
