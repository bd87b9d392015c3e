// Whether two answers to a mathematical question are equal, however they are written: numbers, expressions, lists, sets,
// tuples, intervals, words. Exact; nothing is rounded. What is accepted: docs/grading.md. Tested in
// tests/reward/math_answer_test.cpp with a table of pairs.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "reward/scalar.h"
#include "reward/tokens.h"

namespace minke {

enum class AnswerKind { nothing, number, words, list, tuple, set, unions };

struct MathAnswer {
  AnswerKind kind = AnswerKind::nothing;
  Scalar scalar;                  // number
  std::string words;              // words, and what could not be read otherwise: as written, spaces and case evened out
  std::vector<MathAnswer> items;  // list: "3, 5" or "3 or 5"; tuple: also an interval or a point
  std::string brackets;           // "()", "[)" …
  bool approximate = false;       // after ≈
};

// How a list at the top is cut: "1,234" is a number, unless the answer that it is held against is a list.
enum class Commas { group_digits, separate };
MathAnswer parse_math_answer(std::string_view text, Commas commas = Commas::group_digits);

enum class Equal { no, lenient, strict };
struct Comparison {
  Equal equal = Equal::no;
  std::string reason;
};
// Is `answer` right where `reference` is known to be? Not symmetric: an answer must be worked out as far as the reference.
// Empty texts equal nothing, not even each other. Never throws.
Comparison compare_math(std::string_view answer, std::string_view reference);

}  // namespace minke
