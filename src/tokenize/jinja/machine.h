// Runs a template: statements, expressions, and what they call. Attributes, operators, filters, tests and methods give what
// Jinja2's sandbox gives as transformers sets it up. Tested in tests/tokenize/jinja_test.cpp.
#pragma once
#include <ctime>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenize/jinja/syntax.h"
#include "tokenize/jinja/value.h"

namespace minke::jinja {

struct Arguments {
  Values positional;
  std::vector<std::pair<std::string, Value>> keywords;
};

class Machine {
 public:
  // `line` becomes the one that is being rendered.
  Machine(const Node& tree, const Value& inputs, const std::tm& now, Heap& heap, int& line)
      : heap(heap), tree_(tree), inputs_(*inputs.dict), now_(now), scopes_(1), line_(line) {}

  std::string render();

  Heap& heap;
  Value attribute(const Value& of, const std::string& name);
  Value item(const Value& of, const Value& key);
  Value filter(const std::string& name, Arguments arguments);  // the first is what is filtered
  bool test(const std::string& name, Arguments arguments);
  std::string str(const Value& v) { return to_text(heap, v); }

 private:
  enum class Flow { on, stop, skip };
  using Scope = std::vector<std::pair<std::string_view, Value>>;
  struct Inner {  // a scope for as long as it lives
    explicit Inner(Machine& m) : machine(m) { m.scopes_.emplace_back(); }
    ~Inner() { machine.scopes_.pop_back(); }
    Machine& machine;
  };

  Flow run(const Node& n);
  Flow run_loop(const Node& n);
  std::string captured(const Node& body);
  void write(std::string_view text);
  void assign(const Node& target, const Value& value);
  void define(std::string_view name, const Value& value);

  Value eval(const Node& n);
  Value variable(const std::string& name);
  Value slice(const Node& n);
  Value compare(const Node& n);
  Value call(const Node& n);
  Value call_macro(const Node& macro, Arguments arguments);
  Value call_function(const std::string& name, Arguments arguments);
  Arguments arguments(const Node& n, bool with_first);
  Value strftime(const std::string& format);

  const Node& tree_;
  const Dict& inputs_;
  std::tm now_;
  std::vector<Scope> scopes_;  // the first is the template's
  size_t base_ = 0;            // of the macro that runs, which sees the template's scope besides its own
  std::string out_;
  int& line_;
};

// operators.cpp
Value unary(Heap& heap, const std::string& op, const Value& v);
Value arithmetic(Heap& heap, const std::string& op, const Value& a, const Value& b);

// The arguments by place: parameters are names with spaces between; one that is not given is missing.
Values bound(std::string_view function, std::string_view parameters, size_t required, Arguments arguments);

// methods.cpp: those of str and dict. is_method() knows all that Python has, call_method() refuses those not supported.
bool is_method(const Value& of, std::string_view name);
Value call_method(Machine& m, const Value& of, const std::string& name, Arguments arguments);
Value replaced(Heap& heap, const std::string& s, const std::string& from, const std::string& to, int64_t times);

}  // namespace minke::jinja
