// The verbs of reinforcement learning, which differ in what they train by.
#pragma once
#include <string>

#include "recipe/recipe.h"
#include "run/training_run.h"

namespace CLI {
class App;
}

namespace minke {

using TrainByRewards = bool (*)(Recipe, const fs::path& model, const fs::path& folder, bool resume, const RunMachine&);

// A verb named as the kind of recipe: flags → recipe → train.
void add_rl_command(CLI::App& program, RecipeOf kind, TrainByRewards train, const std::string& description);

}  // namespace minke
