// Calls of tools: the published templates' own writing is parsed back, whatever is cut where; what the grammar writes is calls of tools
// that are there, with arguments of their schemas.
#include "serve/tool_calls.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/rng.h"

namespace minke {
namespace {

// As the templates say it; their own text is not here (they are others').
constexpr const char* kV3 =
    "'<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + tool['type'] + '<｜tool▁sep｜>' + name + '\\n' + '```json' + "
    "'\\n'";
constexpr const char* kV31 =
    "'<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + name + '<｜tool▁sep｜>' + tool['function']['arguments'] | tojson";
constexpr const char* kQwen = "<tool_call>\\n{\"name\": … tool_call.arguments | tojson";
constexpr const char* kLlama = "{\"name\": …, \"parameters\": <|python_tag|> tool_call.arguments | tojson";

struct Written {
  const char* chat_template;
  std::string text;  // two calls, of the last form one
};
// What those templates make of calls of get_weather and add (docs.deepseek.com, Qwen2.5's and Llama 3.1's cards).
const std::vector<Written>& written() {
  static const std::vector<Written> all{
      {kV3,
       "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{\"city\": "
       "\"Tai}pei\"}\n```<｜tool▁call▁end｜>\n"
       "<｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n```json\n{\"a\": [1, {\"b\": "
       "2}]}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"},
      {kV31,
       "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{\"city\": "
       "\"Tai}pei\"}<｜tool▁call▁end｜><｜tool▁call▁begin｜>add<｜tool▁sep｜>"
       "{\"a\": [1, {\"b\": 2}]}<｜tool▁call▁end｜><｜tool▁calls▁end｜>"},
      {kQwen,
       "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": "
       "\"Tai}pei\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"add\", \"arguments\": "
       "{\"a\": [1, {\"b\": 2}]}}\n</tool_call>"},
      {kLlama, "{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Tai}pei\"}}"}};
  return all;
}

struct Said {
  std::string text;
  std::vector<std::pair<std::string, std::string>> calls;  // name, arguments
};
Said parsed(const char* chat_template, std::string_view text, const std::vector<size_t>& cuts) {
  ToolCallParser parser(*tool_call_form(chat_template));
  Said said;
  const auto take = [&](const ToolCallParser::Piece& p) {
    said.text += p.text;
    for (const auto& d : p.calls) {
      if (d.index == said.calls.size()) said.calls.emplace_back(d.name, "");
      ASSERT_LT(d.index, said.calls.size());
      said.calls[d.index].second += d.arguments;
    }
  };
  size_t begin = 0;
  for (const size_t cut : cuts) {
    take(parser.push(text.substr(begin, cut - begin)));
    begin = cut;
  }
  take(parser.push(text.substr(begin)));
  take(parser.finish());
  EXPECT_EQ(parser.calls(), said.calls.size());
  return said;
}

TEST(ToolCalls, AreParsedHoweverTheyAreCut) {
  for (const Written& w : written())
    for (const std::string before : {"", "I look. <tool", "<"}) {
      const bool at_start = tool_call_form(w.chat_template)->at_start;
      if (at_start && !before.empty()) continue;
      const std::string text = before + w.text;
      Rng rng{{7, text.size()}};
      for (int i = 0; i < 200; ++i) {
        std::vector<size_t> cuts;
        for (size_t at = 1; at < text.size(); ++at)
          if (i == 0 || rng.below(3) == 0) cuts.push_back(at);  // once byte by byte
        const Said said = parsed(w.chat_template, text, cuts);
        ASSERT_EQ(said.text, before);
        ASSERT_EQ(said.calls.size(), at_start ? 1u : 2u);
        ASSERT_EQ(said.calls[0], (std::pair<std::string, std::string>("get_weather", "{\"city\": \"Tai}pei\"}")));
        if (!at_start) {
          ASSERT_EQ(said.calls[1], (std::pair<std::string, std::string>("add", "{\"a\": [1, {\"b\": 2}]}")));
        }
      }
    }
}

TEST(ToolCalls, TextIsText) {
  for (const Written& w : written())
    for (const char* text : {"", "No call.", "{\"name\"", "<tool_calls>", "{ } <｜tool▁calls", "[1]"}) {
      const Said said = parsed(w.chat_template, text, {});
      EXPECT_EQ(said.text, text);
      EXPECT_TRUE(said.calls.empty());
    }
  EXPECT_EQ(tool_call_form("{{ messages }}"), std::nullopt);
  EXPECT_TRUE(takes_argument_objects(kV31) && takes_argument_objects(kQwen) && takes_argument_objects(kLlama));
  EXPECT_FALSE(takes_argument_objects(kV3));
  for (const char* objects :
       {"tool['function']['arguments']|tojson", "tool[\"arguments\"] |tojson", "(call.arguments)| tojson",
        "tool['function']['arguments'] | tojson", "call.arguments|items", "arguments is defined … arguments | tojson"})
    EXPECT_TRUE(takes_argument_objects(objects)) << objects;
  for (const char* text : {"tool['function']['arguments']", "{{ arguments }} | tojson", "arguments", "tools | tojson"})
    EXPECT_FALSE(takes_argument_objects(text)) << text;
}

Json tools() {
  return Json::parse(R"([
      {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object",
       "properties": {"city": {"type": "string", "maxLength": 10}, "days": {"type": "integer", "minimum": 1, "maximum": 9}}, "required": ["city"]}}},
      {"type": "function", "function": {"name": "add"}},
      {"type": "function", "function": {"name": "odd", "parameters": {"type": "object", "properties": {"x": {"pattern": "a"}}}}}])");
}

// A text of the grammar by chance; brackets and quotes are liked, so that it ends.
std::string walk(const Grammar& g, uint64_t seed) {
  Matcher m(g);
  Rng rng{{seed, 9}};
  std::string text;
  for (int32_t state = m.start(); text.size() < 20'000;) {
    const ByteSet allowed = m.allowed(state);
    if (allowed.none()) return text;
    if (m.accepts(state) && rng.below(20) == 0) return text;
    std::vector<uint8_t> may, ends;
    for (int b = 0; b < 256; ++b)
      if (allowed[size_t(b)]) {
        may.push_back(uint8_t(b));
        if (std::string_view("\"]}").find(char(b)) != std::string_view::npos) ends.push_back(uint8_t(b));
      }
    const auto& from = !ends.empty() && may.size() < 250 && rng.below(3) == 0 ? ends : may;
    text += char(from[rng.below(from.size())]);
    state = m.next(state, uint8_t(text.back()));
  }
  return "";
}

TEST(ToolCalls, WhatTheGrammarWritesIsCallsOfTools) {
  for (const Written& w : written()) {
    const Grammar g = tool_call_grammar(*tool_call_form(w.chat_template), tools(), true);
    std::set<std::string> names;
    int whole = 0;
    for (uint64_t seed = 0; seed < 200; ++seed) {
      const std::string text = walk(g, seed);
      if (text.empty()) continue;
      const Said said = parsed(w.chat_template, text, {});
      ASSERT_EQ(said.text, "") << text;
      ASSERT_FALSE(said.calls.empty()) << text;
      for (const auto& [name, arguments] : said.calls) {
        names.insert(name);
        const Json value = Json::parse(arguments, nullptr, false);
        ASSERT_TRUE(value.is_object()) << text;
        if (name != "get_weather") continue;
        ASSERT_TRUE(value.contains("city")) << text;
        ASSERT_LE(value.value("days", 1), 9);
      }
      ++whole;
    }
    EXPECT_GT(whole, 100);
    EXPECT_EQ(names.size(), 3u);
  }
}

// Text or calls: what templates write is of it, text with what only looks like a call, too; a call of no tool is not.
TEST(ToolCalls, TheGrammarLeavesTextFree) {
  const auto takes = [](const Grammar& g, std::string_view text) {
    Matcher m(g);
    return m.accepts(m.next(m.start(), text));
  };
  Json two = tools();
  for (const Written& w : written()) {
    const ToolCallForm form = *tool_call_form(w.chat_template);
    const Grammar g = tool_call_grammar(form, two, false);
    EXPECT_TRUE(takes(g, "")) << w.chat_template;
    EXPECT_TRUE(takes(g, "No call: <tool, <｜tool, </tool_call> 鲸")) << w.chat_template;
    EXPECT_TRUE(takes(g, w.text)) << w.text;
    if (!form.at_start) {
      EXPECT_TRUE(takes(g, "I look.\n" + w.text));
    }
    EXPECT_FALSE(takes(tool_call_grammar(form, two, true), "No call"));
    std::string other = w.text;
    other.replace(other.find("get_weather"), 11, "format_disk");
    EXPECT_FALSE(takes(g, other));
    other = w.text;
    other.replace(other.find("city"), 4, "town");
    EXPECT_FALSE(takes(g, other));
  }
}

}  // namespace
}  // namespace minke
