#include "serve/tool_calls.h"

#include <nlohmann/json.hpp>

#include "core/begun_at_end.h"
#include "core/error.h"
#include "structured/json_schema.h"

namespace minke {

std::optional<ToolCallForm> tool_call_form(std::string_view t) {
  const auto has = [&](std::string_view text) { return t.find(text) != t.npos; };
  if (has("<｜tool▁calls▁begin｜>") && has("```json"))  // V3 and R1 write the kind of the tool, and a block of code
    return ToolCallForm{.block_begin = "<｜tool▁calls▁begin｜>",
                        .call_begin = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
                        .then = "\n```json\n",
                        .call_end = "\n```<｜tool▁call▁end｜>",
                        .between = "\n",
                        .block_end = "<｜tool▁calls▁end｜>"};
  if (has("<｜tool▁calls▁begin｜>"))
    return ToolCallForm{.block_begin = "<｜tool▁calls▁begin｜>",
                        .call_begin = "<｜tool▁call▁begin｜>",
                        .then = "<｜tool▁sep｜>",
                        .call_end = "<｜tool▁call▁end｜>",
                        .between = "",
                        .block_end = "<｜tool▁calls▁end｜>"};
  if (has("<tool_call>"))
    return ToolCallForm{.block_begin = "<tool_call>\n",
                        .call_begin = "{\"name\": \"",
                        .then = "\", \"arguments\": ",
                        .call_end = "}\n</tool_call>",
                        .between = "\n<tool_call>\n",
                        .block_end = ""};
  if (has("\"parameters\": ") && has("<|python_tag|>"))
    return ToolCallForm{.block_begin = "",
                        .call_begin = "{\"name\": \"",
                        .then = "\", \"parameters\": ",
                        .call_end = "}",
                        .between = "",
                        .block_end = "",
                        .several = false,
                        .at_start = true};
  return std::nullopt;
}

bool takes_argument_objects(std::string_view t) {
  // However the member is written, and with blanks at the bar or without.
  for (size_t at = 0; (at = t.find("arguments", at)) != t.npos;) {
    std::string_view behind = t.substr(at += std::string_view("arguments").size());
    const auto skip = [&](std::string_view signs) {
      const size_t first = behind.find_first_not_of(signs);
      behind.remove_prefix(first == behind.npos ? behind.size() : first);
    };
    skip("'\"])"), skip(" ");
    if (!behind.starts_with("|")) continue;
    behind.remove_prefix(1), skip(" ");
    if (behind.starts_with("tojson") || behind.starts_with("items")) return true;
  }
  return false;
}

bool asks_for_none(std::string_view t) {
  for (const std::string_view member : {"content'] is", "content\"] is", ".content is"})
    for (const std::string_view none : {" none", " not none"})
      if (t.find(std::string(member).append(none)) != t.npos) return true;
  return false;
}

Grammar tool_call_grammar(const ToolCallForm& form, const Json& tools, bool must_call) {
  using Sequence = Grammar::Sequence;
  JsonGrammar json;
  const auto literal = [&](const std::string& text) { return json.grammar.literal(text); };
  std::vector<Sequence> calls;  // of each tool, behind what begins a call
  for (const Json& tool : tools) {
    const Json& f = tool.at("function");
    int32_t arguments = -1;
    if (const auto schema = f.find("parameters"); schema != f.end() && schema->is_object()) {
      try {
        JsonGrammar tried;  // what is refused half-way would leave its parts behind
        json_schema_rule(tried, *schema);
        arguments = json_schema_rule(json, *schema);
      } catch (const UserError&) {  // any object, then
      }
    }
    if (arguments < 0) arguments = json.object();
    calls.push_back(json.sequence(
        {literal(f.at("name").get<std::string>() + form.then), json.one(arguments), literal(form.call_end)}));
  }
  const int32_t call = json.any_of(std::move(calls));
  // Behind the opening: a call, and maybe more.
  const int32_t more = json.any_of({literal(form.block_end)});
  if (form.several)
    json.grammar.add_alternative(
        more, json.sequence({literal(form.between + form.call_begin), json.one(call), json.one(more)}));
  const Sequence block = json.sequence({json.one(call), json.one(more)});
  if (must_call) {
    json.set_root(json.sequence({literal(form.opening()), block}));
  } else if (form.at_start) {
    json.set_root(json.sequence({literal(form.opening()), block}));
    ByteSet other;
    other.set();
    other.reset(uint8_t(form.opening()[0]));
    const int32_t rest = json.repeated({json.grammar.one_of(ByteSet().set())}, 0, {});
    json.set_root(json.sequence({{json.grammar.one_of(other)}, json.one(rest)}));
    json.set_root(Sequence{});
  } else {
    // The block alone decides, not what begins a call behind it: a model that has opened it must go on with it.
    const std::string trigger = form.block_begin;
    json.set_root(json.one(json.text_until(trigger, json.sequence({literal(form.call_begin), block}))));
  }
  return std::move(json.grammar);
}

bool ToolCallParser::step(Piece& piece) {
  const auto take = [&](const std::string& literal) {  // nothing yet, or it is there
    if (!held_.starts_with(literal)) return false;
    held_.erase(0, literal.size());
    return true;
  };
  switch (state_) {
    case State::start:
      if (!form_.at_start) {
        state_ = State::text;
        return true;
      }
      if (take(form_.opening())) {
        state_ = State::name;
        return true;
      }
      if (form_.opening().starts_with(held_)) return false;
      state_ = State::over;
      return true;
    case State::text: {
      const std::string opening = form_.opening();
      if (const size_t at = held_.find(opening); at != held_.npos) {
        piece.text += held_.substr(0, at);
        held_.erase(0, at + opening.size());
        state_ = State::name;
        return true;
      }
      const size_t certain = held_.size() - begun_at_end(held_, opening);
      piece.text += held_.substr(0, certain);
      held_.erase(0, certain);
      return false;
    }
    case State::name: {
      const size_t at = held_.find(form_.then);
      if (at == held_.npos) return false;
      piece.calls.push_back({.index = calls_++, .name = held_.substr(0, at), .arguments = ""});
      held_.erase(0, at + form_.then.size());
      state_ = State::arguments, depth_ = 0, in_string_ = escaped_ = false;
      return true;
    }
    case State::arguments: {
      // To the bracket that closes them; what the model writes in texts does not count.
      size_t n = 0;
      bool over = false;
      for (; n < held_.size() && !over; ++n) {
        const char c = held_[n];
        if (escaped_) escaped_ = false;
        else if (in_string_ && c == '\\') escaped_ = true;
        else if (c == '"') in_string_ = !in_string_;
        else if (!in_string_ && (c == '{' || c == '[')) ++depth_;
        else if (!in_string_ && (c == '}' || c == ']')) over = --depth_ <= 0;
      }
      if (n > 0) piece.calls.push_back({.index = calls_ - 1, .name = "", .arguments = held_.substr(0, n)});
      held_.erase(0, n);
      if (!over) return false;
      state_ = State::behind;
      return true;
    }
    case State::behind: {
      const std::string next = form_.call_end + form_.between + form_.call_begin;
      if (form_.several && take(next)) {
        state_ = State::name;
        return true;
      }
      const std::string end = form_.call_end + form_.block_end;
      if ((form_.several && next.starts_with(held_)) || end.starts_with(held_)) return false;
      take(end);
      state_ = State::over;
      return true;
    }
    case State::over:
      piece.text += held_;
      held_.clear();
      return false;
  }
  return false;
}

ToolCallParser::Piece ToolCallParser::push(std::string_view text) {
  held_ += text;
  Piece piece;
  while (step(piece)) {
  }
  return piece;
}

ToolCallParser::Piece ToolCallParser::finish() {
  Piece piece;
  if (state_ == State::start || state_ == State::text) piece.text = held_;
  held_.clear();
  return piece;
}

}  // namespace minke
