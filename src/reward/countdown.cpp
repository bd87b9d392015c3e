// grade_countdown of grade.h. Tested in tests/reward/countdown_test.cpp.
#include <fmt/format.h>
#include <gmpxx.h>

#include <algorithm>
#include <span>

#include "reward/grade.h"
#include "reward/tokens.h"

namespace minke {
namespace {

struct NoExpression {
  std::string reason;
};

// Recursive descent over an expression that may only use the given numbers: there are at most as many operations, so the
// value is bounded, too.
class Expression {
 public:
  Expression(std::span<const Token> tokens, const CountdownTask& task, bool letter_x)
      : tokens_(tokens), unused_(task.numbers), letter_x_(letter_x) {}

  mpq_class value() {
    const mpq_class v = sum();
    if (at_ < tokens_.size()) fail(fmt::format("\"{}\" is not expected", printable(tokens_[at_].text)));
    if (!unused_.empty()) fail(fmt::format("{} is not used", unused_.front()));
    return v;
  }

 private:
  [[noreturn]] static void fail(std::string reason) { throw NoExpression{std::move(reason)}; }
  const Token* here() const { return at_ < tokens_.size() ? &tokens_[at_] : nullptr; }
  bool take(std::string_view symbol) {
    if (!here() || !here()->is(symbol)) return false;
    ++at_;
    return true;
  }
  bool take_times() {
    if (take("*")) return true;
    if (!letter_x_ || !here() || (here()->text != "x" && here()->text != "X")) return false;
    ++at_;
    return true;
  }

  mpq_class sum() {
    mpq_class v = product();
    for (;;) {
      if (take("+")) v += product();
      else if (take("-")) v -= product();
      else return v;
    }
  }

  mpq_class product() {
    mpq_class v = operand();
    for (;;) {
      if (take_times()) v *= operand();
      else if (take("/")) divide(v, operand());
      else return v;
    }
  }

  static void divide(mpq_class& v, const mpq_class& by) {
    if (by == 0) fail("division by zero");
    v /= by;
  }

  mpq_class inside(std::string_view open, std::string_view close) {
    constexpr int kMaxDepth = 64;
    if (!take(open)) fail(fmt::format("\"{}\" is missing", open));
    if (++depth_ > kMaxDepth) fail("nested too deeply");
    mpq_class v = sum();
    if (!take(close)) fail(fmt::format("\"{}\" is missing", close));
    --depth_;
    return v;
  }

  mpq_class operand() {
    const Token* t = here();
    if (!t) fail("the expression ends too early");
    if (t->is("(")) return inside("(", ")");
    if (t->is_command("frac")) {
      ++at_;
      mpq_class v = inside("{", "}");
      divide(v, inside("{", "}"));
      return v;
    }
    if (t->kind != TokenKind::number) fail(fmt::format("\"{}\" where a number is expected", printable(t->text)));
    ++at_;
    return number(t->text);
  }

  mpq_class number(const std::string& text) {
    const bool written_so =
        text.size() <= 13 && text.find_first_not_of("0123456789") == text.npos && (text == "0" || text[0] != '0');
    const auto given = written_so ? std::find(unused_.begin(), unused_.end(), std::stol(text)) : unused_.end();
    if (given == unused_.end()) fail(fmt::format("{} is not given, or used once more", printable(text.substr(0, 20))));
    unused_.erase(given);
    return mpq_class(mpz_class(text, 10));
  }

  std::span<const Token> tokens_;
  std::vector<long> unused_;
  const bool letter_x_;
  size_t at_ = 0;
  int depth_ = 0;
};

// The text behind the last phrase, or the last line, where nothing is marked.
std::string_view unmarked(std::string_view rest) {
  rest = trimmed(rest);
  if (const size_t newline = rest.rfind('\n'); newline != rest.npos) rest.remove_prefix(newline + 1);
  for (const std::string_view phrase : {"####", "is", ":", "answer"})
    if (const size_t at = rest.rfind(phrase); at != rest.npos) rest.remove_prefix(at + phrase.size());
  return trimmed(rest);
}

// Strict: the expression, then perhaps "= target". Lenient: also "target = expression", "x" for times, a full stop.
void check_expression(std::span<const Token> tokens, const CountdownTask& task, bool lenient) {
  if (lenient)
    while (!tokens.empty() && (tokens.back().is(".") || tokens.back().is("。")))
      tokens = tokens.first(tokens.size() - 1);
  const auto is_equals = [](const Token& t) { return t.is("="); };
  const auto equals = std::find_if(tokens.begin(), tokens.end(), is_equals);
  std::span<const Token> left = tokens.first(size_t(equals - tokens.begin())), right;
  if (equals != tokens.end()) {
    right = tokens.subspan(left.size() + 1);
    if (std::any_of(right.begin(), right.end(), is_equals)) throw NoExpression{"more than one ="};
    const auto is_target = [&](std::span<const Token> side) {
      const size_t sign = task.target < 0 ? 1 : 0;
      return side.size() == sign + 1 && (!sign || side[0].is("-")) &&
             side[sign].text == std::to_string(std::abs(task.target));
    };
    if (lenient && is_target(left) && !is_target(right)) std::swap(left, right);
    if (!is_target(right)) throw NoExpression{"the right side is not the target"};
  }
  if (left.size() == 1) {
    // The target alone, where it is no given number, gets a better message than "not given".
    if (left[0].text == std::to_string(task.target) && (task.numbers.size() != 1 || task.numbers[0] != task.target))
      throw NoExpression{"the target, no expression"};
  }
  const mpq_class value = Expression(left, task, lenient).value();
  if (value != mpq_class(mpz_class(task.target))) {
    const std::string text = value.get_str();
    throw NoExpression{fmt::format("its value is {}, not {}", text.size() < 40 ? text : "another", task.target)};
  }
}

}  // namespace

Grade grade_countdown(std::string_view response, const CountdownTask& task, Thought thought) {
  const ResponseParts parts = parts_of(response, thought);
  if (!parts.thought_ended) return {0, 0, "the thought has no end"};
  MarkedAnswer answer = marked_answer(parts.rest);
  if (answer.mark == Mark::hedge) return {0, 0, answer.reason};
  if (answer.mark == Mark::none) answer = {Mark::careless, unmarked(parts.rest), "right, but not marked as the answer"};
  if (is_blank_text(answer.text)) return {0, 0, "the answer is empty"};
  if (answer.text.size() > kMaxAnswerBytes) return {0, 0, "the answer is too long"};
  const Tokens tokens = tokens_of(answer.text);
  if (tokens.unreadable) return {0, 0, "the answer has characters that cannot be read"};
  std::string reason = tokens.invisible ? "right, but with invisible characters" : answer.reason;
  if (!tokens.invisible && answer.mark == Mark::exact) {
    try {
      check_expression(tokens.all, task, false);
      return {1, 1, "right"};
    } catch (const NoExpression& e) {
      reason = "right, but carelessly written: " + e.reason;
    }
  }
  try {
    check_expression(tokens.all, task, true);
    return {0, 1, std::move(reason)};
  } catch (const NoExpression& e) {
    return {0, 0, e.reason};
  }
}

}  // namespace minke
