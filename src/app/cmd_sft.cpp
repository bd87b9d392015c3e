// minke sft: flags → recipe → run/sft_stage.h.
#include <CLI/CLI.hpp>
#include <memory>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/run_command.h"
#include "run/sft_stage.h"

namespace minke {
namespace {

struct SftOptions {
  std::string recipe, model;
  std::vector<std::string> data;
  RunFlags run;
};

void run(SftOptions& o) {
  const Recipe recipe = recipe_or_data(o.recipe, o.data, o.run, RecipeOf::sft, "conversations");
  start_run(
      recipe, RecipeOf::sft, o.run, stem_of(o.recipe, RecipeOf::sft),
      [&](const fs::path& out, const RunMachine& machine) { return sft(recipe, o.model, out, o.run.resume, machine); });
}

}  // namespace

void add_sft_command(CLI::App& program) {
  auto o = std::make_shared<SftOptions>();
  CLI::App* c = program.add_subcommand("sft", "Fine-tune a model on conversations");
  set_example(*c, "minke sft chats.jsonl -m runs/out/quickstart/latest --out my-sft");
  c->add_option("recipe", o->recipe, "Recipe file (TOML); minke pretrain --help-recipe lists its keys");
  c->add_option("data", o->data, "JSON Lines with \"messages\", or builtin:chats, instead of the recipe's data.train");
  c->add_option("-m,--model", o->model, "Checkpoint to begin with: a Hugging Face folder or a GGUF file")->required();
  add_run_flags(*c, o->run);
  c->callback([o] { run(*o); });
}

}  // namespace minke
