// Which of its tokenizer classes transformers 5 (seen: 5.24) takes for a folder. Most read the tokenizer.json as it is; some
// take only vocabulary and merges from it and split by a rule of their own. Tested in tests/tokenize/transformers_test.cpp.
#pragma once
#include <string>
#include <string_view>

namespace minke {

struct TokenizerFolder {
  std::string_view model_config, tokenizer_config;  // config.json and tokenizer_config.json; "" where there is none
  std::string_view pretokenizer, normalizer;        // the names of what the tokenizer.json has
  std::string_view file;
};

// A line that says how its ids differ from those of the tokenizer.json, which minke gives; "" where they do not.
std::string transformers_note(const TokenizerFolder& folder);

}  // namespace minke
