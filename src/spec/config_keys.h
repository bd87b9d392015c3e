// Every key of config.json that parse_config reads, with its meaning; and published keys that it ignores. Fields
// (config_fields.h) throws if code reads a key that is not listed, so the list stays complete. parse_config accepts unknown
// keys, as published files need; the [model] of a recipe does not. Test: tests/spec/config_keys_test.cpp.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace minke {

struct ConfigKey {
  const char* name;
  const char* fallback;  // of model_type deepseek_v3; "": none, or what the meaning says
  const char* meaning;
  bool of_minke = false;  // may stand under "minke" as well: a choice that no standard model_type can say
};
using ConfigKeys = std::span<const ConfigKey>;

ConfigKeys config_keys();
ConfigKeys rope_keys();          // of rope_scaling and rope_parameters
ConfigKeys quantization_keys();  // of quantization_config

bool is_listed(ConfigKeys keys, std::string_view name);
std::vector<std::string> names_of(ConfigKeys keys);

// A field of published config.json files that does not change what minke computes.
bool is_ignored(std::string_view name);

}  // namespace minke
