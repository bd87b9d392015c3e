// minke pretrain RECIPE.toml: trains a model from nothing.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/run_command.h"
#include "run/pretrain_stage.h"

namespace minke {
namespace {

struct PretrainOptions {
  std::string recipe, preset;
  std::vector<std::string> data, text_keys;
  double minutes = 0;
  bool help_recipe = false, dense = false;
  RunFlags run;
};

void pretrain(PretrainOptions& o) {
  if (o.help_recipe) {
    std::printf("Keys of a recipe: section.key, default, meaning\n%s", recipe_help().c_str());
    return;
  }
  if (o.recipe.empty() && o.preset.empty())
    throw CLI::RequiredError("A recipe (--help-recipe lists its keys) or a --preset");
  if (!o.recipe.empty() && !o.recipe.ends_with(".toml")) {  // with a preset alone, all that is named is data
    if (o.preset.empty()) user_error("pretrain: {} is not a recipe (a file whose name ends in .toml)", o.recipe);
    o.data.insert(o.data.begin(), o.recipe);
    o.recipe.clear();
  }
  if (o.recipe.empty() && o.data.empty()) o.data.push_back("builtin:");
  if (!o.data.empty()) o.run.set.push_back(set_list("data.train", o.data));
  if (!o.text_keys.empty()) o.run.set.push_back(set_list("data.text_keys", o.text_keys));
  if (o.minutes > 0) {
    o.run.set.push_back("train.steps=0");
    o.run.set.push_back(fmt::format("train.minutes={}", o.minutes));
  }
  if (o.dense) o.run.set.push_back("train.dense=true");
  const std::string stem = o.recipe.empty() ? o.preset : fs::path(o.recipe).stem().string();
  const Recipe recipe = o.recipe.empty() ? parse_recipe("", "preset " + o.preset, o.run.set, o.preset)
                                         : load_recipe(o.recipe, o.run.set, o.preset);
  start_run(recipe, RecipeOf::pretraining, o.run, stem, [&](const fs::path& out, const RunMachine& machine) {
    return minke::pretrain(recipe, out, o.run.resume, machine);
  });
}

}  // namespace

void add_pretrain_command(CLI::App& program) {
  auto o = std::make_shared<PretrainOptions>();
  CLI::App* c = program.add_subcommand("pretrain", "Train a new model as described by a recipe");
  set_example(*c, "minke pretrain runs/stories.toml");
  c->add_option("recipe", o->recipe, "Recipe file (TOML); not needed with --preset");
  c->add_option("data", o->data, "Files, folders or globs to train on instead of the recipe's data.train");
  c->add_option("--text-key", o->text_keys, "JSONL key that holds the text; several are joined (data.text_keys)")
      ->allow_extra_args(false);
  c->add_option("--preset", o->preset,
                "Built-in recipe to start from, with or without a recipe file (--help-recipe lists them)");
  add_run_flags(*c, o->run);
  c->add_option("--minutes", o->minutes,
                "Length of the run with all its phases, instead of train.steps; 0 = as in the recipe")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  c->add_flag("--dense", o->dense, "Train a dense model with the same number of active parameters instead");
  c->add_flag("--help-recipe", o->help_recipe, "List every key of a recipe with its default and meaning");
  c->callback([o] { pretrain(*o); });
}

}  // namespace minke
