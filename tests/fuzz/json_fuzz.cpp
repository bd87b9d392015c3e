// JSON text through our own front (core/json.h): either it parses, or it is a UserError; nothing else, however deep.
#include <nlohmann/json.hpp>
#include <string_view>

#include "core/error.h"
#include "core/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    minke::parse_json({reinterpret_cast<const char*>(data), size}, "fuzz");
  } catch (const minke::UserError&) {
  }
  return 0;
}
