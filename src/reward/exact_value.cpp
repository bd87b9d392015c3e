#include "reward/exact_value.h"

#include <algorithm>

namespace minke {
namespace {

void check_size(const mpq_class& q) {
  if (mpz_sizeinbase(q.get_num_mpz_t(), 2) > kMaxBits || mpz_sizeinbase(q.get_den_mpz_t(), 2) > kMaxBits)
    throw NoExactValue{"a number is too large"};
}

bool is_square(const mpz_class& n) { return mpz_perfect_square_p(n.get_mpz_t()) != 0; }

mpz_class power_of_ten(unsigned long power) {
  mpz_class n;
  mpz_ui_pow_ui(n.get_mpz_t(), 10, power);
  return n;
}

mpq_class quotient(const mpz_class& a, const mpz_class& b) {
  mpq_class q(a, b);
  q.canonicalize();
  check_size(q);
  return q;
}

// √a with a's square class kept: √(a / b²-free part) is not looked for, since factoring is slow. Only perfect squares go.
Term reduced(Term t) {
  if (t.factor == 0) return {};
  if (t.radicand != 1 && is_square(t.radicand)) {
    t.factor *= mpq_class(sqrt(t.radicand));
    t.radicand = 1;
  }
  check_size(t.factor);
  if (mpz_sizeinbase(t.radicand.get_mpz_t(), 2) > kMaxBits) throw NoExactValue{"a root is too large"};
  return t;
}

void add_to(Sum& sum, Term t) {
  if (t.factor == 0) return;
  const auto like = std::find_if(sum.begin(), sum.end(), [&](const Term& s) { return s.is_like(t); });
  if (like == sum.end()) {
    if (sum.size() == kMaxTerms) throw NoExactValue{"too many terms"};
    sum.push_back(std::move(t));
    return;
  }
  // √b = √(ab) / a · √a
  like->factor += t.radicand == like->radicand
                      ? t.factor
                      : t.factor * quotient(sqrt(mpz_class(t.radicand * like->radicand)), like->radicand);
  check_size(like->factor);
  if (like->factor == 0) sum.erase(like);
}

Term product(const Term& a, const Term& b) {
  Term t{a.factor * b.factor, a.radicand * b.radicand, a.symbols};
  for (const auto& [name, power] : b.symbols) {
    long& p = t.symbols[name];
    p += power;
    if (std::abs(p) > long(kMaxPower)) throw NoExactValue{"a power is too large"};
    if (p == 0) t.symbols.erase(name);
  }
  return reduced(std::move(t));
}

Sum product(const Sum& a, const Sum& b) {
  Sum sum;
  for (const Term& x : a)
    for (const Term& y : b) add_to(sum, product(x, y));
  return sum;
}

Sum total(Sum a, const Sum& b) {
  for (const Term& t : b) add_to(a, t);
  return a;
}

Sum negated(Sum a) {
  for (Term& t : a) t.factor = -t.factor;
  return a;
}

Term inverse(const Term& t) {  // 1/√d = √d / d
  Term i{1 / (t.factor * mpq_class(t.radicand)), t.radicand, t.symbols};
  for (auto& [name, power] : i.symbols) power = -power;
  return reduced(std::move(i));
}

}  // namespace

mpq_class exact_number(std::string_view text) {
  std::string digits;
  long power = 0;
  bool after_point = false;
  size_t i = 0;
  for (; i < text.size() && text[i] != 'e' && text[i] != 'E'; ++i) {
    if (text[i] == '.') {
      after_point = true;
      continue;
    }
    digits += text[i];
    power -= after_point;
  }
  if (digits.empty() || digits.size() > kMaxDigits) throw NoExactValue{"a number has too many digits"};
  if (i < text.size()) {
    const bool negative = text[++i] == '-';
    if (text[i] == '-' || text[i] == '+') ++i;
    long written = 0;
    for (; i < text.size() && written <= long(kMaxDigits); ++i) written = 10 * written + (text[i] - '0');
    power += negative ? -written : written;
  }
  return times_power_of_ten(mpq_class(mpz_class(digits, 10)), power);
}

mpq_class times_power_of_ten(const mpq_class& value, long power) {
  if (std::abs(power) > long(kMaxDigits)) throw NoExactValue{"a power of ten is too large"};
  const mpq_class ten(power_of_ten(static_cast<unsigned long>(std::abs(power))));
  mpq_class result = value;
  if (power < 0) result /= ten;
  else result *= ten;
  check_size(result);
  return result;
}

bool Term::is_like(const Term& other) const {
  return symbols == other.symbols && (radicand == other.radicand || is_square(mpz_class(radicand * other.radicand)));
}

ExactValue::ExactValue(const mpq_class& value) {
  if (value != 0) numerator_.push_back({value, 1, {}});
}

ExactValue ExactValue::symbol(const std::string& name) {
  ExactValue v;
  v.numerator_.push_back({1, 1, {{name, 1}}});
  return v;
}

std::optional<mpq_class> ExactValue::rational() const {
  if (denominator_.size() != 1 || !denominator_[0].is_rational()) return {};
  if (numerator_.empty()) return mpq_class(0);
  if (numerator_.size() != 1 || !numerator_[0].is_rational()) return {};
  return numerator_[0].factor / denominator_[0].factor;
}

bool ExactValue::has_symbols() const {
  for (const Sum* sum : {&numerator_, &denominator_})
    for (const Term& t : *sum)
      for (const auto& [name, power] : t.symbols)
        if (name != "π" && name != "∞") return true;
  return false;
}

bool ExactValue::has_root() const {
  for (const Sum* sum : {&numerator_, &denominator_})
    for (const Term& t : *sum)
      if (t.radicand != 1) return true;
  return false;
}

bool ExactValue::is_infinite() const {
  for (const Sum* sum : {&numerator_, &denominator_})
    for (const Term& t : *sum)
      if (t.symbols.count("∞")) return true;
  return false;
}

bool ExactValue::adds_like_terms(const ExactValue& other) const {
  for (const Term& a : numerator_)
    for (const Term& b : other.numerator_)
      if (a.is_like(b)) return true;
  return false;
}

ExactValue operator+(const ExactValue& a, const ExactValue& b) {
  ExactValue v;
  v.numerator_ = total(product(a.numerator_, b.denominator_), product(b.numerator_, a.denominator_));
  v.denominator_ = product(a.denominator_, b.denominator_);
  return v;
}

ExactValue operator*(const ExactValue& a, const ExactValue& b) {
  ExactValue v;
  v.numerator_ = product(a.numerator_, b.numerator_);
  v.denominator_ = product(a.denominator_, b.denominator_);
  return v;
}

ExactValue operator/(const ExactValue& a, const ExactValue& b) {
  if (b.is_zero()) throw NoExactValue{"division by zero"};
  ExactValue v;
  v.numerator_ = product(a.numerator_, b.denominator_);
  // A denominator of one term goes into the numerator, so that most values have the denominator 1.
  if (b.numerator_.size() == 1) {
    v.numerator_ = product(v.numerator_, Sum{inverse(b.numerator_[0])});
    v.denominator_ = a.denominator_;
  } else {
    v.denominator_ = product(a.denominator_, b.numerator_);
  }
  return v;
}

ExactValue ExactValue::operator-() const {
  ExactValue v = *this;
  v.numerator_ = negated(std::move(v.numerator_));
  return v;
}

ExactValue ExactValue::power(long exponent) const {
  if (std::abs(exponent) > (is_sum() ? 32 : long(kMaxPower))) throw NoExactValue{"a power is too large"};
  if (exponent < 0) return ExactValue(1) / power(-exponent);
  if (exponent == 0 && is_zero()) throw NoExactValue{"0 to the power 0"};
  ExactValue v(1);
  for (long i = 0; i < exponent; ++i) v = v * *this;
  return v;
}

ExactValue ExactValue::square_root() const {
  const std::optional<mpq_class> q = rational();
  if (!q || *q < 0) throw NoExactValue{"the root of something that is no positive number"};
  ExactValue v;
  // √(a/b) = √(ab) / b
  if (*q != 0) v.numerator_ = {reduced({mpq_class(1, q->get_den()), q->get_num() * q->get_den(), {}})};
  return v;
}

bool ExactValue::equals(const ExactValue& other) const {
  try {
    return total(product(numerator_, other.denominator_), negated(product(other.numerator_, denominator_))).empty();
  } catch (const NoExactValue&) {
    return false;
  }
}

}  // namespace minke
