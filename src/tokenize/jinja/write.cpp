// Values as text: Python's str, its repr, and json.dumps.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "tokenize/jinja/text.h"
#include "tokenize/jinja/value.h"

namespace minke::jinja {
namespace {

// As Python writes it: the fewest digits that give the same number.
std::string written(double d, const char* infinity, const char* nan) {
  if (std::isnan(d)) return nan;
  if (std::isinf(d)) return fmt::format("{}{}", d < 0 ? "-" : "", infinity);
  char buffer[400];
  const auto as = [&](std::chars_format format) {
    return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, d, format).ptr);
  };
  std::string out = as(std::chars_format::scientific);
  const int exponent = std::stoi(out.substr(out.find('e') + 1));
  if (exponent < -4 || exponent >= 16) return out;
  out = as(std::chars_format::fixed);
  return out.find('.') == out.npos ? out + ".0" : out;
}

std::string json_string(const std::string& s) {
  std::string out = "\"";
  for (char c : s) {
    constexpr std::string_view kFrom = "\"\\\n\r\t\b\f", kTo = "\"\\nrtbf";
    if (const size_t i = kFrom.find(c); i != text::kNone) (out += '\\') += kTo[i];
    else if (uint8_t(c) < 0x20) out += fmt::format("\\u{:04x}", uint8_t(c));
    else out += c;
  }
  return out += '"';
}

struct Writer {
  Heap& heap;
  const JsonStyle* json;  // or repr
  std::string out;

  void add(std::string_view s) {
    heap.bytes(s.size());
    out += s;
  }
  void line(size_t depth) {
    if (!json || !json->indented) return;
    add("\n");
    for (size_t i = 0; i < depth; ++i) add(json->indent);
  }
  void separate(bool first) {
    if (!first) add(json ? json->item_separator : ", ");
  }

  void items(const Values& items, const char* open, const char* close, size_t depth) {
    add(open);
    for (size_t i = 0; i < items.size(); ++i) {
      separate(i == 0);
      line(depth + 1);
      value(items[i], depth + 1);
    }
    if (!items.empty()) line(depth);
    add(close);
  }

  void dict(Dict dict, size_t depth) {
    if (json && json->sort_keys)
      std::sort(dict.entries.begin(), dict.entries.end(), [](auto& a, auto& b) { return *a.first < *b.first; });
    add("{");
    for (size_t i = 0; i < dict.entries.size(); ++i) {
      separate(i == 0);
      line(depth + 1);
      value(Value(dict.entries[i].first), depth + 1);
      add(json ? json->key_separator : ": ");
      value(dict.entries[i].second, depth + 1);
    }
    if (!dict.entries.empty()) line(depth);
    add("}");
  }

  void value(const Value& v, size_t depth) {
    const Deeper deeper = heap.deeper();
    heap.step();
    switch (v.kind) {
      case Kind::none: return add(json ? "null" : "None");
      case Kind::boolean: return add(json ? (v.boolean ? "true" : "false") : (v.boolean ? "True" : "False"));
      case Kind::integer: return add(std::to_string(v.integer));
      case Kind::real: return add(json ? written(v.real, "Infinity", "NaN") : written(v.real, "inf", "nan"));
      case Kind::string: return add(json ? json_string(*v.text) : text::repr(*v.text));
      case Kind::list: return items(*v.items, "[", "]", depth);
      case Kind::tuple:
        if (json) return items(*v.items, "[", "]", depth);
        return items(*v.items, "(", v.items->size() == 1 ? ",)" : ")", depth);
      case Kind::dict: return dict(*v.dict, depth);
      case Kind::undefined:
        if (!json) return add("Undefined");
        refuse_undefined(v);
      default: fail("writing a value of type '{}' is not supported", type_name(v));
    }
  }
};

}  // namespace

std::string to_text(Heap& heap, const Value& v) {
  if (v.is(Kind::string)) return *v.text;
  if (v.is(Kind::undefined)) return "";
  Writer writer{heap, nullptr, ""};
  writer.value(v, 0);
  return writer.out;
}

std::string to_json(Heap& heap, const Value& v, const JsonStyle& style) {
  Writer writer{heap, &style, ""};
  writer.value(v, 0);
  return writer.out;
}

}  // namespace minke::jinja
