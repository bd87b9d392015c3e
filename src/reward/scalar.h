// One number, or one expression in letters, as it stands in an answer: its exact value, how it is written, its unit.
// Tested in tests/reward/math_answer_test.cpp.
#pragma once
#include <optional>
#include <span>
#include <string>

#include "reward/exact_value.h"
#include "reward/tokens.h"

namespace minke {

// How far an answer is worked out. A question such as "What is 12 · 13?" must not be answered by itself.
enum class Form {
  plain,       // 7, 1/2, 0.5, 1 1/2, 2√3, 1 + √2, 1.5e3, 2x + 1
  unreduced,   // 6/2, √4, √2·√3, 2^10: a fraction, root or power that stands for something simpler
  arithmetic,  // 3 + 4, 12 · 13
};

struct Scalar {
  ExactValue value;
  Form form = Form::plain;
  std::string unit;         // "" or names joined by blanks (units.h)
  bool known_unit = false;  // a word of it is in units.h
};

// What `±` stands for.
enum class PlusMinus { none, plus, minus };

// Nothing if the tokens are no such expression.
std::optional<Scalar> parse_scalar(std::span<const Token> tokens, bool commas_group_digits,
                                   PlusMinus plus_minus = PlusMinus::none);

// True if the comma at this index stands between groups of digits: "1,000".
bool groups_digits(std::span<const Token> tokens, size_t comma);

}  // namespace minke
