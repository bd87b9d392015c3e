#include "convert/random_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "core/rng.h"
#include "formats/gguf_tokenizer.h"
#include "tokenize/byte_alphabet.h"

namespace minke {
namespace {

constexpr size_t kTable = size_t(1) << 20;

std::vector<float> normal_table(RngKey key) {
  std::vector<float> table(kTable);
  for (size_t i = 0; i < kTable; ++i) table[i] = float(key.normal(i));
  return table;
}

MadeWeights random_weights(const Config& config, std::string path, uint64_t seed) {
  struct Values {
    RngKey key;
    Init init;
    float size;
    int64_t columns;
  };
  const RngKey key = RngKey{.seed = seed}.at("random weights");
  std::vector<Values> values;
  MadeWeights made{.path = std::move(path), .list = {}, .rows = {}};
  for (Parameter& p : parameters(config)) {
    if (p.optional_duplicate) continue;
    const int64_t columns = p.shape.back();
    values.push_back(
        {key.at(p.name), p.init, p.part == Part::embedding ? 1 : float(1 / std::sqrt(double(columns))), columns});
    made.list.push_back({std::move(p.name), std::move(p.shape)});
  }
  made.rows = [values = std::move(values), table = normal_table(key)](size_t weight, int64_t first, int64_t count,
                                                                      float* out) {
    const Values& v = values[weight];
    if (v.init != Init::normal) return void(std::fill_n(out, count * v.columns, v.init == Init::ones ? 1.0f : 0.0f));
    for (int64_t r = first; r < first + count; ++r) {
      size_t from = v.key.below(uint64_t(r), kTable);
      for (int64_t left = v.columns; left > 0; from = 0) {
        const int64_t n = std::min(left, int64_t(kTable - from));
        out = std::transform(&table[from], &table[from] + n, out, [size = v.size](float x) { return size * x; });
        left -= n;
      }
    }
  };
  return made;
}

}  // namespace

CheckpointFiles random_checkpoint(const fs::path& config_json, uint64_t seed, int64_t mtp_modules) {
  Config config = load_config(config_json);
  config.fp8_block = 0;  // it would say how a file has the weights
  config.num_nextn_predict_layers = std::min(config.num_nextn_predict_layers, mtp_modules);
  WeightFiles weights = WeightFiles::made(random_weights(config, config_json.string(), seed));
  return {std::move(config), std::move(weights), {}};
}

ConvertSource random_source(const fs::path& config_json, uint64_t seed) {
  return with_tensors(random_checkpoint(config_json, seed, kAllMtp));
}

void add_byte_tokenizer(GgufMetadataToWrite& keys, int64_t vocab_size) {
  std::vector<std::string> texts(static_cast<size_t>(vocab_size));
  std::vector<int32_t> types(texts.size(), int32_t(GgufTokenType::unused));
  const std::array<uint8_t, 256> bytes = bytes_in_alphabet_order();
  for (size_t id = 0; id < texts.size(); ++id) {
    if (id < bytes.size()) {
      texts[id] = text_of_bytes(std::string(1, char(bytes[id])));
      types[id] = int32_t(GgufTokenType::normal);
    } else {
      texts[id] = fmt::format("[PAD{}]", id);
    }
  }
  keys.add_text("tokenizer.ggml.model", "gpt2");
  keys.add_text("tokenizer.ggml.pre", "gpt-2");
  keys.add_texts("tokenizer.ggml.tokens", std::vector<std::string_view>(texts.begin(), texts.end()));
  keys.add_i32s("tokenizer.ggml.token_type", types);
  keys.add_texts("tokenizer.ggml.merges", {});
  keys.add_flag("tokenizer.ggml.add_bos_token", false);
}

}  // namespace minke
