// Tokens to a tree: the statements.
#include "tokenize/jinja/expressions.h"

namespace minke::jinja {
namespace {

class Parser : ExpressionParser {
 public:
  Parser(std::string_view source, int& line) : ExpressionParser(source, line) {}
  Node run() { return statements({}); }

 private:
  std::string target_name() {
    std::string name = expect_name();
    if (among(name, {"true", "false", "none", "True", "False", "None", "loop"}))
      fail("\"{}\" cannot be assigned to", name);
    return name;
  }
  Node target(bool attributes) {
    const int line = now().line;
    const bool parentheses = skip_symbol("(");
    std::vector<Node> out;
    do {
      if (!out.empty() && !is(TokenKind::name)) break;  // "a, ="
      Node one = node(Op::variable, now().line, target_name());
      if (attributes && skip_symbol(".")) one = node(Op::attribute, line, expect_name(), std::move(one));
      out.push_back(std::move(one));
    } while (skip_symbol(","));
    const bool single = out.size() == 1 && tokens_[at_ - 1].text != ",";
    if (parentheses) expect_symbol(")");
    if (!single) return node_of(Op::tuple, line, "", std::move(out));
    Node only = std::move(out[0]);
    return only;
  }

  // Up to {% end %} for one of `ends`, which becomes the current token; to the end of the template without any.
  Node statements(Words ends) {
    const Deeper inner = deeper();
    const int line = now().line;
    std::vector<Node> out;
    for (;;) {
      if (is(TokenKind::end) && ends.size() == 0) return node_of(Op::body, line, "", std::move(out));
      if (is(TokenKind::end)) expected(fmt::format("{{% {} %}}", *(ends.end() - 1)));
      const Token t = take();
      if (t.kind == TokenKind::text) {
        out.push_back(node(Op::text, t.line, t.text));
      } else if (t.kind == TokenKind::print) {
        out.push_back(node(Op::print, t.line, "", tuple()));
        expect_symbol("}}");
      } else {
        if (is(TokenKind::name) && among(now().text, ends)) return node_of(Op::body, line, "", std::move(out));
        out.push_back(statement(ends));
        expect_symbol("%}");
      }
    }
  }
  Node body(Words ends) {  // behind the opening tag's expressions
    expect_symbol("%}");
    return statements(ends);
  }
  Node scope_to(std::string_view end, bool function = false) {  // a function is not in the loops around it
    const int loops = function ? std::exchange(loops_, 0) : loops_;
    ++scopes_;
    Node out = body({end});
    --scopes_;
    loops_ = loops;
    take();
    return out;
  }

  Node statement(Words ends) {
    const int line = now().line;
    if (!is(TokenKind::name)) expected("the name of a tag");
    const std::string tag = take().text;
    if (tag == "set") return set(line);
    if (tag == "if") return branches(line);
    if (tag == "for") return loop(line);
    if (tag == "macro") return macro(line);
    if (tag == "generation") return node(Op::generation, line, "", scope_to("endgeneration", true));
    if (tag == "break" || tag == "continue") {
      if (loops_ == 0) fail("{{% {} %}} stands outside of a loop", tag);
      return node(tag == "break" ? Op::stop : Op::skip, line, "");
    }
    if (tag.starts_with("end") || among(tag, {"else", "elif"}))
      fail("unexpected {{% {} %}}{}", printable(tag),
           ends.size() ? fmt::format("; {{% {} %}} is missing", *(ends.end() - 1)) : "");
    fail("the tag {{% {} %}} is not supported", printable(tag));
  }
  Node set(int line) {
    Node to = target(true);
    if (skip_symbol("=")) return node(Op::set, line, "", std::move(to), tuple());
    if (symbol("|")) fail("a filter of a {{% set %}} block is not supported");
    return node(Op::set_block, line, "", std::move(to), scope_to("endset"));
  }
  Node branches(int line) {
    std::vector<Node> out;
    for (std::string tag = "if"; tag != "endif"; tag = take().text) {
      if (tag != "else") out.push_back(tuple(false));
      out.push_back(tag == "else" ? body({"endif"}) : body({"elif", "else", "endif"}));
    }
    return node_of(Op::branches, line, "", std::move(out));
  }
  Node loop(int line) {
    Node to = target(false);
    if (!skip_word("in")) expected("\"in\"");
    Node from = tuple(false);
    std::vector<Node> condition;
    if (skip_word("if")) condition.push_back(expression());
    if (word("recursive")) fail("recursive loops are not supported");
    ++loops_, ++scopes_;
    Node each = body({"else", "endfor"});
    --loops_, --scopes_;
    Node otherwise = take().text == "else" ? scope_to("endfor") : node(Op::body, line, "");
    std::vector<Node> out;
    for (Node* n : {&to, &from, &each, &otherwise}) out.push_back(std::move(*n));
    for (Node& n : condition) out.push_back(std::move(n));
    return node_of(Op::loop, line, "", std::move(out));
  }
  Node macro(int line) {
    if (scopes_ > 0) fail("a macro inside of a loop, a macro or a block is not supported");
    std::string name = target_name();
    std::vector<std::string> parameters;
    std::vector<Node> nodes(1);
    expect_symbol("(");
    in_macro_ = true;  // its defaults see what its body sees
    while (!skip_symbol(")")) {
      if (!parameters.empty()) expect_symbol(",");
      if (parameters.size() == kMaxArguments) fail("too many parameters");
      parameters.push_back(target_name());
      if (std::count(parameters.begin(), parameters.end(), parameters.back()) > 1) fail("a parameter is repeated");
      if (skip_symbol("=")) nodes.push_back(expression());
      else if (nodes.size() > 1) fail("a parameter without a default stands behind one with a default");
    }
    nodes[0] = scope_to("endmacro", true);
    in_macro_ = false;
    Node out = node_of(Op::macro, line, std::move(name), std::move(nodes));
    out.names = std::move(parameters);
    return out;
  }

  int loops_ = 0;   // around what is being read
  int scopes_ = 0;  // besides the template's
};

}  // namespace

Node parse(std::string_view source, int& line) { return Parser(source, line).run(); }

}  // namespace minke::jinja
