// Arithmetic as Python has it; integers beyond 64 bits are an error.
#include <cmath>

#include "tokenize/jinja/machine.h"

namespace minke::jinja {
namespace {

[[noreturn]] void too_large() { fail("the result of an operation needs more than 64 bits"); }

Value of_integers(char op, bool floor, int64_t a, int64_t b) {
  int64_t out = 0;
  bool overflow = false;
  switch (op) {
    case '+': overflow = __builtin_add_overflow(a, b, &out); break;
    case '-': overflow = __builtin_sub_overflow(a, b, &out); break;
    case '*': overflow = __builtin_mul_overflow(a, b, &out); break;
    default: {
      if (b == 0) fail("division by zero");
      if (op == '/' && !floor) {
        constexpr int64_t kExact = int64_t(1) << 53;
        if (std::max(a, b) > kExact || std::min(a, b) < -kExact) too_large();
        return Value(double(a) / double(b));
      }
      if (b == -1) return of_integers(op == '%' ? '*' : '-', false, 0, a);
      const bool off = a % b != 0 && (a < 0) != (b < 0);  // C++ rounds towards zero, Python down
      out = op == '%' ? a % b + (off ? b : 0) : a / b - off;
    }
  }
  if (overflow) too_large();
  return Value(out);
}

Value of_reals(char op, bool floor, double a, double b) {
  switch (op) {
    case '+': return Value(a + b);
    case '-': return Value(a - b);
    case '*': return Value(a * b);
    default: break;
  }
  if (b == 0) fail("division by zero");
  if (op == '/' && !floor) return Value(a / b);
  fail("{} of numbers that are no integers is not supported", floor ? "//" : "%");
}

Value repeated(Heap& heap, const Value& v, int64_t times) {
  const size_t n = size_t(std::max<int64_t>(0, times)), size = v.is(Kind::string) ? v.text->size() : v.items->size();
  size_t total = 0;
  if (__builtin_mul_overflow(n, size, &total)) total = SIZE_MAX;
  heap.bytes(total);  // before it is taken
  std::string text;
  Values items;
  for (size_t i = 0; i < n && size > 0; ++i)
    if (v.is(Kind::string)) text += *v.text;
    else items.insert(items.end(), v.items->begin(), v.items->end());
  return v.is(Kind::string) ? heap.text(std::move(text)) : heap.items(v.kind, std::move(items));
}

}  // namespace

Value unary(Heap&, const std::string& op, const Value& v) {
  if (op == "not") return Value(!truth(v));
  if (v.is(Kind::undefined)) refuse_undefined(v);
  if (!v.is_number()) fail("bad operand type for unary {}: '{}'", op, type_name(v));
  if (v.is(Kind::real)) return Value(op == "-" ? -v.real : v.real);
  return op == "-" ? of_integers('-', false, 0, v.as_integer()) : Value(v.as_integer());
}

Value arithmetic(Heap& heap, const std::string& op, const Value& a, const Value& b) {
  for (const Value* v : {&a, &b})
    if (v->is(Kind::undefined)) refuse_undefined(*v);
  if (a.is_integer() && b.is_integer()) return of_integers(op[0], op == "//", a.as_integer(), b.as_integer());
  if (a.is_number() && b.is_number()) return of_reals(op[0], op == "//", a.as_real(), b.as_real());
  const auto sequence = [](const Value& v) { return v.is(Kind::string) || v.is(Kind::list) || v.is(Kind::tuple); };
  if (op == "*" && sequence(a) && b.is_integer()) return repeated(heap, a, b.as_integer());
  if (op == "*" && sequence(b) && a.is_integer()) return repeated(heap, b, a.as_integer());
  if (op == "+" && a.is(Kind::string) && b.is(Kind::string)) return heap.text(*a.text + *b.text);
  if (op == "+" && a.kind == b.kind && sequence(a)) {
    Values both = *a.items;
    both.insert(both.end(), b.items->begin(), b.items->end());
    return heap.items(a.kind, std::move(both));
  }
  if (op == "%" && a.is(Kind::string)) fail("formatting a string with % is not supported");
  fail("unsupported operand types for {}: '{}' and '{}'", op, type_name(a), type_name(b));
}

}  // namespace minke::jinja
