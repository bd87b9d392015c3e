#include "app/run_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bench/ceilings.h"
#include "core/error.h"
#include "recipe/pipeline.h"

namespace minke {

void compare_with_stored(const std::vector<RecipeDifference>& differences, const fs::path& stored,
                         const std::vector<std::string>& set) {
  std::string mentioned;
  for (const RecipeDifference& d : differences) {
    const auto in_set = [&](const std::string& s) { return s.substr(0, s.find_first_of(" =")) == d.key; };
    if (std::any_of(set.begin(), set.end(), in_set))
      user_error("{} is {} in the stored recipe of the run and {} here: edit {} to change it, or leave out --set",
                 d.key, d.a.empty() ? "another" : d.a, d.b.empty() ? "another" : d.b, stored.string());
    mentioned += (mentioned.empty() ? "" : ", ") + d.key;
  }
  if (!mentioned.empty())
    fmt::print("note        the run keeps its stored recipe, {}; the recipe given here differs in {}\n",
               stored.string(), mentioned);
}

RunMachine machine_of(const Runtime& runtime) {
  return {.ctx = runtime.ctx(),
          .description = runtime.description(),
          .product_peak = [](const Context& ctx, DType dtype) { return product_ceiling(ctx, dtype, 0.02).best().rate; },
          .note = runtime.note()};
}

void add_run_flags(CLI::App& c, RunFlags& flags) {
  c.add_option("--out", flags.out, "Folder of the run; default: runs/out/<recipe>");
  c.add_option("--set", flags.set, "Override a key of the recipe: --set train.lr=3e-4 (may be repeated)")
      ->allow_extra_args(false);
  c.add_flag("--resume", flags.resume, "Continue the run in --out, if there is one");
  c.add_option("-t,--threads", flags.runtime.threads, "Threads; 0 = all cores this process may use")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
}

Recipe recipe_or_data(std::string& recipe, std::vector<std::string>& data, RunFlags& flags, RecipeOf kind,
                      const std::string& what) {
  if (!recipe.empty() && !recipe.ends_with(".toml")) {  // all that is named is data
    data.insert(data.begin(), recipe);
    recipe.clear();
  }
  if (!data.empty()) flags.set.push_back(set_list("data.train", data));
  if (recipe.empty() && data.empty()) throw CLI::RequiredError("A recipe, or files of " + what);
  return recipe.empty() ? parse_recipe("", fmt::format("minke {}", name_of(kind)), flags.set, "", kind)
                        : load_recipe(recipe, flags.set, "", kind);
}

std::string stem_of(const std::string& recipe, RecipeOf kind) {
  return recipe.empty() ? name_of(kind) : fs::path(recipe).stem().string();
}

void start_run(const Recipe& recipe, RecipeOf kind, RunFlags& flags, const std::string& stem,
               const std::function<bool(const fs::path&, const RunMachine&)>& train) {
  refuse_stage_sources(recipe);
  const fs::path out = flags.out.empty() ? fs::path("runs") / "out" / stem : fs::path(flags.out);
  if (const std::optional<Recipe> stored = flags.resume ? stored_recipe(out, kind) : std::nullopt) {
    std::vector<RecipeDifference> differences = recipe_differences(*stored, recipe);
    if (recipe.train.steps == 0)  // since the start they are known
      std::erase_if(differences, [](const auto& d) { return d.key == "train.steps" || d.key == "train.minutes"; });
    compare_with_stored(differences, out / "recipe.toml", flags.set);
  }
  if (flags.resume) flags.runtime.resumed = stored_backend(out);
  const Runtime runtime(flags.runtime);
  const RunMachine machine = machine_of(runtime);
  if (!train(out, machine)) throw CLI::RuntimeError(130);
}

std::string set_list(const char* key, const std::vector<std::string>& values) {
  std::string list;
  for (const std::string& v : values)
    list += (list.empty() ? "" : ", ") + Json(v).dump(-1, ' ', false, Json::error_handler_t::replace);
  return fmt::format("{}=[{}]", key, list);
}

}  // namespace minke
