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
  std::string recipe, model, out;
  std::vector<std::string> set;
  RuntimeOptions runtime;
  bool resume = false;
};

void run(GrpoOptions& o) {
  const Recipe recipe = load_recipe(o.recipe, o.set, "", RecipeOf::grpo);
  const fs::path out = o.out.empty() ? fs::path("runs") / "out" / fs::path(o.recipe).stem() : fs::path(o.out);
  if (const fs::path stored = out / "recipe.toml"; o.resume && fs::exists(stored))
    compare_with_stored(recipe, stored, o.set, RecipeOf::grpo);
  if (o.resume) o.runtime.resumed = stored_backend(out);
  const Runtime runtime(o.runtime);
  if (!grpo(recipe, o.model, out, o.resume, run_machine(runtime))) throw CLI::RuntimeError(130);
}

}  // namespace

void add_grpo_command(CLI::App& program) {
  auto o = std::make_shared<GrpoOptions>();
  CLI::App* c = program.add_subcommand("grpo", "Reinforcement learning: rewards by rule, groups of answers (GRPO)");
  set_example(*c, "minke grpo recipe.toml -m runs/out/quickstart/latest --out my-grpo");
  c->add_option("recipe", o->recipe, "Recipe file (TOML); minke pretrain --help-recipe lists its keys")->required();
  c->add_option("-m,--model", o->model, "Checkpoint to begin with: a Hugging Face folder or a GGUF file")->required();
  c->add_option("--out", o->out, "Folder of the run; default: runs/out/<recipe>");
  c->add_option("--set", o->set, "Override a key of the recipe: --set train.lr=3e-4 (may be repeated)")
      ->allow_extra_args(false);
  c->add_flag("--resume", o->resume, "Continue the run in --out, if there is one");
  c->add_option("-t,--threads", o->runtime.threads, "Threads; 0 = all cores this process may use")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  c->callback([o] { run(*o); });
}

}  // namespace minke
