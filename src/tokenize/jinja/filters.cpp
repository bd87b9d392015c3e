// Filters and tests.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "tokenize/jinja/machine.h"
#include "tokenize/jinja/text.h"

namespace minke::jinja {
namespace {

bool given(const Value& v) { return !v.is(Kind::missing) && !v.is(Kind::none); }
bool is_true(const Value& v) { return truth(v); }
Value made(Machine& m, std::string s) { return m.heap.text(std::move(s)); }

// An attribute as filters take it: a number, or names and numbers with dots between.
Value attribute_of(Machine& m, Value v, const Value& path, const Value& otherwise = Value()) {
  if (path.is_integer()) return m.item(v, path);
  for (std::string_view part : text::split(string(path), ".")) {
    int64_t i = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), i);
    const bool number = error == std::errc() && end == part.data() + part.size() && part[0] != '-';
    v = m.item(v, number ? Value(i) : made(m, std::string(part)));
    if (v.is(Kind::undefined) && given(otherwise)) v = otherwise;
  }
  return v;
}

// What a filter compares of an item: its attribute, if one is asked for; letters of either case alike, unless not.
Value key_of(Machine& m, Value v, const Value& attribute, const Value& case_sensitive) {
  if (given(attribute)) v = attribute_of(m, v, attribute);
  return v.is(Kind::string) && !is_true(case_sensitive) ? made(m, text::lower(*v.text)) : v;
}

template <class Key> Value sorted(Machine& m, const Values& items, bool reverse, Key key) {
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& v : items) keyed.emplace_back(key(v), v);
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    return reverse ? less(m.heap, b.first, a.first) : less(m.heap, a.first, b.first);
  });
  Values out;
  for (const auto& [k, v] : keyed) out.push_back(v);
  return m.heap.items(Kind::list, std::move(out));
}

Value unique(Machine& m, Values& a) {
  Values out, keys;
  for (const Value& v : items_of(m.heap, a[0])) {
    const Value key = key_of(m, v, a[2], a[1]);
    check_hashable(key);
    if (std::any_of(keys.begin(), keys.end(), [&](const Value& k) { return equal(m.heap, k, key); })) continue;
    keys.push_back(key);
    out.push_back(v);
  }
  return m.heap.items(Kind::iterator, std::move(out));
}

Value dict_items(Machine& m, const Value& dict) {
  if (dict.is(Kind::undefined)) return m.heap.items(Kind::list, {});
  if (!dict.is(Kind::dict)) fail("a dict is needed, not '{}'", type_name(dict));
  return call_method(m, dict, "items", {});
}

Value dict_sorted(Machine& m, Values& a) {
  if (a[0].is(Kind::undefined)) refuse_undefined(a[0]);
  const std::string by = given(a[2]) ? string(a[2]) : "key";
  if (by != "key" && by != "value") fail("dictsort: by must be 'key' or 'value'");
  return sorted(m, *dict_items(m, a[0]).items, is_true(a[3]),
                [&](const Value& pair) { return key_of(m, (*pair.items)[by == "value"], Value(), a[1]); });
}

Value reversed(Machine& m, Values& a) {
  Values out = items_of(m.heap, a[0]);
  std::reverse(out.begin(), out.end());
  if (!a[0].is(Kind::string))
    return m.heap.items(a[0].is(Kind::iterator) ? Kind::list : Kind::iterator, std::move(out));
  std::string s;
  for (const Value& c : out) s += *c.text;
  return made(m, std::move(s));
}

Value joined(Machine& m, Values& a) {
  const std::string separator = a[1].is(Kind::missing) ? "" : m.str(a[1]);
  std::vector<std::string> parts;
  for (const Value& v : items_of(m.heap, a[0])) {
    parts.push_back(m.str(given(a[2]) ? attribute_of(m, v, a[2]) : v));
    m.heap.bytes(parts.back().size() + separator.size());
  }
  return made(m, fmt::format("{}", fmt::join(parts, separator)));
}

std::string indentation(Machine& m, const Value& width, int64_t otherwise) {
  if (width.is(Kind::string)) return *width.text;
  const int64_t n = std::max<int64_t>(0, given(width) ? integer(width) : otherwise);
  m.heap.bytes(size_t(n));
  return std::string(size_t(n), ' ');
}

Value indented(Machine& m, Values& a) {
  const std::string indent = indentation(m, a[1], 4), s = string(a[0]) + "\n";
  m.heap.bytes(s.size() * sizeof(std::string_view));
  std::string out = is_true(a[2]) ? indent : "";
  bool begun = false;
  for (std::string_view line : text::split_lines(s)) {
    m.heap.bytes(indent.size());
    if (begun) out += '\n';
    if (begun && (!line.empty() || is_true(a[3]))) out += indent;
    out += line;
    begun = true;
  }
  return made(m, std::move(out));
}

// float(s), int(s): false where Python has an error. What only Python reads (1_000, other scripts' digits) is not supported.
bool parsed(const std::string& s, double& real, int64_t* whole) {
  const std::string digits = text::lower(text::strip(s, nullptr));
  if (text::has_digits_of_python(digits)) fail("the number \"{}\" is not supported", s);
  const bool sign = digits.starts_with('+') || digits.starts_with('-');
  const char* const begin = digits.data() + sign;
  const char* const end = digits.data() + digits.size();
  if (begin == end || *begin == '-' || *begin == '+' || std::string_view(begin).starts_with("nan(")) return false;
  if (whole) {
    const auto [behind, error] = std::from_chars(digits[0] == '+' ? begin : digits.data(), end, *whole);
    if (error == std::errc::result_out_of_range) fail("an integer needs more than 64 bits");
    if (error == std::errc() && behind == end) return true;
  }
  const auto [behind, error] = std::from_chars(begin, end, real);
  if (behind != end || error == std::errc::invalid_argument) return false;
  if (error == std::errc::result_out_of_range) real = std::strtod(begin, nullptr);  // inf or 0
  if (digits[0] == '-') real = -real;
  if (!whole) return true;
  if (!std::isfinite(real)) return false;
  if (std::fabs(real) >= 9.2e18) fail("an integer needs more than 64 bits");
  *whole = int64_t(real);
  return true;
}

Value to_int(Machine&, Values& a) {
  const Value otherwise = a[1].is(Kind::missing) ? Value(int64_t(0)) : a[1];
  if (a[0].is(Kind::undefined)) refuse_undefined(a[0]);
  if (a[0].is_integer()) return Value(a[0].as_integer());
  double real = a[0].is(Kind::real) ? a[0].real : 0;
  int64_t out = 0;
  if (a[0].is(Kind::string)) return parsed(*a[0].text, real, &out) ? Value(out) : otherwise;
  if (!a[0].is(Kind::real) || std::isnan(real)) return otherwise;
  if (std::fabs(real) >= 9.2e18) fail("an integer needs more than 64 bits");
  return Value(int64_t(real));
}

Value to_float(Machine&, Values& a) {
  double out = 0;
  if (a[0].is(Kind::undefined)) refuse_undefined(a[0]);
  if (a[0].is_number()) return Value(a[0].as_real());
  if (a[0].is(Kind::string) && parsed(*a[0].text, out, nullptr)) return Value(out);
  return a[1].is(Kind::missing) ? Value(0.0) : a[1];
}

Value rounded(Machine&, Values& a) {
  const int64_t precision = a[1].is(Kind::missing) ? 0 : integer(a[1]);
  const std::string method = a[2].is(Kind::missing) ? "common" : string(a[2]);
  if (method != "common" && method != "ceil" && method != "floor") fail("round: method must be common, ceil or floor");
  if (a[0].is(Kind::undefined)) refuse_undefined(a[0]);
  if (!a[0].is_number()) fail("a value of type '{}' cannot be rounded", type_name(a[0]));
  if (precision < 0 || precision > 20) fail("rounding to {} digits is not supported", precision);
  const double d = a[0].as_real();
  if (method == "common" && a[0].is_integer()) return Value(a[0].as_integer());
  if (method == "common" && !std::isfinite(d)) return a[0];
  if (!std::isfinite(d)) fail("{} cannot be rounded", d);
  if (method == "common") return Value(std::strtod(fmt::format("{:.{}f}", d, int(precision)).c_str(), nullptr));
  const double power = std::pow(10.0, double(precision));
  return Value((method == "ceil" ? std::ceil(d * power) : std::floor(d * power)) / power + 0.0);
}

Value json(Machine& m, Values& a) {
  if (is_true(a[1])) fail("tojson with ensure_ascii=true is not supported");
  JsonStyle style;
  style.sort_keys = is_true(a[4]);
  style.indented = given(a[2]);
  if (style.indented) style.indent = indentation(m, a[2], 0), style.item_separator.resize(1);  // ","
  if (given(a[3])) {
    const Values two = items_of(m.heap, a[3]);
    if (two.size() != 2) fail("tojson: separators must be two strings");
    style.item_separator = string(two[0]), style.key_separator = string(two[1]);
  }
  return made(m, to_json(m.heap, a[0], style));
}

// map, and select, reject, selectattr, rejectattr.
Value mapped(Machine& m, Arguments a) {
  const auto keyword = [&](std::string_view name) {
    const auto at = std::find_if(a.keywords.begin(), a.keywords.end(), [&](const auto& k) { return k.first == name; });
    return at == a.keywords.end() ? Value() : at->second;
  };
  Values out;
  const bool attribute = a.positional.size() == 1 && given(keyword("attribute"));
  if (attribute && a.keywords.size() > 1 + size_t(given(keyword("default")))) fail("map: an unknown keyword argument");
  for (const Value& v : items_of(m.heap, a.positional[0])) {
    if (attribute) {
      out.push_back(attribute_of(m, v, keyword("attribute"), keyword("default")));
      continue;
    }
    if (a.positional.size() < 2) fail("map needs the name of a filter, or an attribute");
    Arguments inner{{v}, a.keywords};
    inner.positional.insert(inner.positional.end(), a.positional.begin() + 2, a.positional.end());
    out.push_back(m.filter(string(a.positional[1]), std::move(inner)));
  }
  return m.heap.items(Kind::iterator, std::move(out));
}

Value selected(Machine& m, const Arguments& a, bool wanted, bool by_attribute) {
  Values out;
  const size_t first = by_attribute ? 2 : 1;  // where the test stands
  for (const Value& v : items_of(m.heap, a.positional[0])) {
    if (a.positional.size() < first) fail("an attribute is needed");
    const Value tested = by_attribute ? attribute_of(m, v, a.positional[1]) : v;
    bool holds = false;
    if (a.positional.size() == first) {
      holds = truth(tested);
    } else {
      Arguments inner{{tested}, a.keywords};
      inner.positional.insert(inner.positional.end(), a.positional.begin() + ptrdiff_t(first) + 1, a.positional.end());
      holds = m.test(string(a.positional[first]), std::move(inner));
    }
    if (holds == wanted) out.push_back(v);
  }
  return m.heap.items(Kind::iterator, std::move(out));
}

struct Filter {
  std::string_view name, parameters;  // the first is what is filtered
  size_t required;
  Value (*call)(Machine&, Values&);
};

constexpr Filter kFilters[] = {
    {"abs", "_", 1,
     [](Machine& m, Values& a) {
       if (a[0].is(Kind::real)) return Value(std::fabs(a[0].real));
       return unary(m.heap, integer(a[0]) < 0 ? "-" : "+", a[0]);
     }},
    {"capitalize", "s", 1, [](Machine& m, Values& a) { return made(m, text::capitalize(m.str(a[0]))); }},
    {"count", "_", 1, [](Machine&, Values& a) { return Value(length(a[0])); }},
    {"default", "value default_value boolean", 1,
     [](Machine& m, Values& a) {
       if (!a[0].is(Kind::undefined) && !(is_true(a[2]) && !truth(a[0]))) return a[0];
       return a[1].is(Kind::missing) ? made(m, "") : a[1];
     }},
    {"dictsort", "value case_sensitive by reverse", 1, dict_sorted},
    {"first", "seq", 1,
     [](Machine& m, Values& a) {
       const Values items = items_of(m.heap, a[0]);
       return items.empty() ? m.heap.undefined("the item of an empty sequence") : items[0];
     }},
    {"float", "value default", 1, to_float},
    {"indent", "s width first blank", 1, indented},
    {"int", "value default", 1, to_int},
    {"items", "value", 1,
     [](Machine& m, Values& a) { return m.heap.items(Kind::iterator, *dict_items(m, a[0]).items); }},
    {"join", "value d attribute", 1, joined},
    {"last", "seq", 1,
     [](Machine& m, Values& a) {
       if (a[0].is(Kind::iterator)) fail("the last item of an iterator is not supported");
       const Values items = items_of(m.heap, a[0]);
       return items.empty() ? m.heap.undefined("the item of an empty sequence") : items.back();
     }},
    {"length", "_", 1, [](Machine&, Values& a) { return Value(length(a[0])); }},
    {"list", "value", 1, [](Machine& m, Values& a) { return m.heap.items(Kind::list, items_of(m.heap, a[0])); }},
    {"lower", "s", 1, [](Machine& m, Values& a) { return made(m, text::lower(m.str(a[0]))); }},
    {"replace", "s old new count", 3,
     [](Machine& m, Values& a) {
       return replaced(m.heap, m.str(a[0]), m.str(a[1]), m.str(a[2]), given(a[3]) ? integer(a[3]) : -1);
     }},
    {"reverse", "value", 1, reversed},
    {"round", "value precision method", 1, rounded},
    {"safe", "value", 1, [](Machine& m, Values& a) { return made(m, m.str(a[0])); }},
    {"sort", "value reverse case_sensitive attribute", 1,
     [](Machine& m, Values& a) {
       return sorted(m, items_of(m.heap, a[0]), is_true(a[1]),
                     [&](const Value& v) { return m.heap.items(Kind::list, {key_of(m, v, a[3], a[2])}); });
     }},
    {"string", "_", 1, [](Machine& m, Values& a) { return made(m, m.str(a[0])); }},
    {"title", "s", 1, [](Machine& m, Values& a) { return made(m, text::title_filter(m.str(a[0]))); }},
    {"tojson", "x ensure_ascii indent separators sort_keys", 1, json},
    {"trim", "value chars", 1,
     [](Machine& m, Values& a) {
       return call_method(m, made(m, m.str(a[0])), "strip", {{a[1]}, {}});
     }},
    {"unique", "value case_sensitive attribute", 1, unique},
    {"upper", "s", 1, [](Machine& m, Values& a) { return made(m, text::upper(m.str(a[0]))); }},
};

struct Test {
  std::string_view names;  // surrounded by spaces
  size_t arguments;
  bool (*call)(Machine&, Values&);
};

bool divides(Machine& m, const Value& divisor, const Value& v) {
  return equal(m.heap, arithmetic(m.heap, "%", v, divisor), Value(int64_t(0)));
}
template <Kind... kinds> bool is_kind(Machine&, Values& a) { return (a[0].is(kinds) || ...); }

constexpr Test kTests[] = {
    {" defined ", 1, [](Machine&, Values& a) { return !a[0].is(Kind::undefined); }},
    {" undefined ", 1, is_kind<Kind::undefined>},
    {" none ", 1, is_kind<Kind::none>},
    {" boolean ", 1, is_kind<Kind::boolean>},
    {" true ", 1, [](Machine&, Values& a) { return a[0].is(Kind::boolean) && a[0].boolean; }},
    {" false ", 1, [](Machine&, Values& a) { return a[0].is(Kind::boolean) && !a[0].boolean; }},
    {" integer ", 1, is_kind<Kind::integer>},
    {" float ", 1, is_kind<Kind::real>},
    {" number ", 1, [](Machine&, Values& a) { return a[0].is_number(); }},
    {" string ", 1, is_kind<Kind::string>},
    {" mapping ", 1, is_kind<Kind::dict>},
    {" iterable ", 1, [](Machine&, Values& a) { return can_iterate(a[0]); }},
    {" callable ", 1, is_kind<Kind::macro, Kind::function, Kind::undefined>},
    {" sequence ", 1, is_kind<Kind::string, Kind::list, Kind::tuple, Kind::dict, Kind::undefined>},
    {" odd ", 1, [](Machine& m, Values& a) { return !divides(m, Value(int64_t(2)), a[0]); }},
    {" even ", 1, [](Machine& m, Values& a) { return divides(m, Value(int64_t(2)), a[0]); }},
    {" divisibleby ", 2, [](Machine& m, Values& a) { return divides(m, a[1], a[0]); }},
    {" eq equalto == ", 2, [](Machine& m, Values& a) { return equal(m.heap, a[0], a[1]); }},
    {" ne != ", 2, [](Machine& m, Values& a) { return !equal(m.heap, a[0], a[1]); }},
    {" lt lessthan < ", 2, [](Machine& m, Values& a) { return less(m.heap, a[0], a[1]); }},
    {" le <= ", 2, [](Machine& m, Values& a) { return less(m.heap, a[0], a[1], true); }},
    {" gt greaterthan > ", 2, [](Machine& m, Values& a) { return less(m.heap, a[1], a[0]); }},
    {" ge >= ", 2, [](Machine& m, Values& a) { return less(m.heap, a[1], a[0], true); }},
    {" in ", 2, [](Machine& m, Values& a) { return contains(m.heap, a[1], a[0]); }},
};

}  // namespace

Value Machine::filter(const std::string& name, Arguments a) {
  if (a.positional[0].is(Kind::string)) heap.bytes(a.positional[0].text->size());
  if (name == "map") return mapped(*this, std::move(a));
  if (name == "select" || name == "selectattr") return selected(*this, a, true, name == "selectattr");
  if (name == "reject" || name == "rejectattr") return selected(*this, a, false, name == "rejectattr");
  for (const Filter& f : kFilters) {
    if (f.name != (name == "d" ? "default" : name)) continue;
    Values values = bound(name, f.parameters, f.required, std::move(a));
    return f.call(*this, values);
  }
  fail("the filter '{}' is not supported", name);
}

bool Machine::test(const std::string& name, Arguments a) {
  for (const Test& t : kTests) {
    if (t.names.find(fmt::format(" {} ", name)) == t.names.npos) continue;
    Values values = bound(name, t.arguments == 2 ? "_ _" : "_", t.arguments, std::move(a));
    return t.call(*this, values);
  }
  fail("the test '{}' is not supported", name);
}

}  // namespace minke::jinja
