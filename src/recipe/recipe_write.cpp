// A recipe as text: the resolved one, and what --help-recipe says.
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "recipe/presets.h"
#include "recipe/recipe_fields.h"
#include "recipe/recipe_parts.h"
#include "recipe/toml_text.h"
#include "spec/config_keys.h"

namespace minke {
namespace {

// What model_config takes from elsewhere if [model] does not say it.
const char* filled_in(const ConfigKey& key) {
  const std::string_view name = key.name;
  if (name == "model_type") return "deepseek_v3";
  if (name == "vocab_size" || name == "bos_token_id" || name == "eos_token_id") return "tokenizer's";
  if (name == "max_position_embeddings") return "sequence_length";
  if (name == "initializer_range") return "of [train]";
  return key.fallback;
}

std::string phases_to_toml(const Recipe& r, const std::string& prefix = "") {
  std::string text;
  for (const Recipe::LongContext& p : r.long_context) {
    text += fmt::format("\n[[{}long_context]]\n", prefix);
    long_context_fields(p, [&](std::string_view key, const auto& member, const char*, Range) {
      text += fmt::format("{} = {}\n", key.substr(key.find('.') + 1), toml_of(member));
    });
  }
  return text;
}

Json model_of(const Recipe& r) { return parse_json(r.model_json.empty() ? "{}" : r.model_json, "[model]"); }

std::map<std::string, std::string> values_of(const Recipe& r) {
  std::map<std::string, std::string> values;
  recipe_fields(r, [&](const char* key, const auto& member, const char*, Range) { values[key] = toml_of(member); });
  const Json model = model_of(r);
  for (const auto& [key, value] : model.items()) values["model." + key] = toml_of(value);
  return values;
}

}  // namespace

std::vector<RecipeDifference> recipe_differences(const Recipe& a, const Recipe& b) {
  std::vector<RecipeDifference> all;
  std::map<std::string, std::pair<std::string, std::string>> values;
  for (auto& [key, value] : values_of(a)) values[key].first = value;
  for (auto& [key, value] : values_of(b)) values[key].second = value;
  for (const auto& [key, both] : values)
    if (both.first != both.second) all.push_back({key, both.first, both.second});
  if (phases_to_toml(a) != phases_to_toml(b)) all.push_back({"long_context", "", ""});
  return all;
}

std::string sections_to_toml(const Recipe& r, const std::string& prefix,
                             const std::function<bool(std::string_view)>& wanted) {
  std::string text, section;
  recipe_fields(r, [&](std::string_view key, const auto& member, const char*, Range) {
    const size_t dot = key.find('.');
    if (!wanted(key.substr(0, dot))) return;
    if (key.substr(0, dot) != section)
      text += fmt::format("{}[{}{}]\n", text.empty() ? "" : "\n", prefix, section = key.substr(0, dot));
    text += fmt::format("{} = {}\n", key.substr(dot + 1), toml_of(member));
  });
  if (wanted("long_context")) text += phases_to_toml(r, prefix);
  if (!wanted("model")) return text;
  text += fmt::format("\n[{}model]\n", prefix);
  const Json model = model_of(r);
  for (const auto& [k, v] : model.items()) text += toml_key(k) + " = " + toml_of(v) + "\n";
  return text;
}

std::string recipe_to_toml(const Recipe& r) {
  return sections_to_toml(r, "", [](std::string_view) { return true; });
}

std::string recipe_help() {
  std::string text;
  const auto line = [&](std::string_view key, std::string_view value, std::string_view meaning) {
    text += fmt::format("  {:<31} {:<15} {}\n", key, value, meaning);
  };
  line("preset", "", "built-in recipe to start from (also --preset):");
  for (const Preset& p : presets()) line("", p.name, p.what);
  const Recipe defaults;
  recipe_fields(defaults, [&](const char* key, const auto& member, const char* meaning, Range) {
    line(key, toml_of(member), meaning);
  });
  line("[[long_context]]", "", "phases after [train], each with:");
  const Recipe::LongContext phase;
  long_context_fields(phase, [&](const char* key, const auto& member, const char* meaning, Range) {
    line(key, toml_of(member), meaning);
  });
  line("[model]", "", "fields of config.json; the defaults of deepseek_v3 are:");
  for (const ConfigKey& key : config_keys()) {
    line(fmt::format("model.{}", key.name), filled_in(key), key.meaning);
    if (std::string_view(key.name) != "rope_scaling") continue;
    for (const ConfigKey& rope : rope_keys())
      line(fmt::format("model.rope_scaling.{}", rope.name), rope.fallback, rope.meaning);
  }
  return text +
         "  Other fields of published files (architectures, torch_dtype, …) are allowed in [model] and have no "
         "effect.\n";
}

}  // namespace minke
