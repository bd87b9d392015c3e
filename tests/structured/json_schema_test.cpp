// What a schema allows, against an independent reading of it: texts that random walks write are parsed and checked value by value.
#include "structured/json_schema.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/rng.h"

namespace minke {
namespace {

bool takes(const Grammar& g, std::string_view text) {
  Matcher m(g);
  return m.accepts(m.next(m.start(), text));
}
Grammar schema(const char* text) { return json_schema_grammar(Json::parse(text)); }

int64_t code_points(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

// Whether a value satisfies a schema of the keys that are known here (JSON Schema 2020-12).
bool satisfies(const Json& v, const Json& s, const Json& root) {
  if (s.is_boolean()) return s.get<bool>();
  if (s.contains("$ref"))
    return satisfies(v, root.at(Json::json_pointer(s["$ref"].get<std::string>().substr(1))), root);
  if (s.contains("anyOf"))
    return std::any_of(s["anyOf"].begin(), s["anyOf"].end(), [&](const Json& o) { return satisfies(v, o, root); });
  if (s.contains("const") && v != s["const"]) return false;
  if (s.contains("enum") && std::find(s["enum"].begin(), s["enum"].end(), v) == s["enum"].end()) return false;
  if (s.contains("type")) {
    const auto is = [&](const std::string& t) {
      return t == "object"    ? v.is_object()
             : t == "array"   ? v.is_array()
             : t == "string"  ? v.is_string()
             : t == "integer" ? v.is_number_integer()
             : t == "number"  ? v.is_number()
             : t == "boolean" ? v.is_boolean()
                              : v.is_null();
    };
    const Json types = s["type"].is_array() ? s["type"] : Json::array({s["type"]});
    if (std::none_of(types.begin(), types.end(), [&](const Json& t) { return is(t.get<std::string>()); })) return false;
  }
  if (v.is_object()) {
    for (const Json& name : s.value("required", Json::array()))
      if (!v.contains(name.get<std::string>())) return false;
    for (const auto& [key, value] : v.items()) {
      if (s.contains("properties") && s["properties"].contains(key)) {
        if (!satisfies(value, s["properties"][key], root)) return false;
      } else if (s.contains("additionalProperties") && !satisfies(value, s["additionalProperties"], root)) {
        return false;
      }
    }
  }
  if (v.is_array()) {
    if (s.contains("minItems") && v.size() < s["minItems"].get<size_t>()) return false;
    if (s.contains("maxItems") && v.size() > s["maxItems"].get<size_t>()) return false;
    const size_t first = s.contains("prefixItems") ? s["prefixItems"].size() : 0;
    for (size_t i = 0; i < v.size(); ++i) {
      if (i < first && !satisfies(v[i], s["prefixItems"][i], root)) return false;
      if (i >= first && s.contains("items") && !satisfies(v[i], s["items"], root)) return false;
    }
  }
  if (v.is_string()) {
    const int64_t n = code_points(v.get<std::string>());
    if (s.contains("minLength") && n < s["minLength"].get<int64_t>()) return false;
    if (s.contains("maxLength") && n > s["maxLength"].get<int64_t>()) return false;
  }
  if (v.is_number()) {
    const double x = v.get<double>();
    if (s.contains("minimum") && x < s["minimum"].get<double>()) return false;
    if (s.contains("maximum") && x > s["maximum"].get<double>()) return false;
    if (s.contains("exclusiveMinimum") && x <= s["exclusiveMinimum"].get<double>()) return false;
    if (s.contains("exclusiveMaximum") && x >= s["exclusiveMaximum"].get<double>()) return false;
  }
  return true;
}

// A text that a walk through the grammar writes: bytes by chance, the end as soon as it may come and chance says so. Brackets and quotes
// are liked, so that it ends.
std::string walk(const Grammar& g, uint64_t seed) {
  Matcher m(g);
  Rng rng{{seed, 2}};
  std::string text;
  for (int32_t state = m.start();;) {
    const ByteSet allowed = m.allowed(state);
    if (allowed.none() || (m.accepts(state) && rng.below(3) == 0)) return text;
    std::vector<uint8_t> may, ends;
    for (int b = 0; b < 256; ++b)
      if (allowed[size_t(b)]) {
        may.push_back(uint8_t(b));
        if (std::string_view("\"]}").find(char(b)) != std::string_view::npos) ends.push_back(uint8_t(b));
      }
    const std::vector<uint8_t>& from = !ends.empty() && rng.below(text.size() < 200 ? 4 : 2) == 0 ? ends : may;
    const uint8_t byte = from[rng.below(from.size())];
    text += char(byte);
    state = m.next(state, byte);
    EXPECT_NE(state, Matcher::kDead);
    if (text.size() > 20'000) return "";  // a walk that does not find out of a value of any depth
  }
}

constexpr const char* kSchemas[] = {
    R"({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name"]})",
    R"({"type": "object", "properties": {"a": {}, "b": {"type": "null"}, "c": {"type": "boolean"}}, "required": ["b"],
        "additionalProperties": false})",
    R"({"type": "object", "additionalProperties": {"type": "number"}})",
    R"({"type": "array", "items": {"type": ["integer", "null"]}, "minItems": 2, "maxItems": 4})",
    R"({"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": false})",
    R"({"type": "string", "minLength": 2, "maxLength": 5})",
    R"({"type": "integer", "minimum": -120, "maximum": 2345})",
    R"({"type": "integer", "exclusiveMinimum": 9, "exclusiveMaximum": 101})",
    R"({"type": "integer", "maximum": -7})",
    R"({"anyOf": [{"type": "object", "properties": {"kind": {"const": "a"}, "x": {"type": "integer"}},
                  "required": ["kind", "x"]}, {"enum": ["on", "off", 3, null, {"k": [1, 2]}]}]})",
    R"({"$defs": {"tree": {"type": "object", "properties": {"value": {"type": "integer"},
        "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}, "required": ["value"]}}, "$ref": "#/$defs/tree"})",
    R"({"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, "required": ["next"]})",
    R"({"type": ["string", "number"]})",
    R"({})",
    R"({"type": "array"})",
};

TEST(JsonSchema, WhatWalksWriteSatisfiesIt) {
  for (const char* text : kSchemas) {
    const Json s = Json::parse(text);
    const Grammar g = json_schema_grammar(s);
    int written = 0;
    std::set<std::string> different;
    for (uint64_t seed = 0; seed < 150; ++seed) {
      const std::string said = walk(g, seed);
      if (said.empty()) continue;
      ++written;
      different.insert(said);
      Json value;
      ASSERT_NO_THROW(value = Json::parse(said)) << text << "\n" << said;
      EXPECT_TRUE(satisfies(value, s, s)) << text << "\n" << said;
      EXPECT_NO_THROW(parse_json(said, "what was written"));
    }
    EXPECT_GT(written, 100) << text;
    EXPECT_GT(different.size(), 20u) << text;
  }
}

// Integers one by one.
TEST(JsonSchema, BoundsOfIntegersHoldExactly) {
  for (const auto& [low, high] :
       std::vector<std::pair<int, int>>{{0, 0}, {0, 9}, {-3, 12}, {7, 1003}, {-205, -99}, {99, 100}}) {
    const Grammar g = json_schema_grammar({{"type", "integer"}, {"minimum", low}, {"maximum", high}});
    for (int x = -1500; x <= 1500; ++x)
      EXPECT_EQ(takes(g, std::to_string(x)), x >= low && x <= high) << x << " of " << low << " " << high;
    EXPECT_FALSE(takes(g, "007"));
    EXPECT_FALSE(takes(g, "-0"));
  }
  const Grammar large = schema(R"({"minimum": -9999999999999999, "maximum": 9999999999999999})");
  EXPECT_TRUE(takes(large, "9999999999999999"));
  EXPECT_FALSE(takes(large, "10000000000000000"));
  EXPECT_TRUE(takes(schema(R"({"type": "integer", "minimum": 5})"), "123456789"));
}

TEST(JsonSchema, TakesWhatModelsWrite) {
  const Grammar g = schema(kSchemas[0]);
  for (const char* text :
       {R"({"name":"Ann","age":3})", R"({"name": "Ann", "age": 3})", "{\n  \"name\": \"Ann\",\n  \"age\": 3\n}",
        R"({"name": "安\n\u00e9\ud83d\ude00"})", "\n{\"name\": \"\"}"})
    EXPECT_TRUE(takes(g, text)) << text;
  for (const char* text :
       {R"({"age": 3})", R"({"name": "Ann", "age": 3.5})", R"({"age": 3, "name": "Ann"})",
        R"({"name": "Ann", "more": 1})", R"({"name": "Ann",})", R"({"name": "Ann"} )", R"({"name": "a)",
        "{\"name\": \"\xff\"}", R"({"name": "\ud83d"})", R"({"name": "\x"})", "{\"name\": \"\n\"}", ""})
    EXPECT_FALSE(takes(g, text)) << text;
  EXPECT_TRUE(takes(json_object_grammar(), R"({"a": [1, -2.5e-3, true, null, {"b": ""}], "c": {}})"));
  EXPECT_FALSE(takes(json_object_grammar(), "[1]"));
}

TEST(JsonSchema, Formats) {
  const auto of = [](const char* format) { return json_schema_grammar({{"type", "string"}, {"format", format}}); };
  EXPECT_TRUE(takes(of("date"), R"("2026-11-30")"));
  for (const char* bad : {R"("2026-11-31")", R"("2026-02-29")", R"("2026-13-01")", R"("2026-1-1")", R"("26-01-01")"})
    EXPECT_FALSE(takes(of("date"), bad)) << bad;
  EXPECT_TRUE(takes(of("date-time"), R"("2026-11-30T23:59:59.5+01:00")"));
  EXPECT_FALSE(takes(of("date-time"), R"("2026-11-30T24:00:00Z")"));
  EXPECT_TRUE(takes(of("time"), R"("00:00:00Z")"));
  EXPECT_TRUE(takes(of("uuid"), R"("123e4567-e89b-12d3-a456-426614174000")"));
  EXPECT_FALSE(takes(of("uuid"), R"("123e4567e89b-12d3-a456-426614174000")"));
}

TEST(JsonSchema, WhatIsNotKnownIsRefusedWithItsPlace) {
  const auto complaint = [](const char* text) -> std::string {
    try {
      schema(text);
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  };
  const std::pair<const char*, const char*> cases[] = {
      {R"({"properties": {"a": {"pattern": "x"}}})",
       "at #/properties/a: pattern is not supported here; these are: type, enum"},
      {R"({"type": "text"})", "at #: type \"text\" is none of object"},
      {R"({"type": "object", "minLength": 2})", "at #: minLength is not supported of the type object"},
      {R"({"type": "number", "minimum": 2})", "minimum is not supported of the type number; integer has it"},
      {R"({"minimum": 1, "maxItems": 2})", "has no type, and keys of both array and integer"},
      {R"({"type": "integer", "minimum": 3, "maximum": 2})", "no integer is at least 3 and at most 2"},
      {R"({"type": "integer", "minimum": 0.5})", "minimum 0.5 is no integer of at most 16 digits"},
      {R"({"type": "array", "minItems": -1})", "minItems -1 is no integer from 0 to 10000"},
      {R"({"type": "string", "minLength": 3, "maxLength": 2})", "no length is at least 3 and at most 2"},
      {R"({"$ref": "http://x/y"})", "is outside the schema"},
      {R"({"$ref": "#/$defs/none"})", "$ref #/$defs/none is not there"},
      {R"({"$ref": "#"})", "refers to itself with nothing in between"},
      {R"({"anyOf": [{"$ref": "#"}, {"type": "null"}]})", "refers to itself with nothing in between"},
      {R"({"enum": []})", "enum is no list of values"},
      {R"({"enum": [1], "minimum": 0})", "minimum beside enum is not supported"},
      {R"({"const": 1, "type": "string"})", "1 has not the type that is asked for"},
      {R"({"required": ["b"], "properties": {"a": {}}})", "required names \"b\", which is none of its properties"},
      {R"({"properties": {"a/b": {"items": 3}}})", "at #/properties/a~1b/items is no object"},
      {R"(false)", "is false: no value satisfies it"},
      {R"([])", "is no object"},
      {R"({"type": "string", "format": "email"})", "format \"email\" is none of date"},
      {R"({"type": "array", "items": {"type": "string", "maxLength": 10000}, "minItems": 10000, "prefixItems": 3})",
       "prefixItems is no list"},
      {R"({"oneOf": []})", "oneOf is not supported"},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_NE(complaint(text).find(expected), std::string::npos) << text << "\n" << complaint(text);
  // Too large: many long strings.
  Json many;
  for (int i = 0; i < 60; ++i)
    many["properties"]["p" + std::to_string(i)] = {{"type", "string"}, {"maxLength", 10'000}};
  EXPECT_NE(complaint(many.dump().c_str()).find("too large"), std::string::npos);
}

}  // namespace
}  // namespace minke
