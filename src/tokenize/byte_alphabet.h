// GPT-2's byte alphabet: every byte has a printable character, so that a vocabulary of bytes can be written as text.
// 188 bytes are written as themselves, the others, in order, as U+0100, U+0101, … (space is Ġ, newline is Ċ).
// Tested in tests/tokenize/tokenizer_test.cpp.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace minke {

char32_t char_of_byte(uint8_t byte);
// Bytes in the order of their characters: the order of the byte symbols in GPT-2's and DeepSeek's vocabularies.
std::array<uint8_t, 256> bytes_in_alphabet_order();

std::string text_of_bytes(std::string_view bytes);
// The bytes that `text` stands for; false if it has a character outside the alphabet.
bool bytes_of_text(std::string_view text, std::string& bytes);

}  // namespace minke
