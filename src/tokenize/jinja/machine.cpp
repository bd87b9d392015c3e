#include "tokenize/jinja/machine.h"

#include <algorithm>

#include "core/error.h"
#include "tokenize/jinja/text.h"

namespace minke::jinja {

using Op = Node::Op;

namespace {
std::string shown_type(const Value& v) { return v.is(Kind::none) ? "None" : fmt::format("{} object", type_name(v)); }
}  // namespace

std::string Machine::render() {
  run(tree_);
  return std::move(out_);
}

// ---- statements

Machine::Flow Machine::run(const Node& n) {
  const Deeper deeper = heap.deeper();
  heap.step();
  line_ = n.line;
  switch (n.op) {
    case Op::text: write(n.name); break;
    case Op::print: {
      const Value v = eval(n.nodes[0]);
      if (v.is(Kind::string)) write(*v.text);
      else write(str(v));
      break;
    }
    case Op::set: assign(n.nodes[0], eval(n.nodes[1])); break;
    case Op::set_block: assign(n.nodes[0], heap.text(captured(n.nodes[1]))); break;
    case Op::branches:
      for (size_t i = 0; i < n.nodes.size(); i += 2) {
        if (i + 1 == n.nodes.size()) return run(n.nodes[i]);
        if (truth(eval(n.nodes[i]))) return run(n.nodes[i + 1]);
      }
      break;
    case Op::body:
      for (const Node& each : n.nodes)
        if (const Flow flow = run(each); flow != Flow::on) return flow;
      break;
    case Op::loop: return run_loop(n);
    case Op::macro: define(n.name, Value(&n)); break;
    case Op::generation: {
      const Inner inner(*this);
      return run(n.nodes[0]);
    }
    case Op::stop: return Flow::stop;
    case Op::skip: return Flow::skip;
    default: check(false, "a statement");
  }
  return Flow::on;
}

Machine::Flow Machine::run_loop(const Node& n) {
  Values items = items_of(heap, eval(n.nodes[1]));
  if (n.nodes.size() == 5) {
    std::erase_if(items, [&](const Value& item) {
      const Inner inner(*this);
      assign(n.nodes[0], item);
      return !truth(eval(n.nodes[4]));
    });
  }
  Loop& state = heap.loop(std::move(items));
  bool ended = false;  // an iteration without break or continue: else Jinja2 takes the else
  for (Flow flow = Flow::on; state.at < state.items.size() && flow != Flow::stop; ++state.at) {
    heap.step();
    const Inner inner(*this);
    define("loop", Value(&std::as_const(state)));
    assign(n.nodes[0], state.items[state.at]);
    flow = run(n.nodes[2]);
    ended = ended || flow == Flow::on;
  }
  if (ended) return Flow::on;
  const Inner inner(*this);
  return run(n.nodes[3]);
}

std::string Machine::captured(const Node& body) {
  std::string outside = std::exchange(out_, {});
  {
    const Inner inner(*this);
    run(body);
  }
  return std::exchange(out_, std::move(outside));
}

void Machine::write(std::string_view text) {
  heap.bytes(text.size());
  out_ += text;
}

void Machine::assign(const Node& target, const Value& value) {
  if (target.op == Op::variable) return define(target.name, value);
  if (target.op == Op::attribute) {
    const Value space = variable(target.nodes[0].name);
    if (!space.is(Kind::space)) fail("cannot assign to an attribute of '{}', which is no namespace", type_name(space));
    heap.bytes(sizeof(Value) + 8);
    heap.step(space.space->entries.size() / 8);
    return space.space->set(&target.name, value);
  }
  const Values items = items_of(heap, value);
  if (items.size() != target.nodes.size())
    fail("{} values are to be unpacked into {} names", items.size(), target.nodes.size());
  for (size_t i = 0; i < items.size(); ++i) assign(target.nodes[i], items[i]);
}

void Machine::define(std::string_view name, const Value& value) {
  Scope& scope = scopes_.back();
  const auto at = std::find_if(scope.begin(), scope.end(), [&](const auto& e) { return e.first == name; });
  heap.step(1 + scope.size() / 8);
  if (at == scope.end()) scope.emplace_back(name, value);
  else at->second = value;
}

// ---- expressions

Value Machine::eval(const Node& n) {
  const Deeper deeper = heap.deeper();
  heap.step();
  line_ = n.line;
  const auto values = [&] {
    Values out;
    for (const Node& each : n.nodes) out.push_back(eval(each));
    return out;
  };
  switch (n.op) {
    case Op::constant: return n.constant;
    case Op::string: return Value(&n.name);
    case Op::variable: return variable(n.name);
    case Op::tuple: return heap.items(Kind::tuple, values());
    case Op::list: return heap.items(Kind::list, values());
    case Op::dict: {
      Dict out;
      for (size_t i = 0; i < n.nodes.size(); i += 2) {
        const Value key = eval(n.nodes[i]);
        if (!key.is(Kind::string)) fail("a key of type '{}' in a dict is not supported", type_name(key));
        heap.step(1 + out.entries.size() / 8);
        out.set(key.text, eval(n.nodes[i + 1]));
      }
      return heap.dict(std::move(out));
    }
    case Op::attribute: return attribute(eval(n.nodes[0]), n.name);
    case Op::item: {
      const Value of = eval(n.nodes[0]);
      return item(of, eval(n.nodes[1]));
    }
    case Op::slice: return slice(n);
    case Op::call: return call(n);
    case Op::filter: return filter(n.name, arguments(n, true));
    case Op::test: return Value(test(n.name, arguments(n, true)));
    case Op::unary: return unary(heap, n.name, eval(n.nodes[0]));
    case Op::binary: {
      const Value left = eval(n.nodes[0]);
      if (n.name == "and" || n.name == "or") return truth(left) == (n.name == "or") ? left : eval(n.nodes[1]);
      return arithmetic(heap, n.name, left, eval(n.nodes[1]));
    }
    case Op::concat: {
      std::string out;
      for (const Value& v : values()) {
        const std::string part = str(v);
        heap.bytes(part.size());
        out += part;
      }
      return heap.text(std::move(out));
    }
    case Op::compare: return compare(n);
    case Op::conditional:
      if (truth(eval(n.nodes[1]))) return eval(n.nodes[0]);
      return n.nodes.size() == 3 ? eval(n.nodes[2]) : heap.undefined("the inline if without else");
    default: check(false, "an expression");
  }
  return {};
}

Value Machine::variable(const std::string& name) {
  for (size_t i = scopes_.size(); i-- > 0;) {
    if (i < base_) i = 0;
    heap.step(1 + scopes_[i].size() / 8);
    for (const auto& [defined, value] : scopes_[i])
      if (defined == name) return value;
  }
  heap.step(inputs_.entries.size() / 8);
  if (const Value* v = inputs_.find(name)) return *v;
  for (const char* function :
       {"range", "dict", "namespace", "raise_exception", "strftime_now", "lipsum", "cycler", "joiner"})
    if (name == function) return Value(&name, Kind::function);
  return heap.undefined(name);
}

Value Machine::attribute(const Value& of, const std::string& name) {
  if (of.is(Kind::undefined)) refuse_undefined(of);
  if (name.starts_with("__")) fail("the attribute '{}' is not supported", name);
  if (is_method(of, name)) return Value(&name, Kind::function);
  if (of.is(Kind::dict) || of.is(Kind::space)) {
    heap.step(of.dict->entries.size() / 8);
    if (const Value* v = of.dict->find(name)) return *v;
  }
  if (of.is(Kind::loop)) {
    const auto number = [](size_t n) { return Value(int64_t(n)); };
    const Values& items = of.loop->items;
    const size_t at = of.loop->at, left = items.size() - at;
    if (name == "index") return number(at + 1);
    if (name == "index0") return number(at);
    if (name == "revindex") return number(left);
    if (name == "revindex0") return number(left - 1);
    if (name == "first") return Value(at == 0);
    if (name == "last") return Value(left <= 1);
    if (name == "length") return number(items.size());
    if (name == "previtem") return at > 0 ? items[at - 1] : heap.undefined(name);
    if (name == "nextitem") return left > 1 ? items[at + 1] : heap.undefined(name);
    for (const char* known : {"cycle", "changed", "depth", "depth0"})
      if (name == known) fail("loop.{} is not supported", name);
  }
  return heap.text(fmt::format("'{}' has no attribute '{}'", shown_type(of), name), Kind::undefined);
}

Value Machine::item(const Value& of, const Value& key) {
  if (of.is(Kind::undefined)) refuse_undefined(of);
  if (of.is(Kind::dict) && key.is(Kind::string)) {
    heap.step(of.dict->entries.size() / 8);
    if (const Value* v = of.dict->find(*key.text)) return *v;
  }
  if (key.is(Kind::string)) return attribute(of, *key.text);
  if (of.is(Kind::view)) fail("an index into a view of a dict or into a range is not supported");
  const auto none = [&] {
    return heap.text(fmt::format("{} has no element {}", shown_type(of), str(key)), Kind::undefined);
  };
  if (!key.is_integer() || (!of.is(Kind::string) && !of.is(Kind::list) && !of.is(Kind::tuple))) return none();
  const int64_t size = length(of), at = key.as_integer() + (key.as_integer() < 0 ? size : 0);
  if (of.is(Kind::string)) heap.step(of.text->size() / 16);
  if (at < 0 || at >= size) return none();
  if (!of.is(Kind::string)) return (*of.items)[size_t(at)];
  const size_t begin = text::byte_of(*of.text, size_t(at));
  const std::string_view rest = std::string_view(*of.text).substr(begin);
  return heap.text(std::string(rest.substr(0, text::byte_of(rest, 1))));
}

Value Machine::slice(const Node& n) {
  const Value of = eval(n.nodes[0]);
  if (of.is(Kind::undefined)) refuse_undefined(of);
  if (!of.is(Kind::string) && !of.is(Kind::list) && !of.is(Kind::tuple))
    fail("a slice of a value of type '{}' is not supported", type_name(of));
  const auto number = [&](size_t i) {
    const Value v = eval(n.nodes[i]);
    return v.is(Kind::missing) || v.is(Kind::none) ? Value() : Value(integer(v));
  };
  const Value start = number(1), stop = number(2), by = number(3);
  const int64_t step = by.is(Kind::missing) ? 1 : by.integer, size = length(of);
  if (step == 0) fail("slice step cannot be zero");
  const auto clamped = [&](const Value& v, int64_t otherwise) {  // into 0 … size, or −1 … size − 1 going backwards
    if (v.is(Kind::missing)) return otherwise;
    const int64_t low = step < 0 ? -1 : 0;
    return std::clamp(v.integer < 0 ? v.integer + size : v.integer, low, low + size);
  };
  const int64_t first = clamped(start, step < 0 ? size - 1 : 0), last = clamped(stop, step < 0 ? -1 : size);
  std::string text;
  Values items;
  if (of.is(Kind::string) && step == 1) {
    heap.step(of.text->size() / 16);
    const size_t begin = text::byte_of(*of.text, size_t(first)), end = text::byte_of(*of.text, size_t(last));
    return heap.text(begin < end ? of.text->substr(begin, end - begin) : "");
  }
  if (of.is(Kind::string)) heap.bytes(of.text->size() * sizeof(std::string_view));
  const auto characters = of.is(Kind::string) ? text::characters(*of.text) : std::vector<std::string_view>();
  for (int64_t i = first; step < 0 ? i > last : i < last;) {
    heap.step();
    if (of.is(Kind::string)) text += characters[size_t(i)];
    else items.push_back((*of.items)[size_t(i)]);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return of.is(Kind::string) ? heap.text(std::move(text)) : heap.items(of.kind, std::move(items));
}

Value Machine::compare(const Node& n) {
  Value left = eval(n.nodes[0]);
  for (size_t i = 0; i < n.names.size(); ++i) {
    const std::string& op = n.names[i];
    const Value right = eval(n.nodes[i + 1]);
    const bool holds = op == "=="       ? equal(heap, left, right)
                       : op == "!="     ? !equal(heap, left, right)
                       : op == "in"     ? contains(heap, right, left)
                       : op == "not in" ? !contains(heap, right, left)
                       : op[0] == '<'   ? less(heap, left, right, op == "<=")
                                        : less(heap, right, left, op == ">=");
    if (!holds) return Value(false);
    left = right;
  }
  return Value(true);
}

// ---- calls

Arguments Machine::arguments(const Node& n, bool with_first) {
  Arguments out;
  if (with_first) out.positional.push_back(eval(n.nodes[0]));
  for (size_t i = 0; i < n.names.size(); ++i) {
    const Value v = eval(n.nodes[i + 1]);
    if (n.names[i].empty()) out.positional.push_back(v);
    else out.keywords.emplace_back(n.names[i], v);
  }
  return out;
}

Value Machine::call(const Node& n) {
  const Node& called = n.nodes[0];
  if (called.op == Op::attribute) {
    const Value of = eval(called.nodes[0]);
    if (is_method(of, called.name)) return call_method(*this, of, called.name, arguments(n, false));
  }
  const Value function = eval(called);
  if (function.is(Kind::undefined)) refuse_undefined(function);
  if (function.is(Kind::macro)) return call_macro(*function.macro, arguments(n, false));
  if (!function.is(Kind::function)) fail("a value of type '{}' cannot be called", type_name(function));
  return call_function(*function.text, arguments(n, false));
}

Value Machine::call_macro(const Node& macro, Arguments a) {
  const size_t required = macro.names.size() - (macro.nodes.size() - 1);
  const Values given = bound(macro.name, fmt::format("{}", fmt::join(macro.names, " ")), 0, std::move(a));
  std::string outside = std::exchange(out_, {});
  const size_t base = std::exchange(base_, scopes_.size());
  const int line = line_;
  {
    const Inner inner(*this);
    for (size_t i = 0; i < given.size(); ++i) {
      const bool has_default = i >= required;
      define(macro.names[i], !given[i].is(Kind::missing) ? given[i]
                             : has_default               ? eval(macro.nodes[1 + i - required])
                                                         : heap.undefined(macro.names[i]));
    }
    run(macro.nodes[0]);
  }
  base_ = base;
  line_ = line;
  return heap.text(std::exchange(out_, std::move(outside)));
}

Value Machine::call_function(const std::string& name, Arguments a) {
  if (name == "raise_exception") fail("{}", str(bound(name, "message", 1, std::move(a))[0]));
  if (name == "strftime_now") return strftime(string(bound(name, "format", 1, std::move(a))[0]));
  if (name == "namespace" || name == "dict") {
    if (!a.positional.empty()) fail("{}() with an argument by position is not supported", name);
    Dict out;
    for (auto& [key, value] : a.keywords) out.entries.emplace_back(heap.text(std::move(key)).text, value);
    return heap.dict(std::move(out), name == "dict" ? Kind::dict : Kind::space);
  }
  if (name != "range") fail("{}() is not supported", name);
  const Values p = bound(name, "start stop step", 1, std::move(a));
  const int64_t first = p[1].is(Kind::missing) ? 0 : integer(p[0]), step = p[2].is(Kind::missing) ? 1 : integer(p[2]);
  const int64_t last = integer(p[p[1].is(Kind::missing) ? 0 : 1]);
  if (step == 0) fail("range() arg 3 must not be zero");
  constexpr size_t kMost = 100'000;  // as in the sandbox
  Values out;
  for (int64_t i = first; step < 0 ? i > last : i < last;) {
    if (out.size() == kMost) fail("a range of more than {} numbers is too big", kMost);
    out.push_back(Value(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return heap.items(Kind::view, std::move(out));
}

Value Machine::strftime(const std::string& format) {
  for (const char* kept_back : {"%f", "%z", "%Z"})
    if (format.find(kept_back) != format.npos) fail("{} in strftime_now is not supported", kept_back);
  if (format.size() > 1000 || format.find('\0') != format.npos) fail("the format of strftime_now is too long");
  char buffer[65536];  // the longest directive, of a width of three digits, gives 999 bytes
  const size_t size = std::strftime(buffer, sizeof buffer, (format + ".").c_str(), &now_);  // never empty
  if (size == 0) fail("the format of strftime_now is too long");
  return heap.text(std::string(buffer, size - 1));
}

}  // namespace minke::jinja
