// What the verbs that train have in common: flags → settings of a run.
#pragma once
#include <string>
#include <vector>

#include "app/runtime.h"
#include "recipe/recipe.h"
#include "run/training_run.h"

namespace minke {

// A run that goes on keeps its recipe: what a --set asks for beside it would have no effect, and is refused; what only
// the recipe's file says is mentioned.
void compare_with_stored(const Recipe& recipe, const fs::path& stored, const std::vector<std::string>& set,
                         RecipeOf kind);

// "key=[…]" with these strings, for --set.
std::string set_list(const char* key, const std::vector<std::string>& values);

RunMachine run_machine(const Runtime& runtime);

}  // namespace minke
