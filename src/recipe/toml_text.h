// Values as TOML text, from which the same values are read. Private to recipe/. Test: tests/recipe/recipe_test.cpp.
#pragma once
#include <string>
#include <vector>

#include "core/enum_names.h"
#include "core/json.h"

namespace minke {

std::string toml_key(const std::string& key);
std::string toml_of(const Json& value);  // an object becomes an inline table
std::string toml_of(const std::string& value);
std::string toml_of(const std::vector<std::string>& value);
std::string toml_of(const std::vector<double>& value);
std::string toml_of(bool value);
std::string toml_of(double value);
std::string toml_of(int64_t value);
std::string toml_of(uint64_t value);
template <NamedEnum E> std::string toml_of(E value) { return toml_of(std::string(name_of(value))); }
template <NamedEnum E> std::string toml_of(const std::vector<E>& values) {
  std::vector<std::string> names;
  for (E value : values) names.push_back(name_of(value));
  return toml_of(names);
}

}  // namespace minke
