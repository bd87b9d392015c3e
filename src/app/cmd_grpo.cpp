// minke grpo: flags → recipe → rl/grpo_stage.h.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/run_command.h"
#include "rl/grpo_stage.h"

namespace minke {
namespace {

struct GrpoOptions {
  std::string recipe, model;
  RunFlags run;
};

void run(GrpoOptions& o) {
  const Recipe recipe = load_recipe(o.recipe, o.run.set, "", RecipeOf::grpo);
  start_run(recipe, RecipeOf::grpo, o.run, fs::path(o.recipe).stem(),
            [&](const fs::path& out, const RunMachine& machine) {
              return grpo(recipe, o.model, out, o.run.resume, machine);
            });
}

}  // namespace

void add_grpo_command(CLI::App& program) {
  auto o = std::make_shared<GrpoOptions>();
  CLI::App* c = program.add_subcommand("grpo", "Reinforcement learning: rewards by rule, groups of answers (GRPO)");
  set_example(*c, "minke grpo recipe.toml -m runs/out/quickstart/latest --out my-grpo");
  c->add_option("recipe", o->recipe, "Recipe file (TOML); minke pretrain --help-recipe lists its keys")->required();
  c->add_option("-m,--model", o->model, "Checkpoint to begin with: a Hugging Face folder or a GGUF file")->required();
  add_run_flags(*c, o->run);
  c->callback([o] { run(*o); });
}

}  // namespace minke
