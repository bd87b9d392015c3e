#include "recipe/toml_text.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

namespace minke {
namespace {

// A TOML string. What comes from the command line may not be UTF-8; DEL is the one character that JSON leaves bare.
std::string quoted(const std::string& text) {
  std::string s = Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  for (size_t at = 0; (at = s.find('\x7f', at)) != s.npos;) s.replace(at, 1, "\\u007f");
  return s;
}

}  // namespace

std::string toml_key(const std::string& key) {
  const bool bare = !key.empty() && key.find_first_not_of(
                                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789_-") == key.npos;
  return bare ? key : quoted(key);
}

std::string toml_of(const Json& j) {
  if (j.is_object()) {
    std::string s = "{";
    for (const auto& [k, v] : j.items()) s += (s.size() > 1 ? ", " : " ") + toml_key(k) + " = " + toml_of(v);
    return s + " }";
  }
  if (j.is_array()) {
    std::string s = "[";
    for (const Json& v : j) s += (s.size() > 1 ? ", " : "") + toml_of(v);
    return s + "]";
  }
  if (j.is_string()) return quoted(j.get_ref<const std::string&>());
  if (j.is_number_float()) {
    std::string s = fmt::format("{}", j.get<double>());
    return s.find_first_of(".eni") == s.npos ? s + ".0" : s;
  }
  return j.dump();
}
std::string toml_of(const std::string& v) { return quoted(v); }
std::string toml_of(const std::vector<std::string>& v) { return toml_of(Json(v)); }
std::string toml_of(const std::vector<double>& v) { return Json(v).dump(); }
std::string toml_of(bool v) { return v ? "true" : "false"; }
std::string toml_of(double v) { return toml_of(Json(v)); }
std::string toml_of(int64_t v) { return std::to_string(v); }
std::string toml_of(uint64_t v) { return std::to_string(v); }

}  // namespace minke
