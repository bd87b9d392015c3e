// Units behind (or, of money, before) a number: one name for each spelling. Not converted: 5 km is not 5000 m here.
// Tested in tests/reward/math_answer_test.cpp.
#pragma once
#include <string>
#include <string_view>

namespace minke {

// True for the words of a unit that this file knows, "km" or "hours"; case matters only for single letters.
bool is_known_unit(std::string_view word);
// True for the signs and codes of money: $ € £ ¥ ₹ USD …
bool is_currency(std::string_view token);
// True for a word that cannot be part of a unit: it would change the number ("half", "or", "not").
bool changes_the_number(std::string_view word);
// "hours" → "hour", "$" → "dollar", "apples" → "apple".
std::string unit_name(std::string_view word);
// 10, 20 …: the power of ten of "thousand" or "万"; 0 for other words.
int multiplier_power(std::string_view word);

}  // namespace minke
