// What must hold between the keys of a recipe, once all are read. Private to train/. Test: tests/train/recipe_test.cpp.
#pragma once
#include <string_view>

#include "train/recipe.h"

namespace minke {

// UserError for values that are not known, or that do not fit each other.
void check_recipe(const Recipe& recipe, std::string_view where);

}  // namespace minke
