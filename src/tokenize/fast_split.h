// Hand-written splitters for the pre-tokenizer regexes that everybody uses, many times faster than a regex engine.
// Each finds the end of the piece that starts at `at`; it needs no state, because none of these regexes looks behind.
// Sources: docs/recipe/training.md §3 (DeepSeek-V3); the tokenizer.json files of the others. The oracle is the regexes
// themselves: tests/tokenize/pretokenizer_test.cpp.
#pragma once
#include <cstddef>
#include <string_view>

#include "tokenize/unicode.h"

namespace minke {

// at < text.size(); returns the end of the piece, > at.
using NextPiece = size_t (*)(const unicode::Tables& tables, std::string_view text, size_t at);

size_t next_deepseek_v3(const unicode::Tables& tables, std::string_view text, size_t at);
size_t next_deepseek_llm(const unicode::Tables& tables, std::string_view text, size_t at);  // DeepSeek LLM and V2
size_t next_deepseek_coder(const unicode::Tables& tables, std::string_view text, size_t at);
size_t next_gpt2(const unicode::Tables& tables, std::string_view text, size_t at);
size_t next_smollm(const unicode::Tables& tables, std::string_view text, size_t at);  // digits one by one, then GPT-2
size_t next_llama3(const unicode::Tables& tables, std::string_view text, size_t at);  // digits by threes
size_t next_qwen2(const unicode::Tables& tables, std::string_view text, size_t at);   // digits one by one
// Digits, punctuation, symbols and newlines one by one, then GPT-2: for arithmetic.
size_t next_single_signs(const unicode::Tables& tables, std::string_view text, size_t at);
size_t next_character(const unicode::Tables& tables, std::string_view text, size_t at);

}  // namespace minke
