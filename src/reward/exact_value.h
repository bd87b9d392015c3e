// Exact values of answers: sums of q · √d · symbols with a fraction q, a whole d and letters such as π or x, and quotients
// of such sums. Two of them are equal or they are not; nothing is rounded. Sizes are bounded, since the text is hostile.
// Tested in tests/reward/math_answer_test.cpp.
#pragma once
#include <gmpxx.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace minke {

// What is too large, divides by zero, or is no real number that can be written so. It does not leave the layer.
struct NoExactValue {
  const char* reason;
};

constexpr size_t kMaxDigits = 1000;   // of a number, and of its power of ten
constexpr size_t kMaxBits = 1 << 14;  // of a numerator or denominator: 1e1000 / 3e-1000 fits
constexpr size_t kMaxTerms = 16;      // of a sum
constexpr unsigned long kMaxPower = 1000;

// "12", "12.50", ".5", "12.", "1.5e-3": digits only, no sign. Throws NoExactValue.
mpq_class exact_number(std::string_view text);
// value · 10^power; |power| ≤ kMaxDigits.
mpq_class times_power_of_ten(const mpq_class& value, long power);

// factor · √radicand · Π symbol^power. No symbol has the power 0; 0 has no symbols and radicand 1.
struct Term {
  mpq_class factor;
  mpz_class radicand = 1;
  std::map<std::string, long> symbols;

  bool is_rational() const { return radicand == 1 && symbols.empty(); }
  bool is_like(const Term& other) const;  // their sum is one term
};
using Sum = std::vector<Term>;  // no two like terms, none 0; empty: 0

class ExactValue {
 public:
  ExactValue() = default;  // 0
  explicit ExactValue(const mpq_class& value);
  static ExactValue symbol(const std::string& name);

  const Sum& numerator() const { return numerator_; }
  bool is_zero() const { return numerator_.empty(); }
  bool is_sum() const { return numerator_.size() > 1 || denominator_.size() > 1; }
  std::optional<mpq_class> rational() const;  // nothing if a root or a symbol is left
  bool has_symbols() const;                   // letters; π and ∞ are none
  bool adds_like_terms(const ExactValue& other) const;
  bool has_root() const;
  bool is_infinite() const;  // ∞ is in it

  // All throw NoExactValue.
  friend ExactValue operator+(const ExactValue& a, const ExactValue& b);
  friend ExactValue operator*(const ExactValue& a, const ExactValue& b);
  friend ExactValue operator/(const ExactValue& a, const ExactValue& b);
  ExactValue operator-() const;
  ExactValue power(long exponent) const;
  ExactValue square_root() const;

  // False also where the comparison would exceed the bounds.
  bool equals(const ExactValue& other) const;

 private:
  Sum numerator_, denominator_ = {Term{1, 1, {}}};
};

}  // namespace minke
