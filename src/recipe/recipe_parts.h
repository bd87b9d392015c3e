// What recipes and pipelines (pipeline.h), whose stages are recipes in one file, have in common. Private to recipe/.
// Test: tests/recipe/recipe_test.cpp, tests/recipe/pipeline_test.cpp.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "recipe/recipe.h"
#include "recipe/toml_parser.h"

namespace minke {

// What keys are read from: a file, a preset or one --set. Only a file has lines that a user can look up.
struct TomlSource {
  std::string name;
  bool has_lines = false;

  std::string at(const toml::source_region& region) const {
    return has_lines ? fmt::format("{}:{}", name, region.begin.line) : name;
  }
  std::string at(const toml::node& node) const { return at(node.source()); }
};

toml::table parse_toml(std::string_view text, const TomlSource& source);

struct RecipeOverride {
  std::string text, shown;  // "train.lr=3e-4", and as the user wrote it
};

// A recipe whose keys stand in `own`; `where` names it where no key does.
Recipe read_recipe(toml::table own, const TomlSource& file, std::string_view where,
                   const std::vector<RecipeOverride>& overrides, std::string preset, RecipeOf kind);

// The sections that `wanted` takes, each below `prefix`: "stage." gives [stage.train].
std::string sections_to_toml(const Recipe& recipe, const std::string& prefix,
                             const std::function<bool(std::string_view section)>& wanted);

}  // namespace minke
