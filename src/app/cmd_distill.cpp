// minke distill: flags → two stages → recipe/distill.h.
#include <CLI/CLI.hpp>
#include <memory>

#include "app/choice_flag.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "app/pipeline_command.h"
#include "chat/model_source.h"
#include "core/error.h"
#include "data/top_log_probabilities.h"
#include "recipe/distill.h"

namespace minke {
namespace {

struct DistillOptions {
  Distillation what;
  double soft_targets = 0.5;
  CLI::Option* share = nullptr;  // the flag, which means nothing without log-probabilities
  RunFlags run;
};

void run(DistillOptions& o) {
  if (o.what.tasks.empty() && o.what.jsonl.empty())
    user_error("give --task NAME, such as --task chains:2-3, or --jsonl FILE: what the teacher is asked");
  if (o.share->count() > 0 && o.what.top_logprobs == 0)
    user_error("--soft-targets {:g} is the share of the teacher's log-probabilities: give --top-logprobs, such as 8",
               o.soft_targets);
  if (o.what.top_logprobs > 0) o.what.soft_targets = o.soft_targets;
  for (std::string* path : {&o.what.student, &o.what.teacher}) {
    open_model(*path);                                         // its mistakes come first
    if (path->find('/') == path->npos) path->insert(0, "./");  // not the name of a stage
  }
  run_stages(distillation(o.what, o.run.set), "distill", o.run);
}

}  // namespace

void add_distill_command(CLI::App& program) {
  auto o = std::make_shared<DistillOptions>();
  CLI::App* c = program.add_subcommand("distill", "Teach a small model what a large one answers (R1's distillation)");
  set_example(
      *c,
      "minke distill -m small/latest --teacher runs/out/r1/latest --prompt chat-plain --task chains:2-3 -n 1000 --out "
      "my-student");
  c->add_option("-m,--model", o->what.student, "Student: a Hugging Face folder or a GGUF file")->required();
  c->add_option("--teacher", o->what.teacher, "Teacher: a Hugging Face folder or a GGUF file")->required();
  c->add_option("--task", o->what.tasks,
                "Generated problems of the training split: NAME or NAME:LEVELS (may be repeated)")
      ->allow_extra_args(false);
  c->add_option("--jsonl", o->what.jsonl, "File of problems: GSM8K's, HumanEval's or minke's lines (may be repeated)")
      ->allow_extra_args(false);
  c->add_option("-n,--problems", o->what.problems,
                "Problems of each level, and of each file; 0 = 100, and all of a file")
      ->check(CLI::Range(int64_t(0), int64_t(1'000'000)))
      ->capture_default_str();
  c->add_option("-k,--samples", o->what.samples, "Answers to each problem")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  add_choice(*c, "--prompt", o->what.prompt, "How the teacher is asked");
  c->add_option(
       "--top-logprobs", o->what.top_logprobs,
       "The teacher also writes the log-probabilities of so many tokens at each place, for the student; 0 = none")
      ->check(CLI::Range(int64_t(0), kMostTopLogProbabilities))
      ->capture_default_str();
  o->share = c->add_option("--soft-targets", o->soft_targets,
                           "Share of the student's loss that they are, with --top-logprobs; the text is the rest")
                 ->check(CLI::Range(0.0, 1.0))
                 ->capture_default_str();
  add_run_flags(*c, o->run);
  c->get_option("--set")->description(
      "Override a key of a stage: --set teach.sample.max_new=300, --set student.train.lr=1e-4 (may be repeated)");
  c->get_option("--out")->description("Folder: teach/ (answers), student/, latest; default: runs/out/distill");
  c->callback([o] { run(*o); });
}

}  // namespace minke
