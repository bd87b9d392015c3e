// What keys of [grpo] must fit together.
#include <gtest/gtest.h>

#include "core/error.h"
#include "recipe/recipe.h"

namespace minke {
namespace {

constexpr const char* kSmall = "[train]\nsteps = 10\n";

// The message of the UserError that parsing throws, "" if it throws none.
std::string complaint(const std::string& toml, const std::vector<std::string>& set = {}) {
  try {
    parse_recipe(toml, "r.toml", set, "", RecipeOf::grpo);
  } catch (const UserError& e) {
    return e.what();
  }
  return "";
}

TEST(GrpoRecipe, UpdatesWithTheSameAnswersHaveTheSameReference) {
  const std::string recipe = std::string(kSmall) + "[grpo]\nmini_batches=5\nbeta=0.1\n";
  const auto message = [&](const std::string& set) { return complaint(recipe, {set}); };
  EXPECT_EQ(message("grpo.reference_every=10"), "");
  EXPECT_EQ(
      message("train.steps=12").find("--set train.steps=12: train.steps 12 is no multiple of grpo.mini_batches 5"), 0u);
  EXPECT_EQ(message("grpo.mini_batches=4").find("--set grpo.mini_batches=4: train.steps 10 is no multiple"), 0u);
  EXPECT_EQ(message("grpo.reference_every=6").find("--set grpo.reference_every=6: grpo.reference_every 6 is no multip"),
            0u);
  EXPECT_EQ(complaint(std::string(kSmall) + "[grpo]\nreference_every=4\n")
                .find("r.toml:4: grpo.reference_every 4 has no effect without grpo.beta"),
            0u);
}

}  // namespace
}  // namespace minke
