// A recipe as text: the resolved one, and what --help-recipe says.
#include <nlohmann/json.hpp>

#include "train/presets.h"
#include "train/recipe_fields.h"
#include "train/toml_text.h"

namespace minke {

std::string recipe_to_toml(const Recipe& r) {
  std::string text, section;
  recipe_fields(r, [&](std::string_view key, const auto& member, const char*, Range) {
    const size_t dot = key.find('.');
    if (key.substr(0, dot) != section)
      text += fmt::format("{}[{}]\n", text.empty() ? "" : "\n", section = key.substr(0, dot));
    text += fmt::format("{} = {}\n", key.substr(dot + 1), toml_of(member));
  });
  for (const Recipe::LongContext& p : r.long_context) {
    text += "\n[[long_context]]\n";
    long_context_fields(p, [&](std::string_view key, const auto& member, const char*, Range) {
      text += fmt::format("{} = {}\n", key.substr(key.find('.') + 1), toml_of(member));
    });
  }
  text += "\n[model]\n";
  const Json model = Json::parse(r.model_json.empty() ? "{}" : r.model_json);
  for (const auto& [k, v] : model.items()) text += toml_key(k) + " = " + toml_of(v) + "\n";
  return text;
}

std::string recipe_help() {
  std::string text = fmt::format("  {:<26} {:<12} {}\n", "preset", "", "what the recipe begins with, or --preset:");
  for (const Preset& p : presets()) text += fmt::format("  {:<39} {:<8} {}\n", "", p.name, p.what);
  const Recipe defaults;
  recipe_fields(defaults, [&](const char* key, const auto& member, const char* meaning, Range) {
    text += fmt::format("  {:<26} {:<12} {}\n", key, toml_of(member), meaning);
  });
  text += "  [[long_context]]                        phases after [train], each with:\n";
  const Recipe::LongContext phase;
  long_context_fields(phase, [&](const char* key, const auto& member, const char* meaning, Range) {
    text += fmt::format("  {:<26} {:<12} {}\n", key, toml_of(member), meaning);
  });
  return text +
         "  model.*                                 the fields of config.json (hidden_size, num_hidden_layers, …)\n";
}

}  // namespace minke
