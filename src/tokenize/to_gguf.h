// The tokenizer of a Hugging Face folder as keys of a GGUF file; the other way round is from_gguf.h. What the standard keys
// cannot say is kept whole under a key of minke's (formats/gguf_own_keys.h), so that minke reads the same tokenizer.
// Tested in tests/convert/tokenizer_test.cpp.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/files.h"
#include "formats/gguf_writer.h"

namespace minke {

// Of config.json.
struct ModelTokens {
  int64_t vocab_size = 0;
  int64_t bos = -1;
  std::vector<int64_t> ends;  // end of text, of a turn, of a message
};

// Adds the keys tokenizer.*. Returns lines for people: what other programs will do otherwise. UserError for a tokenizer with
// ids that the model does not have.
std::vector<std::string> add_tokenizer(GgufMetadataToWrite& keys, const fs::path& folder, const ModelTokens& model);

}  // namespace minke
