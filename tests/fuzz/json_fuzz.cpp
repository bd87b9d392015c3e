// libFuzzer: any text is either JSON that survives being written and read again, or a UserError.
#include "core/json.h"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  minke::Json json;
  try {
    json = minke::parse_json({reinterpret_cast<const char*>(data), size}, "fuzz");
  } catch (const minke::UserError&) {
    return 0;
  }
  if (minke::parse_json(json.dump(), "written back") != json) __builtin_trap();
  return 0;
}
