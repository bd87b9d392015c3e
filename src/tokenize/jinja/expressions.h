// Expressions, with Jinja2's grammar: the half of parser.cpp that statements stand on. What is not supported is named.
#pragma once
#include <algorithm>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "tokenize/jinja/syntax.h"

namespace minke::jinja {

using Op = Node::Op;
using TokenKind = Token::Kind;
using Words = std::initializer_list<std::string_view>;

inline bool among(std::string_view word, Words words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

class ExpressionParser {
 protected:
  static constexpr int kMaxDepth = 100;
  static constexpr size_t kMaxArguments = 64;

  ExpressionParser(std::string_view source, int& line) : tokens_(tokens_of(source, line)), line_(line) {}

  Deeper deeper() { return Deeper(depth_, kMaxDepth); }

  // ---- tokens
  const Token& now() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token take() {
    Token out = now();
    if (at_ + 1 < tokens_.size()) line_ = tokens_[++at_].line;
    return out;
  }
  bool is(TokenKind kind) const { return now().kind == kind; }
  bool symbol(std::string_view s) const { return is(TokenKind::symbol) && now().text == s; }
  bool word(std::string_view s) const { return is(TokenKind::name) && now().text == s; }
  bool skip_symbol(std::string_view s) { return symbol(s) && (take(), true); }
  bool skip_word(std::string_view s) { return word(s) && (take(), true); }

  [[noreturn]] void expected(const std::string& what) const {
    if (is(TokenKind::end)) fail("the template ends before {}", what);
    fail("expected {}, not \"{}\"", what, is(TokenKind::text) ? "text" : printable(now().text));
  }
  void expect_symbol(std::string_view s) {
    if (!skip_symbol(s)) expected(fmt::format("\"{}\"", s));
  }
  std::string expect_name() {
    if (!is(TokenKind::name)) expected("a name");
    return take().text;
  }

  // ---- nodes
  template <class... Nodes> Node node(Op op, int line, std::string name, Nodes... nodes) const {
    std::vector<Node> all;
    (all.push_back(std::move(nodes)), ...);
    return node_of(op, line, std::move(name), std::move(all));
  }
  Node node_of(Op op, int line, std::string name, std::vector<Node> nodes) const {
    Node out{op, line, 1, std::move(name), std::move(nodes), {}, {}};
    for (const Node& n : out.nodes) out.depth = std::max(out.depth, n.depth + 1);
    if (out.depth > 2 * kMaxDepth) fail("nested deeper than {} levels", 2 * kMaxDepth);
    return out;
  }
  Node constant(Value v) const {
    Node out = node(Op::constant, now().line, "");
    out.constant = v;
    return out;
  }

  // ---- expressions, from the weakest operators to the strongest
  Node expression(bool conditional = true) {
    const Deeper inner = deeper();
    Node out = either();
    while (conditional && word("if")) {
      const int line = take().line;
      Node condition = either();
      if (skip_word("else")) out = node(Op::conditional, line, "", std::move(out), std::move(condition), expression());
      else out = node(Op::conditional, line, "", std::move(out), std::move(condition));
    }
    return out;
  }

  template <class Operand> Node binary(Words operators, Operand operand) {
    Node out = operand();
    while ((is(TokenKind::symbol) || is(TokenKind::name)) && among(now().text, operators)) {
      Token t = take();
      out = node(Op::binary, t.line, std::move(t.text), std::move(out), operand());
    }
    return out;
  }
  Node either() {
    return binary({"or"}, [this] { return binary({"and"}, [this] { return negation(); }); });
  }
  Node negation() {
    if (!word("not")) return comparison();
    const Deeper inner = deeper();
    const int line = take().line;
    return node(Op::unary, line, "not", negation());
  }
  Node comparison() {
    Node out = node(Op::compare, now().line, "", sum());
    for (;;) {
      if (is(TokenKind::symbol) && among(now().text, {"==", "!=", "<", "<=", ">", ">="}))
        out.names.push_back(take().text);
      else if (skip_word("in")) out.names.push_back("in");
      else if (word("not") && ahead().text == "in") take(), take(), out.names.push_back("not in");
      else break;
      out.nodes.push_back(sum());
      out.depth = std::max(out.depth, out.nodes.back().depth + 1);
    }
    if (!out.names.empty()) return out;
    Node only = std::move(out.nodes[0]);
    return only;
  }
  Node sum() {
    return binary({"+", "-"}, [this] { return concatenation(); });
  }
  Node concatenation() {
    const int line = now().line;
    std::vector<Node> parts;
    do parts.push_back(product());
    while (skip_symbol("~"));
    if (parts.size() > 1) return node_of(Op::concat, line, "", std::move(parts));
    Node only = std::move(parts[0]);
    return only;
  }
  Node product() {
    return binary({"*", "/", "//", "%"}, [this] { return power(); });
  }
  Node power() {
    Node out = signed_(true);
    if (symbol("**")) fail("the operator ** is not supported");
    return out;
  }
  Node signed_(bool with_filters) {
    Node out = [this] {
      if (!symbol("-") && !symbol("+")) return postfix(primary());
      const Deeper inner = deeper();
      Token t = take();
      return node(Op::unary, t.line, std::move(t.text), signed_(false));
    }();
    while (with_filters) {
      if (symbol("|")) out = filter(std::move(out));
      else if (word("is")) out = test(std::move(out));
      else if (symbol("(")) out = arguments(Op::call, "", std::move(out));
      else break;
    }
    return out;
  }

  Node number() {
    const Token t = take();
    if (t.kind == TokenKind::real) {
      const double d = std::strtod(t.text.c_str(), nullptr);
      if (!std::isfinite(d)) fail("the number {} is too large", printable(t.text));
      return constant(Value(d));
    }
    int64_t i = 0;
    if (std::from_chars(t.text.data(), t.text.data() + t.text.size(), i).ec != std::errc())
      fail("the integer {} needs more than 64 bits", printable(t.text));
    return constant(Value(i));
  }
  Node primary() {
    const int line = now().line;
    if (is(TokenKind::name)) {
      std::string name = take().text;
      if (name == "true" || name == "True") return constant(Value(true));
      if (name == "false" || name == "False") return constant(Value(false));
      if (name == "none" || name == "None") return constant(Value(Kind::none));
      if (in_macro_ && among(name, {"varargs", "kwargs", "caller"})) fail("{} in a macro is not supported", name);
      return node(Op::variable, line, std::move(name));
    }
    if (is(TokenKind::string)) {
      std::string s;
      while (is(TokenKind::string)) s += take().text;
      return node(Op::string, line, std::move(s));
    }
    if (is(TokenKind::integer) || is(TokenKind::real)) return number();
    if (skip_symbol("(")) {
      if (skip_symbol(")")) return node(Op::tuple, line, "");
      Node out = tuple();
      expect_symbol(")");
      return out;
    }
    if (skip_symbol("[")) return node_of(Op::list, line, "", items("]", false));
    if (skip_symbol("{")) return node_of(Op::dict, line, "", items("}", true));
    expected("an expression");
  }
  std::vector<Node> items(std::string_view end, bool pairs) {
    std::vector<Node> out;
    while (!skip_symbol(end)) {
      if (!out.empty()) {
        expect_symbol(",");
        if (skip_symbol(end)) break;
      }
      out.push_back(expression());
      if (!pairs) continue;
      expect_symbol(":");
      out.push_back(expression());
    }
    return out;
  }
  // One expression, or several with commas: a tuple.
  Node tuple(bool conditional = true) {
    const int line = now().line;
    Node first = expression(conditional);
    if (!symbol(",")) return first;
    std::vector<Node> out;
    out.push_back(std::move(first));
    while (skip_symbol(",")) {
      if (symbol("}}") || symbol("%}") || symbol(")")) break;
      out.push_back(expression(conditional));
    }
    return node_of(Op::tuple, line, "", std::move(out));
  }

  Node postfix(Node out) {
    for (;;) {
      const int line = now().line;
      if (symbol("(")) {
        out = arguments(Op::call, "", std::move(out));
      } else if (skip_symbol(".")) {
        out = node(Op::attribute, line, expect_name(), std::move(out));
      } else if (skip_symbol("[")) {
        const auto bound = [&] { return symbol(":") || symbol("]") ? constant(Value()) : expression(); };
        if (symbol("]")) expected("an index");
        Node first = bound();
        if (skip_symbol(":")) {
          Node stop = bound(), step = skip_symbol(":") ? bound() : constant(Value());
          out = node(Op::slice, line, "", std::move(out), std::move(first), std::move(stop), std::move(step));
        } else {
          out = node(Op::item, line, "", std::move(out), std::move(first));
        }
        expect_symbol("]");
      } else {
        return out;
      }
    }
  }
  Node arguments(Op op, std::string name, Node of) {
    const int line = now().line;
    std::vector<Node> nodes;
    std::vector<std::string> names;
    nodes.push_back(std::move(of));
    expect_symbol("(");
    while (!skip_symbol(")")) {
      if (!names.empty()) {
        expect_symbol(",");
        if (skip_symbol(")")) break;
      }
      if (symbol("*") || symbol("**")) fail("an argument with {} is not supported", now().text);
      if (names.size() == kMaxArguments) fail("more than {} arguments are not supported", kMaxArguments);
      std::string label;
      if (is(TokenKind::name) && ahead().kind == TokenKind::symbol && ahead().text == "=") {
        label = take().text;
        take();
        if (std::count(names.begin(), names.end(), label)) fail("a keyword argument is repeated");
      } else if (!names.empty() && !names.back().empty()) {
        fail("an argument by position stands behind one by keyword");
      }
      names.push_back(std::move(label));
      nodes.push_back(expression());
    }
    Node out = node_of(op, line, std::move(name), std::move(nodes));
    out.names = std::move(names);
    return out;
  }
  Node filter(Node of) {
    const int line = take().line;
    std::string name = expect_name();
    if (symbol("(")) return arguments(Op::filter, std::move(name), std::move(of));
    return node(Op::filter, line, std::move(name), std::move(of));
  }
  Node test(Node of) {
    const int line = take().line;
    const bool negated = skip_word("not");
    std::string name = expect_name();
    Node out{Op::test};
    if (symbol("(")) {
      out = arguments(Op::test, std::move(name), std::move(of));
    } else if (is(TokenKind::name) ? !among(now().text, {"else", "or", "and"})
                                   : is(TokenKind::string) || is(TokenKind::integer) || is(TokenKind::real) ||
                                         symbol("[") || symbol("{")) {
      if (word("is")) fail("tests cannot be chained with is");
      out = node(Op::test, line, std::move(name), std::move(of), postfix(primary()));
      out.names.emplace_back();
    } else {
      out = node(Op::test, line, std::move(name), std::move(of));
    }
    return negated ? node(Op::unary, line, "not", std::move(out)) : std::move(out);
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int& line_;
  int depth_ = 0;
  bool in_macro_ = false;
};

}  // namespace minke::jinja
