// A flag whose values are the names of an enum. Test: tests/app/command_line_test.sh.
#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "core/enum_names.h"

namespace minke {

// The value of `to` is the default.
template <NamedEnum E> void add_choice(CLI::App& verb, const std::string& flag, E& to, const std::string& description) {
  std::vector<std::string> names;
  for (const EnumName<E>& e : EnumNames<E>::all) names.emplace_back(e.name);
  verb.add_option_function<std::string>(
          flag, [&to](const std::string& name) { to = find_named<E>(name).value(); }, description)
      ->check(CLI::IsMember(names))
      ->default_str(name_of(to));
}

}  // namespace minke
