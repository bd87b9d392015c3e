// Keys of minke's own in GGUF files, all texts of JSON: what no standard key can say, so that a folder that became a file
// can become the same folder again. Other programs skip them.
#pragma once

namespace minke::gguf_own {

constexpr const char* kConfig = "minke.config";             // fields of config.json that change no result
constexpr const char* kTokenizer = "minke.tokenizer_json";  // tokenizer.json, where the standard keys cannot say it
constexpr const char* kTokenizerConfig = "minke.tokenizer_config";    // tokenizer_config.json without its templates
constexpr const char* kGenerationConfig = "minke.generation_config";  // generation_config.json

constexpr const char* kConfigFields[] = {"bos_token_id", "eos_token_id", "initializer_range"};

}  // namespace minke::gguf_own
