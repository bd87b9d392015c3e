// libFuzzer: any text parses, or is a UserError; what parses can be written and read again.
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const minke::Json json = minke::parse_json({reinterpret_cast<const char*>(data), size}, "fuzz");
    if (minke::parse_json(json.dump(), "written back") != json) __builtin_trap();
  } catch (const minke::UserError&) {
  }
  return 0;
}
