// A recipe as text: the resolved one, and what --help-recipe says.
#include <nlohmann/json.hpp>

#include "spec/config_keys.h"
#include "train/presets.h"
#include "train/recipe_fields.h"
#include "train/toml_text.h"

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

}  // namespace

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
  std::string text;
  const auto line = [&](std::string_view key, std::string_view value, std::string_view meaning) {
    text += fmt::format("  {:<31} {:<15} {}\n", key, value, meaning);
  };
  line("preset", "", "what the recipe begins with, or --preset:");
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
  line("[model]", "", "fields of config.json; defaults are those of deepseek_v3:");
  for (const ConfigKey& key : config_keys()) {
    line(fmt::format("model.{}", key.name), filled_in(key), key.meaning);
    if (std::string_view(key.name) != "rope_scaling") continue;
    for (const ConfigKey& rope : rope_keys())
      line(fmt::format("model.rope_scaling.{}", rope.name), rope.fallback, rope.meaning);
  }
  return text +
         "  Other fields of published files (architectures, torch_dtype, …) may stand in [model] and change nothing.\n";
}

}  // namespace minke
