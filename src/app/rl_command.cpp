#include "app/rl_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "app/command_line.h"
#include "app/run_command.h"

namespace minke {
namespace {

struct RlOptions {
  std::string recipe, model;
  RunFlags run;
};

}  // namespace

void add_rl_command(CLI::App& program, RecipeOf kind, TrainByRewards train, const std::string& description) {
  auto o = std::make_shared<RlOptions>();
  const std::string verb(name_of(kind));
  CLI::App* c = program.add_subcommand(verb, description);
  set_example(*c, fmt::format("minke {0} recipe.toml -m runs/out/quickstart/latest --out my-{0}", verb));
  c->add_option("recipe", o->recipe, "Recipe file (TOML); minke pretrain --help-recipe lists its keys")->required();
  c->add_option("-m,--model", o->model, "Checkpoint to begin with: a Hugging Face folder or a GGUF file")->required();
  add_run_flags(*c, o->run);
  c->callback([o, kind, train] {
    const Recipe recipe = load_recipe(o->recipe, o->run.set, "", kind);
    start_run(recipe, kind, o->run, fs::path(o->recipe).stem(), [&](const fs::path& out, const RunMachine& machine) {
      return train(recipe, o->model, out, o->run.resume, machine);
    });
  });
}

}  // namespace minke
