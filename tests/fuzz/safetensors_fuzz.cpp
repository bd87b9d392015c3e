// libFuzzer: any bytes are either a safetensors file whose every tensor can be read, or a UserError.
#include <cstring>

#include "core/error.h"
#include "formats/hf_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const minke::SafetensorsFile file =
        minke::SafetensorsFile::parse({reinterpret_cast<const std::byte*>(data), size}, "fuzz");
    for (const minke::TensorInfo& t : file.tensors()) {
      if (file.find(t.name) != &t) __builtin_trap();
      // Every element has at least a byte in the file (or there are none), so this allocation is bounded by the input.
      std::vector<float> values(size_t(t.size()));
      try {
        minke::read_as_f32(t, values.data(), file.find(t.name + "_scale_inv"), 4);
      } catch (const minke::UserError&) {
      }
    }
  } catch (const minke::UserError&) {
  }
  return 0;
}
