// Methods of str and dict, and how everything that is called takes its arguments.
#include <algorithm>

#include "tokenize/jinja/machine.h"
#include "tokenize/jinja/text.h"

namespace minke::jinja {
namespace {

std::string_view methods_of(const Value& v) {  // surrounded by spaces
  switch (v.kind) {
    case Kind::string:
      return " capitalize casefold center count encode endswith expandtabs find format format_map index isalnum "
             "isalpha "
             "isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust "
             "lower lstrip maketrans partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit "
             "rstrip split splitlines startswith strip swapcase title translate upper zfill ";
    case Kind::list: return " append clear copy count extend index insert pop remove reverse sort ";
    case Kind::tuple: return " count index ";
    case Kind::dict: return " clear copy fromkeys get items keys pop popitem setdefault update values ";
    default: return "";
  }
}

Value list_of(Heap& heap, const std::vector<std::string_view>& parts) {
  Values out;
  for (std::string_view part : parts) out.push_back(heap.text(std::string(part)));
  return heap.items(Kind::list, std::move(out));
}

Value split(Heap& heap, const std::string& s, const Values& a) {
  const int64_t most = a[1].is(Kind::missing) ? -1 : integer(a[1]);
  heap.bytes(s.size() * sizeof(std::string_view));  // at most that
  if (a[0].is(Kind::missing) || a[0].is(Kind::none)) return list_of(heap, text::split_space(s, most));
  if (string(a[0]).empty()) fail("empty separator");
  return list_of(heap, text::split(s, *a[0].text, most));
}

Value stripped(Heap& heap, const std::string& s, const Values& a, bool left, bool right) {
  const bool space = a[0].is(Kind::missing) || a[0].is(Kind::none);
  if (!space && string(a[0]).size() > 100) fail("stripping so many characters is not supported");
  return heap.text(std::string(text::strip(s, space ? nullptr : a[0].text, left, right)));
}

bool has_end(const std::string& s, const Value& end, bool at_front) {
  if (end.is(Kind::tuple))
    return std::any_of(end.items->begin(), end.items->end(), [&](const Value& v) { return has_end(s, v, at_front); });
  return at_front ? s.starts_with(string(end)) : s.ends_with(string(end));
}

Value call_string(Machine& m, const std::string& s, const std::string& name, Arguments arguments) {
  Heap& heap = m.heap;
  heap.bytes(s.size());
  const auto given = [&](std::string_view parameters, size_t required) {
    return bound(name, parameters, required, std::move(arguments));
  };
  if (name == "split") return split(heap, s, given("sep maxsplit", 0));
  if (name == "strip" || name == "lstrip" || name == "rstrip")
    return stripped(heap, s, given("_", 0), name != "rstrip", name != "lstrip");
  if (name == "startswith" || name == "endswith") return Value(has_end(s, given("_", 1)[0], name == "startswith"));
  if (name == "replace") {
    const Values a = given("_ _ _", 2);
    return replaced(heap, s, string(a[0]), string(a[1]), a[2].is(Kind::missing) ? -1 : integer(a[2]));
  }
  if (name == "find") {
    const size_t at = text::find(s, string(given("_", 1)[0]));
    return Value(at == text::kNone ? int64_t(-1) : int64_t(text::length(std::string_view(s).substr(0, at))));
  }
  if (name == "count") return Value(int64_t(text::count(s, string(given("_", 1)[0]))));
  if (name == "join") {
    std::vector<std::string> parts;
    for (const Value& v : items_of(heap, given("_", 1)[0])) {
      heap.bytes(string(v).size() + s.size());
      parts.push_back(*v.text);
    }
    return heap.text(fmt::format("{}", fmt::join(parts, s)));
  }
  if (name == "splitlines") {
    given("", 0);
    heap.bytes(s.size() * sizeof(std::string_view));
    return list_of(heap, text::split_lines(s));
  }
  std::string (*const of_case)(std::string_view) = name == "upper"        ? text::upper
                                                   : name == "lower"      ? text::lower
                                                   : name == "title"      ? text::title
                                                   : name == "capitalize" ? text::capitalize
                                                                          : nullptr;
  if (!of_case) fail("str.{} is not supported", name);
  given("", 0);
  return heap.text(of_case(s));
}

}  // namespace

Values bound(std::string_view function, std::string_view parameters, size_t required, Arguments a) {
  const std::vector<std::string_view> names = text::split_space(parameters);
  Values out = std::move(a.positional);
  const size_t by_position = out.size();
  if (out.size() > names.size()) fail("{}() takes at most {} arguments ({} given)", function, names.size(), out.size());
  out.resize(names.size());
  for (const auto& [name, value] : a.keywords) {
    const size_t at = size_t(std::find(names.begin(), names.end(), name) - names.begin());
    if (at == names.size() || name == "_") fail("{}() got an unexpected keyword argument '{}'", function, name);
    if (at < by_position) fail("{}() got multiple values for argument '{}'", function, name);
    out[at] = value;
  }
  for (size_t i = 0; i < required; ++i)
    if (out[i].is(Kind::missing)) fail("{}() lacks its argument {} ({})", function, i + 1, names[i]);
  return out;
}

bool is_method(const Value& of, std::string_view name) {
  const std::string_view all = methods_of(of);
  return !all.empty() && all.find(fmt::format(" {} ", name)) != all.npos;
}

Value call_method(Machine& m, const Value& of, const std::string& name, Arguments arguments) {
  if (of.is(Kind::string)) return call_string(m, *of.text, name, std::move(arguments));
  if (of.is(Kind::dict) && name == "get") {
    const Values a = bound(name, "_ _", 1, std::move(arguments));
    if (contains(m.heap, of, a[0])) return *of.dict->find(*a[0].text);
    return a[1].is(Kind::missing) ? Value(Kind::none) : a[1];
  }
  if (!of.is(Kind::dict) || (name != "items" && name != "keys" && name != "values"))
    fail("{}.{} is not supported", type_name(of), name);
  bound(name, "", 0, std::move(arguments));
  Values out;
  for (const auto& [key, value] : of.dict->entries)
    out.push_back(name == "keys"     ? Value(key)
                  : name == "values" ? value
                                     : m.heap.items(Kind::tuple, {Value(key), value}));
  return m.heap.items(Kind::view, std::move(out));
}

Value replaced(Heap& heap, const std::string& s, const std::string& from, const std::string& to, int64_t times) {
  size_t left = text::count(s, from);
  if (times >= 0) left = std::min(left, size_t(times));
  size_t added = 0;
  if (__builtin_mul_overflow(left, to.size(), &added)) added = SIZE_MAX;
  heap.bytes(added);  // before it is taken
  std::string out;
  size_t at = 0;
  for (; left > 0; --left) {
    const size_t found = text::find(s, from, at);
    out.append(s, at, found - at) += to;
    at = found + from.size();
    if (from.empty() && at < s.size()) {  // between all characters
      const size_t size = text::byte_of(std::string_view(s).substr(at), 1);
      out.append(s, at, size);
      at += size;
    }
  }
  return heap.text(out.append(s, at, s.npos));
}

}  // namespace minke::jinja
