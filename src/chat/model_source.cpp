#include "chat/model_source.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace minke {
namespace {

constexpr size_t kMaxBytes = size_t(1) << 20;

// Between low and high; low itself only where `with_low`.
template <class T>
std::optional<T> number(const Json& json, const char* key, std::string_view where, double low, double high,
                        bool with_low = true) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return {};
  const bool right = std::is_integral_v<T> ? found->is_number_integer() : found->is_number();
  const double value = right ? found->get<double>() : 0;
  if (!right || !(value >= low && value <= high) || (!with_low && value == low))
    user_error("{}: {} is {}; it must be a {}number {} {} and at most {}", where, key, printable(found->dump()),
               std::is_integral_v<T> ? "whole " : "", with_low ? "of at least" : "above", low, high);
  return found->get<T>();
}

}  // namespace

GenerationDefaults generation_defaults(std::string_view text, std::string_view where) {
  const Json json = parse_json(text, where);
  if (!json.is_object()) user_error("{}: must be an object, is {}", where, json.type_name());
  GenerationDefaults d;
  d.temperature = number<double>(json, "temperature", where, 0, 100);
  d.top_p = number<double>(json, "top_p", where, 0, 1, false);
  d.min_p = number<double>(json, "min_p", where, 0, 1);
  d.top_k = number<int64_t>(json, "top_k", where, 0, 1e9);
  d.repetition_penalty = number<double>(json, "repetition_penalty", where, 0, 100, false);
  if (const auto sample = json.find("do_sample"); sample != json.end() && *sample == false) d.temperature = 0;
  if (const auto eos = json.find("eos_token_id"); eos != json.end() && !eos->is_null()) {
    for (const Json& id : eos->is_array() ? *eos : Json::array({*eos})) {
      if (!id.is_number_integer() || id.get<double>() < 0 || id.get<double>() > 1e9)
        user_error("{}: eos_token_id is {}; it must be a token or a list of tokens", where, printable(eos->dump()));
      d.stop_tokens.push_back(id.get<int32_t>());
    }
  }
  return d;
}

Tokenizer open_tokenizer(const fs::path& model, const Config& config) {
  Tokenizer tokenizer = Tokenizer::load(model);
  if (tokenizer.vocab_size() > config.vocab_size)
    user_error("the tokenizer of {} has {} tokens, the model only {}: they do not belong together", model.string(),
               tokenizer.vocab_size(), config.vocab_size);
  return tokenizer;
}

std::vector<std::string> notes_of(const CheckpointFiles& files, const Tokenizer& tokenizer) {
  std::vector<std::string> notes = files.notes;
  if (!tokenizer.note().empty()) notes.push_back(tokenizer.note());
  return notes;
}

ModelSource open_model(const fs::path& model, int64_t mtp_modules) {
  CheckpointFiles files = open_checkpoint(model, mtp_modules);
  Tokenizer tokenizer = open_tokenizer(model, files.config);
  std::vector<std::string> notes = notes_of(files, tokenizer);
  ModelSource source{model, std::move(files), std::move(tokenizer), ChatTemplate::load(model), {}, std::move(notes),
                     {}};
  const fs::path defaults = model / "generation_config.json";
  if (const GgufModel* gguf = source.files.weights.gguf()) {
    if (!gguf->generation_config.empty())
      source.defaults = generation_defaults(gguf->generation_config, model.string() + ": minke.generation_config");
  } else if (fs::exists(defaults)) {
    source.defaults = generation_defaults(read_file(defaults, kMaxBytes), defaults.string());
  }
  const auto stop = [&](int64_t id) {
    if (id >= 0 && std::find(source.stop_tokens.begin(), source.stop_tokens.end(), id) == source.stop_tokens.end())
      source.stop_tokens.push_back(int32_t(id));
  };
  stop(source.tokenizer.eos_id());
  for (const int64_t id : source.files.config.eos_token_ids) stop(id);
  for (const int32_t id : source.defaults.stop_tokens) stop(id);
  return source;
}

}  // namespace minke
