// minke pipeline: flags → stages → pipeline/pipeline_run.h.
#include <CLI/CLI.hpp>
#include <memory>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/pipeline_command.h"

namespace minke {
namespace {

struct PipelineOptions {
  std::string recipe;
  RunFlags run;
  double cost_per_hour = 0;
};

}  // namespace

void add_pipeline_command(CLI::App& program) {
  auto o = std::make_shared<PipelineOptions>();
  CLI::App* c = program.add_subcommand("pipeline", "Several of these, and evaluations, one after the other");
  set_example(*c, "minke pipeline stages.toml --out my-pipeline");
  c->add_option("recipe", o->recipe,
                "File of [[stage]] tables (TOML), each with name, kind (pretrain, sft, reward-model, grpo, ppo, "
                "sample, eval), from, and the "
                "tables of its recipe as [stage.train] … (minke pretrain --help-recipe lists the keys)")
      ->required();
  add_run_flags(*c, o->run);
  c->get_option("--set")->description("Override a key of a stage: --set STAGE.train.lr=3e-4 (may be repeated)");
  c->get_option("--resume")->description("Continue the pipeline in --out, if there is one");
  c->get_option("--out")->description("Folder of the pipeline; default: runs/out/<recipe>");
  c->add_option("--cost-per-hour", o->cost_per_hour,
                "Price of this machine in dollars: the table says what each model cost")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  c->callback(
      [o] { run_stages(load_pipeline(o->recipe, o->run.set), fs::path(o->recipe).stem(), o->run, o->cost_per_hour); });
}

}  // namespace minke
