// Models and training settings that have a name: `minke pretrain --preset v3-11m`, or preset = "v3-11m" at the head of a
// recipe, whose own keys then come on top. "-mtp" after a name adds one MTP module. Test: tests/train/recipe_test.cpp.
#pragma once
#include <string_view>
#include <vector>

namespace minke {

struct Preset {
  const char* name;
  const char* what;  // one line for people
};
const std::vector<Preset>& presets();
// The preset as texts of recipes, without data, each on top of the one before. UserError for a name that is not there.
std::vector<std::string_view> preset_recipes(std::string_view name);

}  // namespace minke
