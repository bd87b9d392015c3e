#include "reward/math_answer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "reward/units.h"

namespace minke {
namespace {

using Span = std::span<const Token>;
constexpr int kMaxNesting = 8;
constexpr size_t kMaxItems = 64;

// +1 behind an opening bracket, −1 behind a closing one: of any kind, since intervals mix them.
int nesting_step(const Token& t) {
  if (t.is("(") || t.is("[") || t.is("{") || t.is("\\{")) return 1;
  if (t.is(")") || t.is("]") || t.is("}") || t.is("\\}")) return -1;
  return 0;
}

bool is_joining_word(const Token& t) {
  return t.kind == TokenKind::word &&
         (t.text == "or" || t.text == "and" || t.text == "或" || t.text == "和" || t.text == "与" || t.text == "及" ||
          t.text == "Or" || t.text == "OR" || t.text == "And" || t.text == "AND");
}

class Reader {
 public:
  MathAnswer list(Span tokens, bool commas_group, int nesting) const {
    const std::vector<Span> parts = split(tokens, [&](size_t i) {
      if (is_joining_word(tokens[i]) || tokens[i].is(";")) return true;
      return tokens[i].is(",") && !(commas_group && groups_digits(tokens, i));
    });
    std::vector<MathAnswer> items;
    for (const Span part : parts) {
      if (part.empty() && parts.size() > 1) continue;  // ", and"
      if (items.size() == kMaxItems) return {};
      MathAnswer item = element(part, commas_group, nesting);
      if (item.kind == AnswerKind::nothing) return {};
      if (item.kind == AnswerKind::list && item.brackets == "±") {
        for (MathAnswer& each : item.items) items.push_back(std::move(each));
      } else {
        items.push_back(std::move(item));
      }
    }
    if (items.size() == 1 && parts.size() == 1) return std::move(items[0]);
    MathAnswer all{AnswerKind::list};
    all.items = std::move(items);
    return all;
  }

 private:
  // At the tokens outside of brackets for which `ends` holds, which are left out.
  template <class Ends> static std::vector<Span> split(Span tokens, const Ends& ends) {
    std::vector<Span> parts;
    size_t begin = 0;
    int depth = 0;
    for (size_t i = 0; i < tokens.size(); ++i) {
      depth += nesting_step(tokens[i]);
      if (depth != 0 || !ends(i)) continue;
      parts.push_back(tokens.subspan(begin, i - begin));
      begin = i + 1;
    }
    parts.push_back(tokens.subspan(begin));
    return parts;
  }

  static Span trimmed(Span t) {
    while (!t.empty() && (t.back().is(".") || t.back().is(","))) t = t.first(t.size() - 1);
    const auto emphasised = [&] { return t.size() > 2 && t.front().is("*") && t.back().is("*"); };
    while (emphasised()) t = t.subspan(1, t.size() - 2);  // **42**
    while (!t.empty() && t.back().is(".")) t = t.first(t.size() - 1);
    return t;
  }

  static bool encloses(Span t) {  // the first bracket is closed by the last token
    if (t.size() < 2 || nesting_step(t.front()) != 1 || nesting_step(t.back()) != -1) return false;
    int depth = 0;
    for (size_t i = 0; i + 1 < t.size(); ++i)
      if ((depth += nesting_step(t[i])) == 0) return false;
    return true;
  }

  MathAnswer element(Span tokens, bool commas_group, int nesting) const {
    tokens = trimmed(tokens);
    if (tokens.empty() || nesting > kMaxNesting) return {};
    if (const auto chain = equation(tokens, commas_group, nesting)) return *chain;
    const std::vector<Span> united =
        split(tokens, [&](size_t i) { return tokens[i].is("∪") || tokens[i].text == "U"; });
    if (united.size() > 1 && std::all_of(united.begin(), united.end(), encloses)) {
      MathAnswer all{AnswerKind::unions};
      for (const Span part : united) all.items.push_back(element(part, commas_group, nesting + 1));
      return all;
    }
    if (encloses(tokens))
      if (auto inside = bracketed(tokens, nesting)) return *inside;
    const auto is_letter = [](const Token& t) { return t.kind == TokenKind::word && t.text != "π"; };
    const auto letters = std::count_if(tokens.begin(), tokens.end(), is_letter);
    const bool alone = letters == 1 && std::all_of(tokens.begin(), tokens.end(),
                                                   [&](const Token& t) { return is_letter(t) || nesting_step(t); });
    if (!alone)  // "(C)" is a choice
      if (auto number = scalar(tokens, commas_group)) return *number;
    return words(tokens);
  }

  // "x = 5", "3 + 4 = 7", "x ∈ [1, 2]": what stands last, if all that stands before it is a name or has the same value.
  std::optional<MathAnswer> equation(Span tokens, bool commas_group, int nesting) const {
    bool approximate = false;
    const std::vector<Span> sides = split(tokens, [&](size_t i) {
      approximate |= tokens[i].is("≈");
      return tokens[i].is("=") || tokens[i].is("≈") || tokens[i].is("∈");
    });
    if (sides.size() < 2 || sides.size() > 8) return {};
    MathAnswer last = element(sides.back(), commas_group, nesting + 1);
    if (last.kind == AnswerKind::nothing) return words(tokens);
    for (size_t i = 0; i + 1 < sides.size(); ++i) {
      if (i == 0 && (sides[0].empty() || is_name(sides[0]))) continue;
      const auto side = scalar(sides[i], commas_group);
      const bool same = side && last.kind == AnswerKind::number && side->kind == AnswerKind::number &&
                        side->scalar.value.equals(last.scalar.value);
      if (!same && !approximate) return words(tokens);
    }
    last.approximate |= approximate;
    return last;
  }

  // "x", "f(2)", "\text{Area}", "x_1", "(x, y)": digits only as an index or an argument.
  static bool is_name(Span tokens) {
    int depth = 0;
    for (size_t i = 0; i < tokens.size(); ++i) {
      const Token& t = tokens[i];
      depth += nesting_step(t);
      if (t.kind == TokenKind::word && changes_the_number(t.text)) return false;  // "not x = 5"
      const bool index =
          t.kind == TokenKind::number && i > 0 && (tokens[i - 1].is("_") || tokens[0].kind == TokenKind::word);
      if (t.kind == TokenKind::number && !(index && (depth > 0 || tokens[i - 1].is("_")))) return false;
      if (t.kind == TokenKind::symbol && !nesting_step(t) && !t.is("_") && !t.is("'") && !t.is("°") && !t.is(","))
        return false;
    }
    return true;
  }

  std::optional<MathAnswer> bracketed(Span tokens, int nesting) const {
    const std::string open = tokens.front().text, close = tokens.back().text;
    const Span inside = tokens.subspan(1, tokens.size() - 2);
    const bool set = open == "\\{" || open == "{";
    if (set != (close == "\\}" || close == "}")) return {};
    // "{1,000, 2,000}" groups digits, "{100,200}" does not.
    int depth = 0;
    bool spaced = false;
    for (size_t i = 0; i < inside.size(); ++i) {
      depth += nesting_step(inside[i]);
      spaced |= depth == 0 && inside[i].is(",") && i + 1 < inside.size() && inside[i + 1].space_before;
    }
    MathAnswer all{set ? AnswerKind::set : AnswerKind::tuple};
    if (!set) all.brackets = open + close;
    if (inside.empty()) {
      if (set) return all;
      return {};
    }
    MathAnswer content = list(inside, spaced, nesting + 1);
    if (content.kind == AnswerKind::nothing) return {};
    const bool several = content.kind == AnswerKind::list && content.brackets.empty();
    if (!several && open != "\\{" && open != "[") return {};  // (5) is 5, (A) is A
    if (several) all.items = std::move(content.items);
    else all.items.push_back(std::move(content));
    return all;
  }

  std::optional<MathAnswer> scalar(Span tokens, bool commas_group) const {
    MathAnswer number{AnswerKind::number};
    if (std::none_of(tokens.begin(), tokens.end(), [](const Token& t) { return t.is("±"); })) {
      auto value = parse_scalar(tokens, commas_group);
      if (!value) return {};
      number.scalar = std::move(*value);
      return number;
    }
    MathAnswer both{AnswerKind::list};
    both.brackets = "±";
    for (const PlusMinus sign : {PlusMinus::plus, PlusMinus::minus}) {
      auto value = parse_scalar(tokens, commas_group, sign);
      if (!value) return {};
      number.scalar = std::move(*value);
      both.items.push_back(number);
    }
    return both;
  }

  static MathAnswer words(Span tokens) {
    while (encloses(tokens) && (tokens.front().is("(") || tokens.front().is("{")))
      tokens = tokens.subspan(1, tokens.size() - 2);
    MathAnswer answer{AnswerKind::words};
    bool letter_before = false;
    for (const Token& t : tokens) {
      const bool letters = t.kind != TokenKind::symbol;
      if (letters && letter_before && (t.space_before || t.kind == TokenKind::command)) answer.words += ' ';
      if (t.kind == TokenKind::command) answer.words += '\\';
      for (const char c : t.text) answer.words += c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
      letter_before = letters;
    }
    if (answer.words.empty()) answer.kind = AnswerKind::nothing;
    return answer;
  }
};

MathAnswer read(const Tokens& tokens, Commas commas) {
  return Reader().list(tokens.all, commas == Commas::group_digits, 0);
}

std::string form_reason(Form form) {
  return form == Form::arithmetic ? "the arithmetic is not done"
                                  : "right, but a fraction, root or power is not worked out";
}

Comparison compare(const MathAnswer& answer, const MathAnswer& reference);

Comparison compare_numbers(const MathAnswer& a, const MathAnswer& r) {
  if (!a.scalar.value.equals(r.scalar.value)) return {Equal::no, "another value"};
  const bool letters = r.scalar.value.has_symbols();
  if (a.scalar.form > r.scalar.form) {
    if (a.scalar.form == Form::arithmetic && !letters) return {Equal::no, form_reason(a.scalar.form)};
    return {Equal::lenient, form_reason(Form::unreduced)};
  }
  // (x + 1)(x + 2) may have been asked for, and then its expansion is no answer.
  if (letters && a.scalar.form != r.scalar.form) return {Equal::lenient, "the same expression in another form"};
  const std::string &ua = a.scalar.unit, &ur = r.scalar.unit;
  if (!ua.empty() && !ur.empty() && ua != ur) {
    if (a.scalar.known_unit || r.scalar.known_unit) return {Equal::no, "another unit"};
    return {Equal::lenient, "the same number of something else"};
  }
  if (a.approximate && !r.approximate) return {Equal::lenient, "equal, but given as approximate"};
  return {Equal::strict, "equal"};
}

// Pairs each item of one with one of the other.
Comparison compare_in_any_order(const std::vector<MathAnswer>& a, const std::vector<MathAnswer>& r) {
  if (a.size() != r.size()) return {Equal::no, "another number of elements"};
  std::vector<bool> used(r.size());
  Comparison worst{Equal::strict, "equal"};
  for (const MathAnswer& item : a) {
    Comparison best;
    size_t best_at = 0;
    for (size_t i = 0; i < r.size(); ++i) {
      if (used[i]) continue;
      if (Comparison c = compare(item, r[i]); c.equal > best.equal) best = std::move(c), best_at = i;
    }
    if (best.equal == Equal::no) return {Equal::no, "another element"};
    used[best_at] = true;
    if (best.equal < worst.equal) worst = std::move(best);
  }
  return worst;
}

Comparison compare_in_order(const std::vector<MathAnswer>& a, const std::vector<MathAnswer>& r) {
  if (a.size() != r.size()) return {Equal::no, "another number of elements"};
  Comparison worst{Equal::strict, "equal"};
  for (size_t i = 0; i < a.size(); ++i) {
    Comparison c = compare(a[i], r[i]);
    if (c.equal == Equal::no) return {Equal::no, "another element"};
    if (c.equal < worst.equal) worst = std::move(c);
  }
  return worst;
}

std::vector<MathAnswer> without_repetition(const std::vector<MathAnswer>& items) {
  std::vector<MathAnswer> once;
  for (const MathAnswer& item : items)
    if (std::none_of(once.begin(), once.end(),
                     [&](const MathAnswer& o) { return compare(item, o).equal == Equal::strict; }))
      once.push_back(item);
  return once;
}

Comparison at_most_lenient(Comparison c) {
  if (c.equal == Equal::strict) c = {Equal::lenient, "equal, but in other brackets"};
  return c;
}

Comparison compare(const MathAnswer& a, const MathAnswer& r) {
  using enum AnswerKind;
  if (a.kind == nothing || r.kind == nothing) return {Equal::no, "no answer"};
  const auto kinds = [&](AnswerKind x, AnswerKind y) { return a.kind == x && r.kind == y; };
  if (kinds(number, number)) return compare_numbers(a, r);
  if (kinds(words, words))
    return a.words == r.words ? Comparison{Equal::strict, "equal"} : Comparison{Equal::no, "other words"};
  if (kinds(number, words) || kinds(words, number))
    return {Equal::no, a.kind == words ? "no number" : "another kind of answer"};
  if (kinds(list, list) || kinds(unions, unions)) return compare_in_any_order(a.items, r.items);
  if (kinds(set, set) || kinds(list, set) || kinds(set, list)) {
    if (a.items.size() > kMaxItems || r.items.size() > kMaxItems) return {Equal::no, "too many elements"};
    return compare_in_any_order(without_repetition(a.items), without_repetition(r.items));
  }
  if (kinds(tuple, tuple) && a.brackets == r.brackets) return compare_in_order(a.items, r.items);
  if ((kinds(tuple, list) && a.brackets == "()") || (kinds(list, tuple) && r.brackets == "()"))
    return at_most_lenient(compare_in_order(a.items, r.items));
  if ((a.kind == set || (a.kind == tuple && a.brackets == "[]")) && a.items.size() == 1 &&
      (r.kind == number || r.kind == words))
    return at_most_lenient(compare(a.items[0], r));
  if ((r.kind == set || (r.kind == tuple && r.brackets == "[]")) && r.items.size() == 1 &&
      (a.kind == number || a.kind == words))
    return at_most_lenient(compare(a, r.items[0]));
  return {Equal::no, a.kind == list ? "several answers" : "another kind of answer"};
}

}  // namespace

MathAnswer parse_math_answer(std::string_view text, Commas commas) { return read(tokens_of(text), commas); }

Comparison compare_math(std::string_view answer, std::string_view reference) {
  if (answer.size() > kMaxAnswerBytes) return {Equal::no, "the answer is too long"};
  if (is_blank_text(answer)) return {Equal::no, "the answer is empty"};
  if (reference.size() > kMaxAnswerBytes) return {Equal::no, "the reference is too long"};
  if (is_blank_text(reference)) return {Equal::no, "the reference is empty"};
  const Tokens theirs = tokens_of(answer), ours = tokens_of(reference);
  if (theirs.unreadable) return {Equal::no, "the answer has characters that cannot be read"};
  const MathAnswer right = read(ours, Commas::group_digits);
  Comparison c = compare(read(theirs, Commas::group_digits), right);
  if (c.equal == Equal::no && right.kind == AnswerKind::list)
    if (Comparison again = compare(read(theirs, Commas::separate), right); again.equal != Equal::no)
      c = std::move(again);
  if (c.equal == Equal::strict && theirs.invisible) return {Equal::lenient, "equal, but with invisible characters"};
  return c;
}

}  // namespace minke
