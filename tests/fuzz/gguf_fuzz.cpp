// libFuzzer: any bytes are either a GGUF file whose every key, tensor and weight can be read, with a configuration and a
// tokenizer that are read on, or a UserError.
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "formats/gguf_model.h"
#include "formats/gguf_tokenizer.h"
#include "spec/config.h"
#include "tokenize/from_gguf.h"
#include "tokenize/tokenizer.h"

namespace {

constexpr int64_t kMaxValues = 1 << 16;  // of a weight: reading is checked, not exercised

template <class Call> void may_refuse(Call call) {
  try {
    call();
  } catch (const minke::UserError&) {
  }
}

void read_keys(const minke::GgufMetadata& m) {
  for (const auto& [key, value] : m.entries()) {
    if (m.find(key) != &value) __builtin_trap();
    may_refuse([&, k = key] { m.integer(k); });
    may_refuse([&, k = key] { m.real(k); });
    may_refuse([&, k = key] { m.flag(k); });
    may_refuse([&, k = key] { m.text(k); });
    may_refuse([&, k = key] { m.integers(k); });
    may_refuse([&, k = key] { m.reals(k); });
    may_refuse([&, k = key] { m.texts(k); });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  may_refuse([&] {
    const minke::Gguf file =
        minke::Gguf::of(minke::GgufFile::parse({reinterpret_cast<const std::byte*>(data), size}, "fuzz"));
    read_keys(file.metadata());
    std::vector<float> values;
    for (const minke::GgufTensor& t : file.files()[0].tensors()) {
      if (file.find(t.name) != &t) __builtin_trap();
      if (t.size() > kMaxValues) continue;
      values.resize(size_t(t.size()));
      minke::read_as_f32(t, values.data());
    }
    may_refuse([&] {
      const minke::TokenizerTexts texts = minke::tokenizer_texts(minke::read_tokenizer(file.metadata()), "fuzz");
      if (!nlohmann::json::accept(texts.tokenizer_json) || !nlohmann::json::accept(texts.tokenizer_config_json))
        __builtin_trap();
      minke::Tokenizer::from_json_text(texts.tokenizer_json, "fuzz", texts.tokenizer_config_json).encode("a 1");
    });
    may_refuse([&] {
      const minke::GgufModel model = minke::describe(file);
      if (!nlohmann::json::accept(model.config_json)) __builtin_trap();
      may_refuse([&] { minke::parse_config(model.config_json, "fuzz"); });
      for (const minke::GgufWeight& w : model.weights) {
        if (w.size() > kMaxValues) continue;
        values.resize(size_t(w.size()));
        minke::read_rows_as_f32(w, 0, w.size() / w.columns(), values.data());
      }
    });
  });
  return 0;
}
