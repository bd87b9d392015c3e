#include "tokenize/jinja/value.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tokenize/jinja/text.h"

namespace minke::jinja {

Value* Dict::find(std::string_view key) {
  const auto at = std::find_if(entries.begin(), entries.end(), [&](const auto& e) { return *e.first == key; });
  return at == entries.end() ? nullptr : &at->second;
}

void Dict::set(const std::string* key, Value value) {
  if (Value* there = find(*key)) *there = value;
  else entries.emplace_back(key, value);
}

Value Heap::text(std::string s, Kind kind) {
  bytes(s.size() + sizeof s);
  const std::string* const kept = &texts_.emplace_back(std::move(s));
  return Value(kept, kind);
}

Value Heap::items(Kind kind, Values items) {
  bytes(items.size() * sizeof(Value) + sizeof items);
  return Value(kind, &lists_.emplace_back(std::move(items)));
}

Value Heap::dict(Dict dict, Kind kind) {
  bytes(dict.entries.size() * sizeof(dict.entries[0]) + sizeof dict);
  return Value(kind, &dicts_.emplace_back(std::move(dict)));
}

Loop& Heap::loop(Values items) {
  bytes(items.size() * sizeof(Value) + sizeof(Loop));
  return loops_.emplace_back(Loop{std::move(items)});
}

Value Heap::from_json(const Json& json) {
  const Deeper inner = deeper();
  switch (json.type()) {
    case Json::value_t::boolean: return Value(json.get<bool>());
    case Json::value_t::number_integer: return Value(json.get<int64_t>());
    case Json::value_t::number_float: return Value(json.get<double>());
    case Json::value_t::string: return Value(json.get_ptr<const std::string*>(), Kind::string);
    case Json::value_t::number_unsigned:
      if (json.get<uint64_t>() > uint64_t(INT64_MAX)) fail("the integer {} needs more than 64 bits", json.dump());
      return Value(json.get<int64_t>());
    case Json::value_t::array: {
      Values out;
      for (const Json& item : json) out.push_back(from_json(item));
      return items(Kind::list, std::move(out));
    }
    case Json::value_t::object: {
      Dict out;
      for (const auto& [key, value] : json.get_ref<const Json::object_t&>())
        out.entries.emplace_back(&key, from_json(value));
      return dict(std::move(out));
    }
    default: return Value(Kind::none);
  }
}

const char* type_name(const Value& v) {
  constexpr const char* kNames[] = {"nothing",   "Undefined", "NoneType", "bool",    "int",      "float",
                                    "str",       "list",      "tuple",    "view",    "iterator", "dict",
                                    "Namespace", "loop",      "Macro",    "function"};
  return kNames[size_t(v.kind)];
}

bool truth(const Value& v) {
  switch (v.kind) {
    case Kind::missing:
    case Kind::undefined:
    case Kind::none: return false;
    case Kind::boolean: return v.boolean;
    case Kind::integer: return v.integer != 0;
    case Kind::real: return v.real != 0;
    case Kind::string: return !v.text->empty();
    case Kind::list:
    case Kind::tuple:
    case Kind::view: return !v.items->empty();
    case Kind::dict: return !v.dict->entries.empty();
    default: return true;
  }
}

// 64 bits of mantissa: no integer is rounded.
static long double exact(const Value& v) {
  return v.is(Kind::real) ? v.real : static_cast<long double>(v.as_integer());
}

bool equal(Heap& heap, const Value& a, const Value& b) {
  const Deeper deeper = heap.deeper();
  heap.step();
  if (a.is_number() && b.is_number()) return exact(a) == exact(b);
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Kind::undefined:
    case Kind::none: return true;
    case Kind::string: heap.step(a.text->size() / 64); return *a.text == *b.text;
    case Kind::list:
    case Kind::tuple:
      return std::equal(a.items->begin(), a.items->end(), b.items->begin(), b.items->end(),
                        [&](const Value& x, const Value& y) { return equal(heap, x, y); });
    case Kind::dict:
      heap.step(a.dict->entries.size() * a.dict->entries.size() / 16);
      return a.dict->entries.size() == b.dict->entries.size() &&
             std::all_of(a.dict->entries.begin(), a.dict->entries.end(), [&](const auto& entry) {
               const Value* other = b.dict->find(*entry.first);
               return other && equal(heap, entry.second, *other);
             });
    case Kind::view: fail("comparing views of dicts or ranges is not supported");
    default: return a.text == b.text;
  }
}

bool less(Heap& heap, const Value& a, const Value& b, bool or_equal) {
  const Deeper deeper = heap.deeper();
  heap.step();
  if (a.is_number() && b.is_number()) return or_equal ? exact(a) <= exact(b) : exact(a) < exact(b);
  if (a.is(Kind::string) && b.is(Kind::string)) {  // bytes of UTF-8 lie in the order of code points
    heap.step(a.text->size() / 64);
    return or_equal ? *a.text <= *b.text : *a.text < *b.text;
  }
  if (a.kind == b.kind && (a.is(Kind::list) || a.is(Kind::tuple))) {
    const size_t common = std::min(a.items->size(), b.items->size());
    for (size_t i = 0; i < common; ++i)
      if (!equal(heap, (*a.items)[i], (*b.items)[i])) return less(heap, (*a.items)[i], (*b.items)[i], or_equal);
    return or_equal ? a.items->size() <= b.items->size() : a.items->size() < b.items->size();
  }
  if (a.is(Kind::undefined)) refuse_undefined(a);
  if (b.is(Kind::undefined)) refuse_undefined(b);
  fail("'<' and '>' do not compare '{}' and '{}'", type_name(a), type_name(b));
}

void check_hashable(const Value& v) {
  if (v.is(Kind::list) || v.is(Kind::dict)) fail("unhashable type: '{}'", type_name(v));
  if (v.is(Kind::tuple)) std::for_each(v.items->begin(), v.items->end(), check_hashable);
}

bool contains(Heap& heap, const Value& container, const Value& item) {
  if (container.is(Kind::string)) {
    if (!item.is(Kind::string)) fail("'in <string>' requires a string, not '{}'", type_name(item));
    heap.step(container.text->size() / 64);
    return text::find(*container.text, *item.text) != text::kNone;
  }
  if (container.is(Kind::dict)) {
    check_hashable(item);
    heap.step(container.dict->entries.size() / 8);
    return item.is(Kind::string) && container.dict->find(*item.text);
  }
  const Values items = items_of(heap, container);
  return std::any_of(items.begin(), items.end(), [&](const Value& v) { return equal(heap, v, item); });
}

int64_t length(const Value& v) {
  switch (v.kind) {
    case Kind::undefined: return 0;
    case Kind::string: return int64_t(text::length(*v.text));
    case Kind::list:
    case Kind::tuple:
    case Kind::view: return int64_t(v.items->size());
    case Kind::dict: return int64_t(v.dict->entries.size());
    default: fail("object of type '{}' has no len()", type_name(v));
  }
}

bool can_iterate(const Value& v) {
  return v.is(Kind::undefined) || v.is(Kind::string) || v.has_items() || v.is(Kind::iterator) || v.is(Kind::dict);
}

Values items_of(Heap& heap, const Value& v) {
  Values out;
  switch (v.kind) {
    case Kind::undefined: return out;
    case Kind::string:
      heap.bytes(v.text->size() * sizeof(std::string_view));
      for (std::string_view c : text::characters(*v.text)) out.push_back(heap.text(std::string(c)));
      return out;
    case Kind::list:
    case Kind::tuple:
    case Kind::view: heap.bytes(v.items->size() * sizeof(Value)); return *v.items;
    case Kind::iterator: return std::exchange(*v.rest, {});
    case Kind::dict:
      heap.bytes(v.dict->entries.size() * sizeof(Value));
      for (const auto& entry : v.dict->entries) out.push_back(Value(entry.first));
      return out;
    default: fail("'{}' object is not iterable", type_name(v));
  }
}

void refuse_undefined(const Value& v) { fail("{}", *v.text); }

int64_t integer(const Value& v) {
  if (v.is(Kind::undefined)) refuse_undefined(v);
  if (!v.is_integer()) fail("'{}' object cannot be interpreted as an integer", type_name(v));
  return v.as_integer();
}

const std::string& string(const Value& v) {
  if (v.is(Kind::undefined)) refuse_undefined(v);
  if (!v.is(Kind::string)) fail("a string is needed, not '{}'", type_name(v));
  return *v.text;
}

}  // namespace minke::jinja
