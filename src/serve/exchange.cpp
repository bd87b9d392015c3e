#include "serve/exchange.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include "serve/json_text.h"

namespace minke {
namespace {

Json bytes_of(std::string_view text) {
  Json list = Json::array();
  for (const char c : text) list.push_back(int(uint8_t(c)));
  return list;
}

}  // namespace

Exchange::Exchange(const Tokenizer& tokenizer, Settings settings, const std::vector<int64_t>& prompt_tokens, int64_t n,
                   std::vector<std::string> echoes)
    : tokenizer_(&tokenizer),
      settings_(std::move(settings)),
      prompt_tokens_(prompt_tokens),
      n_(n),
      echoes_(std::move(echoes)),
      open_(prompt_tokens.size() * size_t(n)) {
  settings_.text.splits_thoughts = settings_.is_chat;
  settings_.text.with_logprobs = settings_.top_logprobs >= 0;
  for (size_t i = 0; i < open_; ++i) answers_.push_back({.text = AnswerText(tokenizer, settings_.text)});
}

std::string Exchange::event(const Json& json) const { return "data: " + json_text(json) + "\n\n"; }

Json Exchange::head(const char* object) const {
  return {{"id", settings_.id}, {"object", object}, {"created", settings_.created}, {"model", settings_.model}};
}

std::string Exchange::chunk(size_t answer, Json delta, const Json& finish, const Json& logprobs) const {
  Json json = head(settings_.is_chat ? "chat.completion.chunk" : "text_completion");
  Json choice{{"index", answer}};
  if (settings_.is_chat) choice["delta"] = std::move(delta);
  else choice["text"] = delta.value("content", "");
  choice["logprobs"] = logprobs;
  choice["finish_reason"] = finish;
  json["choices"] = Json::array({std::move(choice)});
  if (settings_.include_usage) json["usage"] = nullptr;
  return event(json);
}

std::string Exchange::begin() {
  if (!settings_.stream) return "";
  std::string all;
  for (size_t i = 0; i < answers_.size(); ++i) {
    if (settings_.is_chat) all += chunk(i, {{"role", "assistant"}, {"content", ""}}, nullptr, nullptr);
    else if (!echoes_.empty()) all += chunk(i, {{"content", echoes_[i]}}, nullptr, nullptr);
  }
  return all;
}

Json Exchange::logprobs(Answer& answer, const std::vector<NewToken>& tokens) const {
  Json list = Json::array();
  const auto entry = [&](int32_t id, double log_probability) {
    const std::string_view text = tokenizer_->token_bytes(id);
    return Json{{"token", std::string(text)}, {"logprob", log_probability}, {"bytes", bytes_of(text)}};
  };
  for (const NewToken& t : tokens) {
    Json one = entry(t.token, t.log_probabilities.chosen);
    one["top_logprobs"] = Json::array();
    for (const auto& [id, log_probability] : t.log_probabilities.top)
      one["top_logprobs"].push_back(entry(id, log_probability));
    answer.logprobs.push_back(one);
    list.push_back(std::move(one));
  }
  return list;
}

// OpenAI's older form: lists side by side.
Json Exchange::completion_logprobs(const Json& list) const {
  Json tokens = Json::array(), chosen = Json::array(), top = Json::array();
  for (const Json& one : list) {
    tokens.push_back(one["token"]), chosen.push_back(one["logprob"]);
    Json best = Json::object();
    for (const Json& t : one["top_logprobs"]) best[t["token"].get<std::string>()] = t["logprob"];
    top.push_back(std::move(best));
  }
  return {{"tokens", tokens}, {"token_logprobs", chosen}, {"top_logprobs", top}};
}

// What of it is new, as a delta has it.
Json Exchange::take_calls(size_t i, const std::vector<ToolCallParser::Delta>& deltas) {
  Json all = Json::array();
  Json& calls = answers_[i].calls;
  for (const ToolCallParser::Delta& d : deltas) {
    Json delta{{"index", d.index}};
    if (d.index == calls.size()) {
      const std::string id = fmt::format("call_{}_{}_{}", settings_.id.substr(settings_.id.rfind('-') + 1), i, d.index);
      calls.push_back({{"id", id}, {"type", "function"}, {"function", {{"name", d.name}, {"arguments", ""}}}});
      delta["id"] = id, delta["type"] = "function", delta["function"]["name"] = d.name;
    }
    calls[d.index]["function"]["arguments"].get_ref<std::string&>() += d.arguments;
    delta["function"]["arguments"] = d.arguments;
    all.push_back(std::move(delta));
  }
  return all;
}

std::string Exchange::piece(size_t i, const AnswerText::Piece& p, bool is_last) {
  Answer& a = answers_[i];
  a.thought += p.thought, a.content += p.text;
  const Json calls = take_calls(i, p.calls);
  const Json list = settings_.top_logprobs >= 0 ? logprobs(a, p.tokens) : Json::array();
  if (!settings_.stream || (p.empty() && !is_last)) return "";
  Json delta = Json::object();
  if (!p.thought.empty()) delta["reasoning_content"] = p.thought;
  if (!p.text.empty()) delta["content"] = p.text;
  if (!calls.empty()) delta["tool_calls"] = calls;
  const Json said = list.empty() ? Json() : settings_.is_chat ? Json{{"content", list}} : completion_logprobs(list);
  std::string all;
  if (!delta.empty() || !said.is_null()) all = chunk(i, std::move(delta), nullptr, said);
  return is_last ? all + chunk(i, Json::object(), a.finish, nullptr) : all;
}

std::string Exchange::token(size_t i, const NewToken& t) {
  Answer& a = answers_[i];
  if (!a.finish.empty()) return "";
  last_ = Clock::now();
  if (first_ == Clock::time_point{}) first_ = last_;
  a.known = t.known;
  AnswerText::Piece p = a.text.push(t);
  if (!a.text.stopped() && t.ending == Ending::none) return piece(i, p, false);
  a.finish = a.text.stopped() || t.ending == Ending::stop_token ? "stop" : "length";
  --open_;
  p.append(a.text.finish());
  if (a.finish == "stop" && a.text.calls() > 0) a.finish = "tool_calls";
  return piece(i, p, true);
}

Exchange::Usage Exchange::usage() const {
  Usage u;
  u.prompt = std::accumulate(prompt_tokens_.begin(), prompt_tokens_.end(), int64_t(0));
  for (size_t p = 0; p < prompt_tokens_.size(); ++p) u.cached += answers_[p * size_t(n_)].known;
  for (const Answer& a : answers_) u.completion += a.text.tokens(), u.reasoning += a.text.thought_tokens();
  return u;
}

Json Exchange::usage_json() const {
  const Usage u = usage();
  Json json{{"prompt_tokens", u.prompt},
            {"completion_tokens", u.completion},
            {"total_tokens", u.prompt + u.completion},
            {"prompt_tokens_details", {{"cached_tokens", u.cached}}},
            {"prompt_cache_hit_tokens", u.cached},
            {"prompt_cache_miss_tokens", u.prompt - u.cached}};
  if (settings_.is_chat) json["completion_tokens_details"] = {{"reasoning_tokens", u.reasoning}};
  return json;
}

Json Exchange::timings_json() const {
  const Usage u = usage();
  const auto ms = [](Clock::time_point a, Clock::time_point b) {
    return std::chrono::duration<double, std::milli>(b - a).count();
  };
  const bool answered = first_ != Clock::time_point{};
  const double prompt_ms = answered ? ms(begun_, first_) : 0, answer_ms = answered ? ms(first_, last_) : 0;
  return {{"prompt_n", u.prompt - u.cached},
          {"prompt_ms", prompt_ms},
          {"predicted_n", u.completion},
          {"predicted_ms", answer_ms},
          {"predicted_per_second", answer_ms > 0 ? double(u.completion) * 1000 / answer_ms : 0.0}};
}

std::string Exchange::end() {
  if (settings_.stream) {
    Json json = head(settings_.is_chat ? "chat.completion.chunk" : "text_completion");
    json["choices"] = Json::array();
    json["usage"] = usage_json(), json["timings"] = timings_json();
    return (settings_.include_usage ? event(json) : "") + "data: [DONE]\n\n";
  }
  Json json = head(settings_.is_chat ? "chat.completion" : "text_completion");
  json["choices"] = Json::array();
  for (size_t i = 0; i < answers_.size(); ++i) {
    Answer& a = answers_[i];
    Json choice{{"index", i}};
    if (settings_.is_chat) {
      choice["message"] = {{"role", "assistant"}, {"content", a.content}};
      if (!a.thought.empty()) choice["message"]["reasoning_content"] = a.thought;
      if (!a.calls.empty()) {
        choice["message"]["tool_calls"] = a.calls;
        if (a.content.empty()) choice["message"]["content"] = nullptr;
      }
    } else {
      choice["text"] = (echoes_.empty() ? "" : echoes_[i]) + a.content;
    }
    choice["logprobs"] = settings_.top_logprobs < 0 ? Json()
                         : settings_.is_chat        ? Json{{"content", a.logprobs}}
                                                    : completion_logprobs(a.logprobs);
    choice["finish_reason"] = a.finish;
    json["choices"].push_back(std::move(choice));
  }
  json["usage"] = usage_json(), json["timings"] = timings_json();
  return json_text(json);
}

}  // namespace minke
