// libFuzzer: any text is either a config that can be counted, described and written back to an equal one, or a
// UserError.
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "spec/describe.h"
#include "spec/parameters.h"
#include "spec/rope.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  minke::Config config;
  try {
    config = minke::parse_config({reinterpret_cast<const char*>(data), size}, "fuzz");
  } catch (const minke::UserError&) {
    return 0;
  }
  if (!(minke::parse_config(minke::config_to_json(config).dump(), "written back") == config)) __builtin_trap();
  minke::describe_text(config, config.max_position_embeddings);
  minke::rope_frequencies(config);
  if (config.num_hidden_layers * (config.n_routed_experts + 1) < 1000) minke::storages(config);
  return 0;
}
