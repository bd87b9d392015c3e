// libFuzzer: any text is either an index of a sharded checkpoint that names only files of its folder, or a UserError.
#include <cstdint>

#include "core/error.h"
#include "formats/hf_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto map = minke::parse_weight_map({reinterpret_cast<const char*>(data), size}, "fuzz");
    for (const auto& [tensor, file] : map)
      if (file.find('/') != file.npos || !file.ends_with(".safetensors")) __builtin_trap();
  } catch (const minke::UserError&) {
  }
  return 0;
}
