// What the verbs that train have in common: flags → settings of a run.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "app/runtime.h"
#include "recipe/recipe.h"
#include "run/training_run.h"

namespace minke {

// The flags of a run.
struct RunFlags {
  std::string out;
  std::vector<std::string> set;
  bool resume = false;
  RuntimeOptions runtime;
};
void add_run_flags(CLI::App& command, RunFlags& flags);

// Of a verb that takes a recipe, or its data alone ("minke sft chats.jsonl"): then `recipe` becomes empty, and what it named the first of
// `data`. CLI::RequiredError, which says what the data are, if there is neither.
Recipe recipe_or_data(std::string& recipe, std::vector<std::string>& data, RunFlags& flags, RecipeOf kind,
                      const std::string& what);
std::string stem_of(const std::string& recipe, RecipeOf kind);  // for start_run: the verb's name without a recipe

// Calls train(folder, machine), the folder being --out or runs/out/<stem>. A run that goes on keeps its recipe: what a --set asks
// for beside it would have no effect, and is refused; what only the recipe's file says is mentioned. CLI::RuntimeError 130 if train
// returns false: it was stopped.
void start_run(const Recipe& recipe, RecipeOf kind, RunFlags& flags, const std::string& stem,
               const std::function<bool(const fs::path& folder, const RunMachine& machine)>& train);

// A run or a pipeline that goes on keeps what is stored in `stored`: UserError for a difference that a --set asks for, since it would
// have no effect; others are mentioned.
void compare_with_stored(const std::vector<RecipeDifference>& differences, const fs::path& stored,
                         const std::vector<std::string>& set);

RunMachine machine_of(const Runtime& runtime);

// "key=[…]" with these strings, for --set.
std::string set_list(const char* key, const std::vector<std::string>& values);

}  // namespace minke
