#include "structured/json_schema.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "core/error.h"

namespace minke {
namespace {

using Sequence = Grammar::Sequence;

constexpr int64_t kLargest = 200'000;  // elements of a grammar: tens of megabytes in the matcher
constexpr int64_t kMostRepeats = 10'000;

// Says nothing about which texts are right.
constexpr std::string_view kAnnotations[] = {"title",    "description", "default",  "examples",
                                             "$schema",  "$id",         "$comment", "deprecated",
                                             "readOnly", "writeOnly",   "$defs",    "definitions"};
constexpr std::string_view kOfAll[] = {"type", "enum", "const", "anyOf", "$ref"};

struct Kind {
  std::string_view name;
  std::vector<std::string_view> keys;  // that say something of values of this type only
};
const Kind kKinds[] = {{"object", {"properties", "required", "additionalProperties"}},
                       {"array", {"items", "prefixItems", "minItems", "maxItems"}},
                       {"string", {"minLength", "maxLength", "format"}},
                       {"integer", {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}},
                       {"number", {}},
                       {"boolean", {}},
                       {"null", {}}};

template <class Names> bool is_among(const Names& names, std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

std::string shown(const Json& value) {
  return value.is_string() ? fmt::format("\"{}\"", printable(value.get<std::string>())) : printable(value.dump());
}

class Compiler {
 public:
  Compiler(JsonGrammar& grammar, const Json& root) : json_(grammar), root_(root) {}

  int32_t compile() {
    const int32_t root = rule_of(root_, "#");
    if (const int32_t rule = json_.grammar.left_recursive(); rule >= 0) {
      for (const auto& [place, made] : made_)
        if (made == rule) user_error("the JSON schema at {} refers to itself with nothing in between", place);
      user_error("the JSON schema refers to itself with nothing in between");
    }
    return root;
  }

 private:
  // The rule of the schema at `place`, made once.
  int32_t rule_of(const Json& schema, const std::string& place) {
    if (const auto made = made_.find(place); made != made_.end()) return made->second;
    const int32_t rule = json_.grammar.new_rule();
    made_[place] = rule;
    for (Sequence& s : alternatives(schema, place)) json_.grammar.add_alternative(rule, std::move(s));
    if (json_.grammar.size() > kLargest)
      user_error("the JSON schema is too large: at {} its grammar has more than {} elements", place, kLargest);
    return rule;
  }

  std::vector<Sequence> alternatives(const Json& schema, const std::string& place) {
    if (schema.is_boolean()) {
      if (!schema.get<bool>()) user_error("the JSON schema at {} is false: no value satisfies it", place);
      return {json_.one(json_.value())};
    }
    if (!schema.is_object()) user_error("the JSON schema at {} is no object", place);
    refuse_unknown(schema, place);
    if (schema.contains("$ref")) return {json_.one(referred(schema, place))};
    if (schema.contains("anyOf")) return any_of(schema, place);
    if (schema.contains("const")) {
      refuse_beside(schema, "const", place);
      return {literal(schema.at("const"))};
    }
    if (schema.contains("enum")) {
      refuse_beside(schema, "enum", place);
      return enumerated(schema.at("enum"), place);
    }
    std::vector<Sequence> all;
    for (const std::string& type : types(schema, place)) all.push_back(json_.one(of_type(type, schema, place)));
    return all;
  }

  void refuse_unknown(const Json& schema, const std::string& place) {
    for (const auto& [key, _] : schema.items()) {
      bool known = is_among(kAnnotations, key) || is_among(kOfAll, key);
      for (const Kind& kind : kKinds) known = known || is_among(kind.keys, key);
      if (known) continue;
      std::vector<std::string_view> names(std::begin(kOfAll), std::end(kOfAll));
      for (const Kind& kind : kKinds) names.insert(names.end(), kind.keys.begin(), kind.keys.end());
      std::string list;
      for (const std::string_view name : names) list += (list.empty() ? "" : ", ") + std::string(name);
      user_error("the JSON schema at {}: {} is not supported here; these are: {}", place, printable(key), list);
    }
  }

  // Several of these at once would all have to hold.
  void refuse_beside(const Json& schema, std::string_view main, const std::string& place) {
    for (const auto& [key, _] : schema.items())
      if (key != main && key != "type" && !is_among(kAnnotations, key))
        user_error("the JSON schema at {}: {} beside {} is not supported", place, printable(key), main);
    if (!schema.contains("type") || main == "$ref" || main == "anyOf") {
      if (schema.contains("type") && main != "enum" && main != "const")
        user_error("the JSON schema at {}: type beside {} is not supported", place, main);
      return;
    }
    const std::vector<std::string> allowed = types(schema, place);
    const Json values = main == "enum" ? schema.at("enum") : Json::array({schema.at("const")});
    for (const Json& value : values) {
      const bool fits = std::any_of(allowed.begin(), allowed.end(), [&](const std::string& type) {
        return type == "string"    ? value.is_string()
               : type == "object"  ? value.is_object()
               : type == "array"   ? value.is_array()
               : type == "boolean" ? value.is_boolean()
               : type == "null"    ? value.is_null()
               : type == "integer" ? value.is_number_integer()
                                   : value.is_number();
      });
      if (!fits) user_error("the JSON schema at {}: {} has not the type that is asked for", place, shown(value));
    }
  }

  int32_t referred(const Json& schema, const std::string& place) {
    refuse_beside(schema, "$ref", place);
    const Json& ref = schema.at("$ref");
    if (!ref.is_string()) user_error("the JSON schema at {}: $ref is no text", place);
    const std::string name = ref.get<std::string>();
    if (!name.starts_with("#"))
      user_error("the JSON schema at {}: $ref {} is outside the schema; only references such as #/$defs/name are known",
                 place, printable(name));
    const Json* target = &root_;
    try {
      target = &root_.at(Json::json_pointer(name.substr(1)));
    } catch (const Json::exception&) {
      user_error("the JSON schema at {}: $ref {} is not there", place, printable(name));
    }
    return rule_of(*target, name);
  }

  std::vector<Sequence> any_of(const Json& schema, const std::string& place) {
    refuse_beside(schema, "anyOf", place);
    const Json& list = schema.at("anyOf");
    if (!list.is_array() || list.empty()) user_error("the JSON schema at {}: anyOf is no list of schemas", place);
    std::vector<Sequence> all;
    for (size_t i = 0; i < list.size(); ++i)
      all.push_back(json_.one(rule_of(list[i], fmt::format("{}/anyOf/{}", place, i))));
    return all;
  }

  Sequence literal(const Json& value) { return json_.grammar.literal(value.dump()); }

  std::vector<Sequence> enumerated(const Json& list, const std::string& place) {
    if (!list.is_array() || list.empty()) user_error("the JSON schema at {}: enum is no list of values", place);
    std::vector<Sequence> all;
    for (const Json& value : list) all.push_back(literal(value));
    return all;
  }

  std::vector<std::string> types(const Json& schema, const std::string& place) {
    std::vector<std::string> all;
    const auto add = [&](const Json& type) {
      const bool known = type.is_string() && std::any_of(std::begin(kKinds), std::end(kKinds), [&](const Kind& k) {
                           return k.name == type.get<std::string>();
                         });
      if (!known)
        user_error("the JSON schema at {}: type {} is none of object, array, string, integer, number, boolean, null",
                   place, shown(type));
      all.push_back(type.get<std::string>());
    };
    if (!schema.contains("type")) {
      // Of no type: that of the keys that are there, which say something of one type only; or any.
      for (const Kind& kind : kKinds)
        for (const std::string_view key : kind.keys)
          if (schema.contains(key) && !is_among(all, kind.name)) all.emplace_back(kind.name);
      if (all.size() > 1)
        user_error("the JSON schema at {} has no type, and keys of both {} and {}", place, all[0], all[1]);
      if (all.empty())
        for (const Kind& kind : kKinds)
          if (kind.name != "integer") all.emplace_back(kind.name);
    } else if (const Json& type = schema.at("type"); type.is_array()) {
      if (type.empty()) user_error("the JSON schema at {}: type is an empty list", place);
      for (const Json& one : type) add(one);
    } else {
      add(type);
    }
    if (schema.contains("type"))
      for (const Kind& kind : kKinds)
        for (const std::string_view key : kind.keys)
          if (schema.contains(key) && !is_among(all, kind.name)) {
            const bool bound = kind.name == "integer" && is_among(all, std::string_view("number"));
            user_error("the JSON schema at {}: {} is not supported of the type {}", place, key,
                       bound ? "number; integer has it" : all[0]);
          }
    return all;
  }

  int32_t of_type(const std::string& type, const Json& schema, const std::string& place) {
    if (type == "object") return object(schema, place);
    if (type == "array") return array(schema, place);
    if (type == "string") return string(schema, place);
    if (type == "integer") return integer(schema, place);
    if (type == "number") return json_.number();
    return type == "boolean" ? json_.boolean() : json_.null();
  }

  std::optional<int64_t> count(const Json& schema, const char* key, const std::string& place) {
    if (!schema.contains(key)) return {};
    const Json& value = schema.at(key);
    if (!value.is_number_integer() || value.get<int64_t>() < 0 || value.get<int64_t>() > kMostRepeats)
      user_error("the JSON schema at {}: {} {} is no integer from 0 to {}", place, key, shown(value), kMostRepeats);
    return value.get<int64_t>();
  }
  void refuse_empty_range(int64_t least, std::optional<int64_t> most, const char* what, const std::string& place) {
    if (most && least > *most)
      user_error("the JSON schema at {}: no {} is at least {} and at most {}", place, what, least, *most);
  }

  int32_t string(const Json& schema, const std::string& place) {
    const int64_t least = count(schema, "minLength", place).value_or(0);
    const std::optional<int64_t> most = count(schema, "maxLength", place);
    refuse_empty_range(least, most, "length", place);
    if (!schema.contains("format")) return least == 0 && !most ? json_.string() : json_.string(least, most);
    if (least > 0 || most) user_error("the JSON schema at {}: a length beside format is not supported", place);
    const Json& format = schema.at("format");
    const std::optional<int32_t> rule =
        format.is_string() ? json_.formatted_string(format.get<std::string>()) : std::nullopt;
    if (!rule)
      user_error("the JSON schema at {}: format {} is none of date, time, date-time, uuid", place, shown(format));
    return *rule;
  }

  int32_t integer(const Json& schema, const std::string& place) {
    const auto bound = [&](const char* key) -> std::optional<int64_t> {
      if (!schema.contains(key)) return {};
      const Json& value = schema.at(key);
      constexpr int64_t kMost = 9'999'999'999'999'999;
      const bool whole =
          value.is_number_integer() && (!value.is_number_unsigned() || value.get<uint64_t>() <= uint64_t(kMost));
      if (!whole || value.get<int64_t>() < -kMost || value.get<int64_t>() > kMost)
        user_error("the JSON schema at {}: {} {} is no integer of at most 16 digits", place, key, shown(value));
      return value.get<int64_t>();
    };
    std::optional<int64_t> least = bound("minimum"), most = bound("maximum");
    if (const auto above = bound("exclusiveMinimum")) least = std::max(least.value_or(*above + 1), *above + 1);
    if (const auto below = bound("exclusiveMaximum")) most = std::min(most.value_or(*below - 1), *below - 1);
    if (least) refuse_empty_range(*least, most, "integer", place);
    return json_.integer(least, most);
  }

  int32_t array(const Json& schema, const std::string& place) {
    const int64_t least = count(schema, "minItems", place).value_or(0);
    const std::optional<int64_t> most = count(schema, "maxItems", place);
    refuse_empty_range(least, most, "number of items", place);
    if (schema.contains("prefixItems")) return tuple(schema, least, most, place);
    if (schema.contains("items") && schema.at("items") == false) return json_.array_of({}, 0, 0);
    const int32_t item = schema.contains("items") ? rule_of(schema.at("items"), place + "/items") : json_.value();
    return json_.array_of(json_.one(item), least, most);
  }

  // The first items have schemas of their own, and there are no others: a choice, as with properties.
  int32_t tuple(const Json& schema, int64_t least, std::optional<int64_t> most, const std::string& place) {
    const Json& first = schema.at("prefixItems");
    if (!first.is_array() || first.empty())
      user_error("the JSON schema at {}: prefixItems is no list of schemas", place);
    const int64_t n = int64_t(first.size());
    if (least > n || (most && *most < n))
      user_error("the JSON schema at {}: as many items as prefixItems has are supported, {}", place, n);
    Sequence all = json_.sequence({json_.byte("["), json_.one(json_.blank())});
    for (int64_t i = 0; i < n; ++i) {
      if (i > 0) all = json_.sequence({all, json_.comma()});
      all.push_back(Grammar::rule(rule_of(first[size_t(i)], fmt::format("{}/prefixItems/{}", place, i))));
    }
    return json_.any_of({json_.sequence({all, json_.one(json_.blank()), json_.byte("]")})});
  }

  int32_t object(const Json& schema, const std::string& place) {
    const Json none = Json::object();
    const Json& properties = schema.contains("properties") ? schema.at("properties") : none;
    if (!properties.is_object()) user_error("the JSON schema at {}: properties is no object", place);
    std::set<std::string> required;
    if (schema.contains("required")) {
      if (!schema.at("required").is_array()) user_error("the JSON schema at {}: required is no list of names", place);
      for (const Json& name : schema.at("required")) {
        if (!name.is_string() || !properties.contains(name.get<std::string>()))
          user_error("the JSON schema at {}: required names {}, which is none of its properties", place, shown(name));
        required.insert(name.get<std::string>());
      }
    }
    const bool open = !schema.contains("additionalProperties") || schema.at("additionalProperties") != false;
    if (properties.empty()) {
      if (!open) return json_.any_of({json_.grammar.literal("{}")});
      const int32_t value = schema.contains("additionalProperties")
                                ? rule_of(schema.at("additionalProperties"), place + "/additionalProperties")
                                : json_.value();
      return json_.object_of(json_.one(value));
    }
    // From the last property to the first: what may follow when one was written already, and when none was.
    int32_t after_some = json_.any_of({{}}), after_none = json_.any_of({{}});
    for (auto p = properties.end(); p != properties.begin();) {
      --p;
      const int32_t value = rule_of(p.value(), fmt::format("{}/properties/{}", place, pointer_escaped(p.key())));
      const Sequence member =
          json_.sequence({literal(p.key()), json_.byte(":"), json_.one(json_.blank()), json_.one(value)});
      const int32_t some = json_.any_of({json_.sequence({json_.comma(), member, json_.one(after_some)})});
      const int32_t begun = json_.any_of({json_.sequence({member, json_.one(after_some)})});
      if (!required.contains(p.key())) {
        json_.grammar.add_alternative(some, json_.one(after_some));
        json_.grammar.add_alternative(begun, json_.one(after_none));
      }
      after_some = some, after_none = begun;
    }
    return json_.any_of({json_.sequence({json_.byte("{"), json_.one(json_.blank()), json_.one(after_none),
                                         json_.one(json_.blank()), json_.byte("}")})});
  }

  static std::string pointer_escaped(std::string_view key) {
    std::string out;
    for (const char c : key) out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
    return out;
  }

  JsonGrammar& json_;
  const Json& root_;
  std::map<std::string, int32_t> made_;  // by place
};

}  // namespace

int32_t json_schema_rule(JsonGrammar& grammar, const Json& schema) { return Compiler(grammar, schema).compile(); }

Grammar json_schema_grammar(const Json& schema) {
  JsonGrammar json;
  json.set_root(json_schema_rule(json, schema));
  return std::move(json.grammar);
}

Grammar json_object_grammar() {
  JsonGrammar json;
  json.set_root(json.object());
  return std::move(json.grammar);
}

}  // namespace minke
