// Built-in models with training settings: `minke pretrain --preset v3-11m`, or preset = "v3-11m" at the head of a recipe,
// whose own keys then override it. Test: tests/recipe/recipe_test.cpp.
#pragma once
#include <string_view>
#include <vector>

namespace minke {

struct Preset {
  const char* name;
  const char* what;                       // one line for people
  std::vector<std::string_view> recipes;  // texts without data, each on top of the one before
};
const std::vector<Preset>& presets();
// An unknown name is a UserError that begins with `where`.
const Preset& find_preset(std::string_view name, std::string_view where);

}  // namespace minke
