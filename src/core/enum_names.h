// The names that the values of an enum have in files, recipes and messages: one table beside the enum, by which they are
// read and written.
//   template <> struct EnumNames<Colour> {
//     static constexpr EnumName<Colour> all[] = {{Colour::red, "red"}, {Colour::green, "green"}};
//   };
// Test: tests/core/enum_names_test.cpp.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"

namespace minke {

template <class E> struct EnumName {
  E value;
  const char* name;
};
template <class E> struct EnumNames;
template <class E>
concept NamedEnum = requires {
  EnumNames<E>::all;
};

// A value that the table lacks is a bug.
template <NamedEnum E> constexpr const char* name_of(E value) {
  for (const EnumName<E>& e : EnumNames<E>::all)
    if (e.value == value) return e.name;
  bug(fmt::format("value {} of an enum has no name", int(value)), SourceLocation::current());
}
template <NamedEnum E> constexpr std::optional<E> find_named(std::string_view name) {
  for (const EnumName<E>& e : EnumNames<E>::all)
    if (name == e.name) return e.value;
  return {};
}
// All names, for messages: names_of<Colour>(", ") is "red, green".
template <NamedEnum E> std::string names_of(std::string_view between) {
  std::string list;
  for (const EnumName<E>& e : EnumNames<E>::all) {
    if (!list.empty()) list += between;
    list += e.name;
  }
  return list;
}

}  // namespace minke
