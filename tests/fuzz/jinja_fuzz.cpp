// libFuzzer: any template is refused or rendered within bounds of time, memory and output; up to the first NUL the template,
// behind it the inputs.
#include "tokenize/jinja/template.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const minke::Json kInputs = minke::parse_json(
      R"({"messages": [{"role": "user", "content": "Hi 中"}, {"role": "assistant", "content": "<think>x</think>y", "n": 1.5}],
          "tools": [{"name": "f", "list": [1, true, null]}], "bos_token": "<b>", "add_generation_prompt": true})",
      "inputs");
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t nul = std::min(all.find('\0'), all.size());
  constexpr size_t kBytes = 4'000'000;
  try {
    const minke::JinjaTemplate jinja(all.substr(0, nul), "fuzz");
    const minke::Json inputs = nul < size ? minke::parse_json(all.substr(nul + 1), "fuzz") : kInputs;
    const std::string text =
        jinja.render(inputs, minke::parse_time("2025-01-20T12:00:00"), {.steps = 100'000, .bytes = kBytes});
    if (text.size() > kBytes) __builtin_trap();
  } catch (const minke::UserError&) {
  }
  return 0;
}
