// What must hold between the keys of a recipe, once all are read. Private to recipe/. Test: tests/recipe/recipe_test.cpp.
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
  // Of that of the keys which was set last, and so made them disagree; the recipe's name if none was.
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

// UserError for values that are not known, or that do not fit each other.
void check_recipe(const Recipe& recipe, const Places& places);

}  // namespace minke
