// The tokenizer that stands in the metadata of a GGUF file: what it says, checked, as views into the map.
// Test: tests/formats/gguf_tokenizer_test.cpp.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/gguf.h"

namespace minke {

// The numbers are those in the file.
enum class GgufTokenType : uint8_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

struct GgufTokenizer {
  std::string_view model;  // "gpt2": byte-level BPE; "llama": SentencePiece
  std::string_view pre;    // how text is split before merging: "deepseek-v3", "llama-bpe", "qwen2", "smollm" …
  std::vector<std::string_view> tokens;  // UTF-8, by id; of gpt2 in the alphabet of byte-level BPE
  std::vector<GgufTokenType> types;      // as many; all normal if the file has none
  std::vector<std::string_view> merges;  // "left right", in order; gpt2
  std::vector<double> scores;            // as many as tokens, or none; llama
  std::optional<int64_t> bos, eos, eot, eom, unknown, padding;  // ids, below tokens.size()
  std::optional<bool> add_bos, add_eos, add_space_prefix;       // as the file says
  std::optional<std::string_view> chat_template;
  std::vector<std::pair<std::string_view, std::string_view>> named_templates;  // tokenizer.chat_template.NAME
  std::optional<std::string_view> own_json, own_config;  // of minke, instead of the above (gguf_own_keys.h)
};

// UserError if there is no tokenizer, or one that contradicts itself. The views live as long as the file.
GgufTokenizer read_tokenizer(const GgufMetadata& metadata);

}  // namespace minke
