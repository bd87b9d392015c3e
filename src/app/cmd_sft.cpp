// minke sft: flags → recipe → run/sft_stage.h.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/run_command.h"
#include "core/error.h"
#include "run/sft_stage.h"

namespace minke {
namespace {

struct SftOptions {
  std::string recipe, model, out;
  std::vector<std::string> data, set;
  RuntimeOptions runtime;
  bool resume = false;
};

void run(SftOptions& o) {
  if (!o.recipe.empty() && !o.recipe.ends_with(".toml")) {  // all that is named is data
    o.data.insert(o.data.begin(), o.recipe);
    o.recipe.clear();
  }
  if (!o.data.empty()) o.set.push_back(set_list("data.train", o.data));
  if (o.recipe.empty() && o.data.empty()) throw CLI::RequiredError("A recipe, or files of conversations");
  const Recipe recipe = o.recipe.empty() ? parse_recipe("", "minke sft", o.set, "", RecipeOf::sft)
                                         : load_recipe(o.recipe, o.set, "", RecipeOf::sft);
  const fs::path out = o.out.empty() ? fs::path("runs") / "out" / (o.recipe.empty() ? "sft" : fs::path(o.recipe).stem())
                                     : fs::path(o.out);
  if (const fs::path stored = out / "recipe.toml"; o.resume && fs::exists(stored))
    compare_with_stored(recipe, stored, o.set, RecipeOf::sft);
  if (o.resume) o.runtime.resumed = stored_backend(out);
  const Runtime runtime(o.runtime);
  if (!sft(recipe, o.model, out, o.resume, run_machine(runtime))) throw CLI::RuntimeError(130);
}

}  // namespace

void add_sft_command(CLI::App& program) {
  auto o = std::make_shared<SftOptions>();
  CLI::App* c = program.add_subcommand("sft", "Fine-tune a model on conversations");
  set_example(*c, "minke sft chats.jsonl -m runs/out/quickstart/latest --out my-sft");
  c->add_option("recipe", o->recipe, "Recipe file (TOML); minke pretrain --help-recipe lists its keys");
  c->add_option("data", o->data, "JSON Lines with \"messages\" instead of the recipe's data.train");
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
