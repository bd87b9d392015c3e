// Conditions that involve several keys of a recipe, once all are read. Private to recipe/. Test: tests/recipe/recipe_test.cpp.
#pragma once
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

#include "recipe/recipe.h"

namespace minke {

// Where each key was set, for messages: a line of the file, the preset, or the --set.
class Places {
 public:
  explicit Places(std::string_view recipe) : recipe_(recipe) {}

  void set(const std::string& key, std::string place) { set_[key] = {++count_, std::move(place)}; }
  // The place of the key that was set last and so caused the conflict; the name of the recipe if none was set.
  std::string of(std::initializer_list<std::string_view> keys) const;

 private:
  struct Place {
    size_t order = 0;
    std::string text;
  };
  std::string recipe_;
  std::map<std::string, Place, std::less<>> set_;
  size_t count_ = 0;
};

std::string phase_name(size_t index);  // "[[long_context]] phase 1", in messages and as a key of Places

// UserError for values that contradict each other.
void check_recipe(const Recipe& recipe, const Places& places);

}  // namespace minke
