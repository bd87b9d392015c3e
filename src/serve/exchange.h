// One request and its answers on the way out: from tokens to the JSON of OpenAI's API, whole or as server-sent events with the same text.
// Knows neither sockets nor the engine. Test: tests/serve/exchange_test.cpp.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/clock.h"
#include "serve/answer_text.h"

namespace minke {

class Exchange {
 public:
  struct Settings {
    bool is_chat = true, stream = false, include_usage = false;
    std::string id, model;  // "chatcmpl-…"; as the client calls it
    int64_t created = 0;    // unix time
    int64_t top_logprobs = -1;
    AnswerText::Settings text;
  };
  // prompt_tokens: of each answer's prompt; of `n` answers to each prompt one after the other. echoes: of each answer the text that comes
  // before its own.
  Exchange(const Tokenizer& tokenizer, Settings settings, const std::vector<int64_t>& prompt_tokens, int64_t n,
           std::vector<std::string> echoes = {});

  bool streams() const { return settings_.stream; }
  size_t answers() const { return answers_.size(); }
  bool is_over(size_t answer) const { return !answers_[answer].finish.empty(); }
  bool is_over() const { return open_ == 0; }

  // Each returns what is to be sent now, "" if nothing is: server-sent events, or nothing but at the end.
  std::string begin();
  std::string token(size_t answer, const NewToken& token);  // is_over(answer) afterwards: by its ending, or a stop text
  std::string end();                                        // all are over: the rest, or the whole body

  struct Usage {
    int64_t prompt = 0, cached = 0, completion = 0, reasoning = 0;
  };
  Usage usage() const;
  const std::string& finish_reason(size_t answer) const { return answers_[answer].finish; }

 private:
  struct Answer {
    AnswerText text;
    std::string thought, content, finish;
    Json logprobs = Json::array(), calls = Json::array();
    int64_t known = 0;
  };
  std::string piece(size_t answer, const AnswerText::Piece& piece, bool is_last);
  std::string chunk(size_t answer, Json delta, const Json& finish, const Json& logprobs) const;
  Json logprobs(Answer& answer, const std::vector<NewToken>& tokens) const;
  Json take_calls(size_t answer, const std::vector<ToolCallParser::Delta>& calls);
  Json completion_logprobs(const Json& list) const;
  Json head(const char* object) const;
  Json usage_json() const;
  Json timings_json() const;
  std::string event(const Json& json) const;

  const Tokenizer* tokenizer_;
  Settings settings_;
  std::vector<Answer> answers_;
  std::vector<int64_t> prompt_tokens_;  // of the prompts
  int64_t n_;
  std::vector<std::string> echoes_;
  size_t open_;
  Clock::time_point begun_ = Clock::now(), first_{}, last_{};
};

}  // namespace minke
