// The tokenizer in the metadata of a GGUF file as the two files of a Hugging Face folder. GGUF names the rule by which text
// is split ("pre"); each known name stands for the pre-tokenizer of the published tokenizer.json. Names and defaults are
// those of github.com/ggml-org/llama.cpp/src/llama-vocab.cpp. Tested in tests/tokenize/from_gguf_test.cpp.
#pragma once
#include <string>
#include <string_view>

#include "formats/gguf_tokenizer.h"

namespace minke {

struct TokenizerTexts {
  std::string tokenizer_json, tokenizer_config_json;
  bool adds_bos = false;  // the file says that text begins with bos
  std::string note;       // a line for people where the file does not say how text is split; "" otherwise
};

// UserError, which begins with `where`, for what is no byte-level BPE and for an unknown rule.
TokenizerTexts tokenizer_texts(const GgufTokenizer& tokenizer, std::string_view where);
// The second text alone, which has the chat template.
std::string tokenizer_config_json(const GgufTokenizer& tokenizer, std::string_view where);

// What goes with a pre-tokenizer (pretokenizer.h): its name in GGUF files, "" if it has none; its normalizer, "" for none;
// and whether a whole piece is looked up before it is merged, as Llama 3 does.
std::string_view gguf_pre_of(std::string_view pretokenizer);
std::string_view normalizer_beside(std::string_view pretokenizer);
bool ignores_merges(std::string_view pretokenizer);

}  // namespace minke
