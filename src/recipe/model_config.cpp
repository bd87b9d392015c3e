#include "recipe/model_config.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/json.h"
#include "spec/dense_twin.h"

namespace minke {

Config model_config(const Recipe& r, int64_t vocab_size, int64_t bos, int64_t eos) {
  Json j = parse_json(r.model_json, "recipe [model]");
  const auto fill = [&](const char* key, Json value) {
    if (!j.contains(key)) j[key] = std::move(value);
  };
  fill("model_type", "deepseek_v3");
  fill("vocab_size", vocab_size);
  fill("max_position_embeddings", r.train.sequence_length);
  fill("initializer_range", r.train.initializer_range);
  if (bos >= 0) fill("bos_token_id", bos);
  if (eos >= 0) fill("eos_token_id", eos);
  Config config = parse_config(j.dump(), "recipe [model]");
  if (config.vocab_size < vocab_size)
    user_error("recipe [model]: vocab_size {} is less than the tokenizer's {} tokens", config.vocab_size, vocab_size);
  if (config.max_position_embeddings < r.train.sequence_length)
    user_error("recipe: train.sequence_length {} is more than model.max_position_embeddings {}",
               r.train.sequence_length, config.max_position_embeddings);
  check_balance(r, config);
  return r.train.dense ? dense_twin(config) : config;
}

}  // namespace minke
