// libFuzzer: any text is either a recipe that is written and read again as the same, or a UserError; and the same as a
// pipeline. What stands before a zero byte is an override, as after --set.
#include "recipe/pipeline.h"

#include <cstdint>

#include "core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> overrides;
  if (const size_t zero = text.find('\0'); zero != text.npos) {
    overrides.emplace_back(text.substr(0, zero));
    text.remove_prefix(zero + 1);
  }
  std::string resolved;
  try {
    resolved = minke::recipe_to_toml(minke::parse_recipe(text, "fuzz", overrides));
  } catch (const minke::UserError&) {
  }
  if (!resolved.empty() && minke::recipe_to_toml(minke::parse_recipe(resolved, "written back")) != resolved)
    __builtin_trap();
  std::string stages;
  try {
    stages = minke::pipeline_to_toml(minke::parse_pipeline(text, "fuzz", overrides));
  } catch (const minke::UserError&) {
  }
  if (!stages.empty() && minke::pipeline_to_toml(minke::parse_pipeline(stages, "written back")) != stages)
    __builtin_trap();
  return 0;
}
