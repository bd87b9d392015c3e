// Values of a template, as Python has them, and the heap on which one rendering keeps them: nothing is freed before its
// end, so a Value is a plain pair of words, may hold itself, and all memory is counted. Tested in tests/tokenize/jinja_test.cpp.
#pragma once
#include <fmt/format.h>

#include <cstdint>
#include <deque>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.h"

namespace minke::jinja {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
template <class... Args> [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

struct Deeper {  // for whatever calls itself
  Deeper(int& d, int most) : depth(d) {
    if (++depth > most) fail("nested deeper than {} levels", --depth);
  }
  ~Deeper() { --depth; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;
  int& depth;
};

enum class Kind : uint8_t {
  missing,    // an argument that is not given
  undefined,  // text: what an operation on it says
  none,
  boolean,
  integer,
  real,
  string,
  list,
  tuple,
  view,      // of a dict, or a range: goes by items, is no list
  iterator,  // the same, but once
  dict,
  space,  // namespace()
  loop,
  macro,
  function,  // of the language; name
};

struct Value;
struct Dict;
struct Loop;
struct Node;
using Values = std::vector<Value>;

struct Value {
  Kind kind;
  union {
    bool boolean;
    int64_t integer;
    double real;
    const std::string* text;  // also of what is undefined; the name of a function
    const Values* items;      // list, tuple, view
    Values* rest;             // iterator
    const Dict* dict;
    Dict* space;
    const Loop* loop;
    const Node* macro;
  };

  Value() : Value(Kind::missing) {}
  explicit Value(Kind k) : kind(k), integer(0) {}
  explicit Value(bool b) : kind(Kind::boolean), boolean(b) {}
  explicit Value(int64_t i) : kind(Kind::integer), integer(i) {}
  explicit Value(double d) : kind(Kind::real), real(d) {}
  explicit Value(const std::string* s, Kind k = Kind::string) : kind(k), text(s) {}
  explicit Value(const Loop* l) : kind(Kind::loop), loop(l) {}
  explicit Value(const Node* m) : kind(Kind::macro), macro(m) {}
  Value(Kind k, Values* v) : kind(k), rest(v) {}
  Value(Kind k, Dict* d) : kind(k), space(d) {}
  template <class T> explicit Value(T) = delete;  // nothing becomes a bool by itself

  bool is(Kind k) const { return kind == k; }
  bool is_integer() const { return kind == Kind::integer || kind == Kind::boolean; }  // as for Python
  bool is_number() const { return is_integer() || kind == Kind::real; }
  bool has_items() const { return kind == Kind::list || kind == Kind::tuple || kind == Kind::view; }
  int64_t as_integer() const { return kind == Kind::boolean ? int64_t(boolean) : integer; }
  double as_real() const { return kind == Kind::real ? real : double(as_integer()); }
};

struct Dict {
  std::vector<std::pair<const std::string*, Value>> entries;  // as inserted
  Value* find(std::string_view key);
  const Value* find(std::string_view key) const { return const_cast<Dict*>(this)->find(key); }
  void set(const std::string* key, Value value);
};

struct Loop {
  Values items;
  size_t at = 0;
};

class Heap {
 public:
  Heap(size_t steps, size_t bytes) : steps_(steps), bytes_(bytes) {}
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  // Each throws an Error where the rendering would take too much.
  void step(size_t n = 1) {
    if (n > steps_) fail("the template takes too many steps");
    steps_ -= n;
  }
  void bytes(size_t n) {
    if (n > bytes_) fail("the template makes too much text or too many values");
    bytes_ -= n;
    step(n / 64);
  }
  Deeper deeper() { return Deeper(depth_, 400); }

  Value text(std::string s, Kind kind = Kind::string);
  Value undefined(const std::string& name) { return text(fmt::format("'{}' is undefined", name), Kind::undefined); }
  Value items(Kind kind, Values items);
  Value dict(Dict dict, Kind kind = Kind::dict);
  Loop& loop(Values items);
  Value from_json(const Json& json);  // which has to live as long as the heap

 private:
  size_t steps_, bytes_;
  int depth_ = 0;
  std::deque<std::string> texts_;
  std::deque<Values> lists_;
  std::deque<Dict> dicts_;
  std::deque<Loop> loops_;
};

const char* type_name(const Value& v);
bool truth(const Value& v);
bool equal(Heap& heap, const Value& a, const Value& b);
bool less(Heap& heap, const Value& a, const Value& b, bool or_equal = false);  // a < b, a <= b
void check_hashable(const Value& v);                                           // as a key of a dict has to be
bool contains(Heap& heap, const Value& container, const Value& item);
int64_t length(const Value& v);
bool can_iterate(const Value& v);
Values items_of(Heap& heap, const Value& v);  // an error for what cannot be iterated

// What a parameter takes; the message of the Error says what it is instead.
[[noreturn]] void refuse_undefined(const Value& v);
int64_t integer(const Value& v);
const std::string& string(const Value& v);

std::string to_text(Heap& heap, const Value& v);  // str()
struct JsonStyle {
  bool sort_keys = false, indented = false;
  std::string indent, item_separator = ", ", key_separator = ": ";
};
std::string to_json(Heap& heap, const Value& v, const JsonStyle& style);  // json.dumps(…, ensure_ascii=False)

}  // namespace minke::jinja
