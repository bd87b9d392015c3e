// Typed reading of one JSON object's fields: a wrong type or a missing field is a UserError that names file, field and
// value. null counts as absent. Private to spec/. Test: tests/spec/config_test.cpp.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "core/enum_names.h"
#include "core/error.h"
#include "core/json.h"
#include "spec/config_keys.h"

namespace minke {

class Fields {
 public:
  // `keys`: all keys that may be read. `overrides`, if given, is searched first. `prefix` ("rope_scaling.") is put before
  // names in messages.
  Fields(const Json& object, std::string_view where, ConfigKeys keys, std::string prefix = "",
         const Json* overrides = nullptr)
      : object_(object), overrides_(overrides), keys_(keys), where_(where), prefix_(std::move(prefix)) {}

  const Json* find(const char* key) const {
    check(is_listed(keys_, key), "a key that is read stands in spec/config_keys.cpp");
    for (const Json* object : {overrides_, &object_}) {
      if (!object) continue;
      const auto at = object->find(key);
      if (at != object->end() && !at->is_null()) return &*at;
    }
    return nullptr;
  }
  bool has(const char* key) const { return find(key) != nullptr; }
  bool is_null(const char* key) const {
    const auto at = object_.find(key);
    return at != object_.end() && at->is_null();
  }

  int64_t integer(const char* key, std::optional<int64_t> fallback = {}) const {
    const Json* value = find(key);
    if (!value) return missing(key, fallback, "a whole number");
    if (!value->is_number_integer() || (value->is_number_unsigned() && value->get<uint64_t>() > uint64_t(INT64_MAX)))
      wrong(key, *value, "a whole number");
    return value->get<int64_t>();
  }
  double real(const char* key, std::optional<double> fallback = {}) const {
    const Json* value = find(key);
    if (!value) return missing(key, fallback, "a number");
    if (!value->is_number()) wrong(key, *value, "a number");
    return value->get<double>();
  }
  bool flag(const char* key, std::optional<bool> fallback = {}) const {
    const Json* value = find(key);
    if (!value) return missing(key, fallback, "true or false");
    if (!value->is_boolean()) wrong(key, *value, "true or false");
    return value->get<bool>();
  }
  std::string text(const char* key, std::optional<std::string> fallback = {}) const {
    const Json* value = find(key);
    if (!value) return missing(key, fallback, "a text");
    if (!value->is_string()) wrong(key, *value, "a text");
    return value->get<std::string>();
  }
  template <NamedEnum E> E choice(const char* key, E fallback) const {
    const Json* value = find(key);
    if (!value) return fallback;
    if (value->is_string())
      if (const std::optional<E> known = find_named<E>(value->get_ref<const std::string&>())) return *known;
    user_error("{}: {}{} is {}; known are {}", where_, prefix_, key, shown(*value), names_of<E>(", "));
  }
  const Json* object(const char* key) const {
    const Json* value = find(key);
    if (value && !value->is_object()) wrong(key, *value, "an object {...}");
    return value;
  }

  [[noreturn]] void wrong(const char* key, const Json& value, const char* needed) const {
    user_error("{}: {}{} is {}, but {} is needed", where_, prefix_, key, shown(value), needed);
  }
  static std::string shown(const Json& value) {
    if (value.is_structured()) return value.is_array() ? "a list" : "an object";
    std::string text = value.dump();
    if (text.size() > 60) text = text.substr(0, 57) + "...";
    return text;
  }

 private:
  template <class T> T missing(const char* key, const std::optional<T>& fallback, const char* needed) const {
    if (!fallback)
      user_error("{}: the field {}{} is missing and this model_type has no default for it; add it ({})", where_,
                 prefix_, key, needed);
    return *fallback;
  }

  const Json& object_;
  const Json* overrides_;
  ConfigKeys keys_;
  std::string where_, prefix_;
};

}  // namespace minke
