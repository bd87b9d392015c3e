#include "reward/scalar.h"

#include <algorithm>

#include "reward/units.h"

namespace minke {
namespace {

constexpr int kMaxDepth = 64;
constexpr int kMaxUnitWords = 6;

struct Operand {
  ExactValue value;
  Form form = Form::plain;
  bool fraction = false;  // not a whole literal: a quotient of it is a fraction in a fraction
};

bool is_whole_literal(const Token& t) {
  return t.kind == TokenKind::number && t.text.find_first_not_of("0123456789") == std::string::npos;
}
bool is_three_digits(const Token& t) {
  return t.kind == TokenKind::number && t.text.size() >= 3 && t.text.find_first_not_of("0123456789") >= 3 &&
         (t.text.size() == 3 || t.text[3] == '.');
}
bool begins_a_group(const Token& t) { return is_whole_literal(t) && t.text.size() <= 3 && t.text[0] != '0'; }

// Recursive descent. A token that cannot continue the expression ends it: a unit may follow.
class Parser {
 public:
  Parser(std::span<const Token> tokens, bool commas_group_digits, PlusMinus plus_minus)
      : tokens_(tokens), commas_(commas_group_digits), plus_minus_(plus_minus) {}

  Scalar whole() {
    Scalar scalar;
    const bool negative = currency(scalar);
    Operand all = sum();
    if (negative) all.value = -all.value;
    multiplier(all);
    scalar.value = all.value;
    scalar.form = all.form;
    unit(scalar);
    return scalar;
  }

 private:
  [[noreturn]] static void fail() { throw NoExactValue{"no number"}; }
  bool ends() const { return at_ >= tokens_.size(); }
  const Token* here(size_t ahead = 0) const { return at_ + ahead < tokens_.size() ? &tokens_[at_ + ahead] : nullptr; }
  bool at(std::string_view symbol, size_t ahead = 0) const { return here(ahead) && here(ahead)->is(symbol); }
  bool at_number(size_t ahead = 0) const { return here(ahead) && here(ahead)->kind == TokenKind::number; }
  bool take(std::string_view symbol) {
    if (!at(symbol)) return false;
    ++at_;
    return true;
  }
  void expect(std::string_view symbol) {
    if (!take(symbol)) fail();
  }

  // "$5", "-$5", "USD 5": true if a sign was before it.
  bool currency(Scalar& scalar) {
    const size_t sign = at("-") || at("+") ? 1 : 0;
    if (!here(sign) || !is_currency(here(sign)->text)) return false;
    const bool negative = at("-");
    at_ += sign;
    scalar.unit = unit_name(here()->text);
    scalar.known_unit = true;
    const bool dotted = here()->text == "Rs";
    ++at_;
    if (scalar.unit == "dollar") take("$");  // US$
    if (dotted) take(".");
    if (sign && (at("-") || at("+"))) fail();
    return negative;
  }

  Operand sum() {
    if (++depth_ > kMaxDepth) fail();
    const bool negative = at("-");
    bool chosen = false;  // ±3
    if (at("-") || at("+")) ++at_;
    else if (plus_minus_ != PlusMinus::none && at("±")) chosen = true, ++at_;
    Operand all = product();
    if (negative && all.value.rational() && *all.value.rational() < 0)
      all.form = std::max(all.form, Form::unreduced);  // −(−3)
    if (negative || (chosen && plus_minus_ == PlusMinus::minus)) all.value = -all.value;
    while (at("+") || at("-") || (plus_minus_ != PlusMinus::none && at("±"))) {
      const bool minus = at("-") || (at("±") && plus_minus_ == PlusMinus::minus);
      ++at_;
      Operand next = product();
      all.form = std::max(all.form, next.form);
      const bool numbers = all.value.rational() && next.value.rational();
      const bool nothing = all.value.is_zero() || next.value.is_zero();
      if (numbers || nothing || all.value.adds_like_terms(next.value)) all.form = Form::arithmetic;
      finite(all, next);
      all.value = all.value + (minus ? -next.value : next.value);
      all.fraction = true;
    }
    --depth_;
    return all;
  }

  Operand product() {
    const size_t begin = at_;
    Operand all = power();
    for (;;) {
      if (at_ == begin + 1 && scientific(all)) continue;
      if (take("*")) {
        all = times(all, power());
      } else if (take("/")) {
        all = over(all, power());
      } else if (begins_factor()) {
        all = times(all, power());
      } else {
        return all;
      }
    }
  }

  // "1.5 · 10^3", "1.5 x 10^{-3}".
  bool scientific(Operand& mantissa) {
    const bool sign = at("*") || (here() && (here()->text == "x" || here()->text == "X"));
    if (!sign || !at_number(1) || here(1)->text != "10" || !at("^", 2)) return false;
    at_ += 3;
    const bool braces = take("{");
    const bool negative = at("-");
    if (at("-") || at("+")) ++at_;
    if (!at_number() || !is_whole_literal(*here()) || here()->text.size() > 4) fail();
    const long exponent = std::stol(here()->text);
    ++at_;
    if (braces) expect("}");
    const auto q = mantissa.value.rational();
    if (!q) fail();
    mantissa.value = ExactValue(times_power_of_ten(*q, negative ? -exponent : exponent));
    return true;
  }

  // ∞ has a sign, and nothing is computed with it.
  static void finite(const Operand& a, const Operand& b) {
    if (a.value.is_infinite() || b.value.is_infinite()) throw NoExactValue{"arithmetic with ∞"};
  }

  static Operand times(const Operand& a, const Operand& b) {
    finite(a, b);
    Operand p{a.value * b.value, std::max(a.form, b.form), true};
    const auto qa = a.value.rational(), qb = b.value.rational();
    // 2 · 3, 2 · 3√2 and √2 · 1, but not 2 · √2
    const auto has_factor = [](const ExactValue& v) {
      return !v.is_sum() && v.numerator().size() == 1 && v.numerator()[0].factor != 1;
    };
    if ((qa && (qb || *qa == 1 || has_factor(b.value))) || (qb && (*qb == 1 || has_factor(a.value)))) {
      p.form = Form::arithmetic;
    } else if ((a.value.has_root() && b.value.has_root()) || (a.value.is_sum() && b.value.has_symbols()) ||
               (b.value.is_sum() && a.value.has_symbols())) {
      p.form = std::max(p.form, Form::unreduced);
    }
    return p;
  }

  static Operand over(const Operand& a, const Operand& b) {
    finite(a, b);
    Operand q{a.value / b.value, std::max(a.form, b.form), true};
    const auto value = q.value.rational();
    const auto by = b.value.rational();
    if ((by && *by == 1) || (value && (value->get_den() == 1 || a.fraction || b.fraction)) ||
        (b.value.has_symbols() && a.value.has_symbols()))
      q.form = std::max(q.form, Form::unreduced);
    return q;
  }

  Operand power() {
    if (++depth_ > kMaxDepth) fail();
    Operand base = atom();
    if (take("^")) {
      const Operand exponent = exponent_of();
      const auto n = exponent.value.rational();
      if (!n || n->get_den() != 1 || abs(n->get_num()) > kMaxPower) fail();
      finite(base, exponent);
      if (*n == 0 || *n == 1) base.form = Form::arithmetic;  // x^0
      const bool letter = base.value.has_symbols() && !base.value.is_sum();
      if (!letter || exponent.form != Form::plain) {
        const bool pi = !base.value.rational() && !base.value.is_sum() && !base.value.has_root();
        if (!pi) base.form = std::max(base.form, Form::unreduced);
      }
      base.value = base.value.power(n->get_num().get_si());
      base.fraction = true;
    }
    if (at("%") || at("‰") || percent_word()) {
      base.value = base.value / ExactValue(at("‰") ? 1000 : 100);
      base.fraction = true;
      ++at_;
    }
    --depth_;
    return base;
  }

  bool percent_word() {
    if (!here() || here()->kind != TokenKind::word) return false;
    if (here()->text == "percent" && !(here(1) && here(1)->text == "points")) return true;
    if (here()->text != "per" || !here(1) || here(1)->text != "cent") return false;
    ++at_;
    return true;
  }

  Operand exponent_of() {
    if (take("{")) {
      Operand e = sum();
      expect("}");
      return e;
    }
    if (take("(")) {
      Operand e = sum();
      expect(")");
      return e;
    }
    const bool negative = take("-");
    if (!at_number()) fail();
    Operand e = number();
    if (negative) e.value = -e.value;
    return e;
  }

  Operand atom() {
    if (ends()) fail();
    if (at_number()) return number();
    for (const auto& [open, close] : {std::pair{"(", ")"}, {"{", "}"}, {"[", "]"}})
      if (take(open)) {
        Operand inner = sum();
        expect(close);
        return inner;
      }
    if (take("√") || (here()->text == "sqrt" && ++at_)) return root();
    if (here()->is_command("frac")) return ++at_, fraction();
    if (take("∞")) return {ExactValue::symbol("∞")};
    return letter();
  }

  Operand letter() {
    static constexpr std::string_view kGreek[] = {"alpha", "beta", "gamma", "theta", "lambda",
                                                  "mu",    "phi",  "omega", "sigma"};
    const Token& t = *here();
    if (t.kind == TokenKind::command && std::find(std::begin(kGreek), std::end(kGreek), t.text) != std::end(kGreek)) {
      ++at_;
      return {ExactValue::symbol("\\" + t.text)};
    }
    if (t.kind != TokenKind::word || t.in_text) fail();
    if (t.text == "inf" || t.text == "infinity") return ++at_, Operand{ExactValue::symbol("∞")};
    if (t.text == "π" || t.text.size() == 1) return ++at_, Operand{ExactValue::symbol(t.text)};
    // "2ab" is a product; a word that begins is text.
    if (t.text.size() > 3 || at_ == 0 || (t.space_before && tokens_[at_ - 1].kind != TokenKind::number)) fail();
    Operand all{ExactValue(1)};
    for (const char c : t.text) {
      if (c < 'A') fail();
      all.value = all.value * ExactValue::symbol(std::string(1, c));
    }
    ++at_;
    return all;
  }

  // Whether a factor follows without a sign: "2√3", "2x", "2(1 + √3)"; not what begins a unit, and no number.
  bool begins_factor() const {
    if (ends()) return false;
    const Token& t = *here();
    if (t.is("(") || t.is("√") || t.is("{") || t.is("∞") || t.is_command("frac")) return true;
    if (t.kind == TokenKind::command) return true;  // a Greek letter, or no number at all
    return t.kind == TokenKind::word && !begins_unit(t);
  }

  bool begins_unit(const Token& t) const {
    if (t.in_text) return true;
    if (t.text == "π" || t.text == "sqrt") return false;
    if (t.text.size() == 1) {
      const Token* next = here(1);
      return t.space_before && is_known_unit(t.text) && tokens_[at_ - 1].kind == TokenKind::number &&
             (!next || next->is("/") || next->is("^") || next->is("."));
    }
    if (is_known_unit(t.text) || multiplier_power(t.text) || t.text.size() >= 4 || (t.text[0] & 0x80)) return true;
    return t.text.size() == 3 && t.space_before && t.text.find_first_of("aeiou") != std::string::npos;
  }

  Operand root() {
    if (at("[")) {  // \sqrt[3]{8}: only a perfect power has an exact value here
      ++at_;
      if (!at_number() || !is_whole_literal(*here()) || here()->text.size() > 2) fail();
      const unsigned long n = std::stoul(here()->text);
      ++at_;
      expect("]");
      return nth_root(argument().value, n);
    }
    const Operand of = argument();
    Operand r{of.value.square_root(), of.form, true};
    if (r.value.rational()) r.form = std::max(r.form, Form::unreduced);
    return r;
  }

  static Operand nth_root(const ExactValue& of, unsigned long n) {
    if (n < 2) fail();
    const auto q = of.rational();
    if (!q || (*q < 0 && n % 2 == 0)) fail();
    mpq_class r;
    mpz_class* const parts[] = {&r.get_num(), &r.get_den()};
    const mpz_class* const from[] = {&q->get_num(), &q->get_den()};
    bool exact = true;
    for (int i = 0; i < 2; ++i) exact &= mpz_root(parts[i]->get_mpz_t(), from[i]->get_mpz_t(), n) != 0;
    if (exact) return {ExactValue(r), Form::unreduced, true};
    return {ExactValue::symbol("root " + std::to_string(n) + " of " + q->get_str()), Form::plain, true};
  }

  // Of \frac or \sqrt: {…}, (…), one digit or one letter.
  Operand argument() {
    if (++depth_ > kMaxDepth) fail();
    Operand a;
    if (take("{")) {
      a = sum();
      expect("}");
    } else if (take("(")) {
      a = sum();
      expect(")");
    } else if (at_number()) {
      if (!tokens_[at_ - 1].is("√") && here()->text.size() != 1) fail();  // "√12", but \\frac1{2}
      a.value = ExactValue(exact_number(here()->text));
      ++at_;
    } else if (here() && here()->kind == TokenKind::word && here()->text.size() <= 2) {
      a = letter();
    } else {
      fail();
    }
    --depth_;
    return a;
  }

  Operand fraction() {
    if (at_number() && here()->text.size() == 2 && is_whole_literal(*here())) {  // \frac12
      const std::string digits = here()->text;
      ++at_;
      return over({ExactValue(digits[0] - '0')}, {ExactValue(digits[1] - '0')});
    }
    const Operand above = argument();
    return over(above, argument());
  }

  Operand number() {
    std::string digits = here()->text;
    const bool whole = begins_a_group(*here());
    ++at_;
    while (whole && at(",") && commas_ && groups_digits(tokens_, at_)) {
      digits += here(1)->text;
      at_ += 2;
    }
    // 1 000 000; the group must not be the numerator of 1 000/3
    while (whole && here() && here()->space_before && is_three_digits(*here()) && !at("/", 1))
      digits += here()->text, ++at_;
    if (at(".") && here(1) && here(1)->is_command("overline")) digits += '.', ++at_;  // 0.\overline{3}
    Operand n{ExactValue(exact_number(digits))};
    n.fraction = !n.value.is_zero() && n.value.rational()->get_den() != 1;
    if (here() && here()->is_command("overline")) return repeating(digits);
    return mixed(std::move(n), whole || is_whole_literal(tokens_[at_ - 1]));
  }

  // 1 1/2 and 1\frac{1}{2}: one and a half.
  Operand mixed(Operand n, bool whole) {
    if (!whole || ends()) return n;
    mpq_class part;
    if (here()->is_command("frac")) {
      ++at_;
      const Operand f = fraction();
      const auto q = f.value.rational();
      if (!q || f.form != Form::plain) fail();
      part = *q;
    } else if (at_number() && here()->space_before && is_whole_literal(*here()) && at("/", 1) && at_number(2) &&
               is_whole_literal(*here(2))) {
      const mpq_class above = exact_number(here()->text), below = exact_number(here(2)->text);
      if (below == 0) fail();
      part = above / below;
      at_ += 3;
    } else {
      return n;
    }
    if (part <= 0 || part >= 1) fail();
    return {n.value + ExactValue(part), Form::plain, true};
  }

  // 0.1\overline{6}
  Operand repeating(const std::string& before) {
    std::string digits = before;
    if (digits.find_first_of("eE") != std::string::npos || digits.find('.') == std::string::npos) fail();
    ++at_;
    expect("{");
    if (!at_number() || !is_whole_literal(*here())) fail();
    const std::string period = here()->text;
    ++at_;
    expect("}");
    const long decimals = long(digits.size() - digits.find('.') - 1);
    mpq_class nines = times_power_of_ten(1, long(period.size())) - 1;
    const mpq_class tail = times_power_of_ten(exact_number(period) / nines, -decimals);
    return {ExactValue(exact_number(digits) + tail), Form::plain, true};
  }

  void multiplier(Operand& all) {
    while (here() && here()->kind == TokenKind::word && multiplier_power(here()->text)) {
      const auto q = all.value.rational();
      if (!q) fail();
      all.value = ExactValue(times_power_of_ten(*q, multiplier_power(here()->text)));
      ++at_;
    }
    if (here() && here()->text == "dozen") {
      all.value = all.value * ExactValue(12);
      ++at_;
    }
  }

  static bool is_metric_word(const Token* t) {
    static constexpr std::string_view kMetric[] = {"米", "克", "瓦", "卡", "升", "帕"};
    return t && std::find(std::begin(kMetric), std::end(kMetric), t->text) != std::end(kMetric);
  }

  // Words, "/", "^2" and abbreviations' points up to the end.
  void unit(Scalar& scalar) {
    std::string name;
    for (int words = 0; !ends(); ++at_) {
      const Token& t = *here();
      if ((t.text == "千" || t.text == "百") && !is_metric_word(here(1))) fail();  // 5千 is 5000, 5千米 is 5 km
      if (t.is("°") || t.is("℃") || is_currency(t.text) || (t.kind == TokenKind::word && !changes_the_number(t.text))) {
        if (++words > kMaxUnitWords) fail();
        scalar.known_unit |= is_known_unit(t.text);
        const bool joined = !name.empty() && (t.text[0] & 0x80) && !is_known_unit(t.text);
        if (!name.empty() && !joined) name += ' ';
        name += unit_name(t.text);
      } else if (t.is("^") && !name.empty() && at_number(1)) {
        name.append("^").append(here(1)->text);
        ++at_;
      } else if (t.is("^") && !name.empty() && at("{", 1) && at_number(2) && at("}", 3)) {
        name.append("^").append(here(2)->text);
        at_ += 3;
      } else if ((t.is("/") || t.is("-") || t.is("*")) && !name.empty() && here(1) &&
                 here(1)->kind == TokenKind::word) {
        name += " /";
      } else if (!t.is(".") || name.empty()) {
        fail();
      }
    }
    if (scalar.unit.empty() || name.empty()) scalar.unit += name;
    else if (scalar.unit != name) scalar.unit.append(" ").append(name);
  }

  std::span<const Token> tokens_;
  const bool commas_;
  const PlusMinus plus_minus_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

bool groups_digits(std::span<const Token> tokens, size_t comma) {
  const auto is_tight_comma = [&](size_t i) { return tokens[i].is(",") && !tokens[i].space_before; };
  if (comma == 0 || comma + 1 >= tokens.size() || !is_tight_comma(comma)) return false;
  if (tokens[comma + 1].space_before || !is_three_digits(tokens[comma + 1])) return false;
  size_t first = comma - 1;
  while (first >= 2 && is_three_digits(tokens[first]) && !tokens[first].space_before && is_tight_comma(first - 1) &&
         is_whole_literal(tokens[first]))
    first -= 2;
  // In "1,2,345" nothing is a group.
  const bool is_listed = first >= 2 && !tokens[first].space_before && is_tight_comma(first - 1);
  return begins_a_group(tokens[first]) && !is_listed;
}

std::optional<Scalar> parse_scalar(std::span<const Token> tokens, bool commas_group_digits, PlusMinus plus_minus) {
  try {
    return Parser(tokens, commas_group_digits, plus_minus).whole();
  } catch (const NoExactValue&) {
    return {};
  }
}

}  // namespace minke
