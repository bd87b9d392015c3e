// Models and training settings that have a name: `minke pretrain --preset v3-11m`, or preset = "v3-11m" at the head of a
// recipe, whose own keys then come on top. Test: tests/recipe/recipe_test.cpp.
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
// UserError that begins with `where` for a name that is not there.
const Preset& find_preset(std::string_view name, std::string_view where);

}  // namespace minke
