// A checkpoint folder as the GGUF file that llama.cpp's converter makes of it: its keys, its tensor names, rows of q and k
// in its order, experts stacked, kv_b whole or split. Written for tests from the converter's description, apart from
// formats/gguf_model.h, so that the two check each other.
#pragma once
#include <filesystem>
#include <string>

#include "formats/gguf_writer.h"
#include "spec/config.h"

namespace minke::test {

struct GgufFixture {
  bool split_kv = true;          // as since April 2025; else attn_kv_b, and the sizes of heads under the old keys
  bool groups = true;            // expert_group_count is written
  std::string also_key = {};     // one more key of the architecture: a u32 of 1
  std::string also_tensor = {};  // one more tensor of one number
  std::filesystem::path tokenizer = {};  // folder of the tokenizer; one of made-up tokens if empty
  std::string pre = "deepseek-v3";
  std::string generation_config = {};  // minke.generation_config, where not empty
};

// The keys of a tokenizer.json as the converter writes them: special tokens are of control, other added ones the user's,
// ids without a token (up to vocab_size) unused.
void add_tokenizer_keys(GgufMetadataToWrite& keys, const std::filesystem::path& folder, std::string_view pre,
                        int64_t vocab_size);

// Writes the folder's model to `out` in F32.
void write_gguf_fixture(const std::filesystem::path& folder, const std::filesystem::path& out,
                        const GgufFixture& options = {});

}  // namespace minke::test
