// What clients ask for: what is read, and how each mistake is named.
#include "serve/generation_request.h"

#include <gtest/gtest.h>

namespace minke {
namespace {

const SamplingSettings kUsual{.temperature = 0.6, .top_p = 0.95};

Json chat(const char* more = "{}") {
  Json body = Json::parse(R"({"messages": [{"role": "user", "content": "hi"}]})");
  body.update(Json::parse(more));
  return body;
}

TEST(ChatRequests, SayNothingAndGetWhatIsUsual) {
  const ChatRequest r = read_chat_request(chat(), kUsual);
  EXPECT_EQ(r.sampling.temperature, 0.6);
  EXPECT_EQ(r.sampling.top_p, 0.95);
  EXPECT_FALSE(r.seed_given || r.stream || r.include_usage || r.thinking || r.reasoning_budget);
  EXPECT_EQ(r.n, 1);
  EXPECT_EQ(r.max_tokens, 0);
  EXPECT_EQ(r.top_logprobs, -1);
  EXPECT_EQ(r.form, AnswerForm::text);
  // null is as good as nothing, and what is not known counts for nothing.
  const ChatRequest n = read_chat_request(
      chat(R"({"temperature": null, "stop": null, "tools": null, "user": "me", "store": true})"), kUsual);
  EXPECT_EQ(n.sampling.temperature, 0.6);
}

TEST(ChatRequests, EveryFieldIsRead) {
  const ChatRequest r = read_chat_request(chat(R"({
      "model": "m", "max_completion_tokens": 9, "temperature": 1.5, "top_p": 0.5, "top_k": 7, "min_p": 0.1, "repetition_penalty": 1.1,
      "presence_penalty": -1, "frequency_penalty": 2, "n": 3, "stop": ["a", "b"], "seed": -4, "logprobs": true, "top_logprobs": 5,
      "logit_bias": {"12": -100, "7": 3.5}, "stream": true, "stream_options": {"include_usage": true}, "reasoning_budget": 30,
      "chat_template_kwargs": {"enable_thinking": false, "x": 1}, "tool_choice": "none"})"),
                                          kUsual);
  EXPECT_EQ(r.model, "m");
  EXPECT_EQ(r.max_tokens, 9);
  const SamplingSettings& s = r.sampling;
  EXPECT_EQ(s.temperature, 1.5);
  EXPECT_EQ(s.top_p, 0.5);
  EXPECT_EQ(s.top_k, 7);
  EXPECT_EQ(s.min_p, 0.1);
  EXPECT_EQ(s.repetition_penalty, 1.1);
  EXPECT_EQ(s.presence_penalty, -1);
  EXPECT_EQ(s.frequency_penalty, 2);
  EXPECT_EQ(s.seed, uint64_t(-4));
  EXPECT_TRUE(r.seed_given && r.stream && r.include_usage);
  EXPECT_EQ(s.logit_bias, (std::vector<std::pair<int32_t, double>>{{12, -100}, {7, 3.5}}));
  EXPECT_EQ(r.n, 3);
  EXPECT_EQ(r.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(r.top_logprobs, 5);
  EXPECT_EQ(r.reasoning_budget, 30);
  EXPECT_EQ(r.thinking, false);
  EXPECT_EQ(r.template_variables["x"], 1);
  EXPECT_EQ(r.tool_choice, ToolChoice::none);
  EXPECT_EQ(read_chat_request(chat(R"({"thinking": {"type": "enabled"}})"), kUsual).thinking, true);
  EXPECT_EQ(read_chat_request(chat(R"({"top_k": -1})"), kUsual).sampling.top_k, 0);
  EXPECT_GT(read_chat_request(chat(R"({"top_p": 0})"), kUsual).sampling.top_p, 0);
  EXPECT_EQ(read_chat_request(chat(R"({"logprobs": true})"), kUsual).top_logprobs, 0);
  EXPECT_EQ(read_chat_request(chat(R"({"stop": "x"})"), kUsual).stop.size(), 1u);
}

TEST(ChatRequests, MessagesAreAsTemplatesTakeThem) {
  const Json m = read_messages(Json::parse(R"([
      {"role": "developer", "content": "be brief"},
      {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "name": "ann"},
      {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}}]},
      {"role": "tool", "tool_call_id": "c1", "content": "2"},
      {"role": "assistant", "content": "yes", "reasoning_content": "hm"}])"));
  EXPECT_EQ(m[0], (Json{{"role", "system"}, {"content", "be brief"}}));
  EXPECT_EQ(m[1], (Json{{"role", "user"}, {"content", "a\nb"}, {"name", "ann"}}));
  EXPECT_EQ(m[2]["content"], nullptr);
  EXPECT_EQ(m[2]["tool_calls"][0]["function"]["arguments"], "{\"x\":1}");
  EXPECT_EQ(m[2]["tool_calls"][0]["id"], "c1");
  EXPECT_EQ(m[3]["tool_call_id"], "c1");
  EXPECT_EQ(m[4]["reasoning_content"], "hm");
}

// What front ends send whose settings are off.
TEST(ChatRequests, TakesWhatClientsSend) {
  const auto read = [](const char* more) { return read_chat_request(chat(more), kUsual); };
  EXPECT_EQ(read(R"({"logprobs": false, "top_logprobs": 0})").top_logprobs, -1);
  EXPECT_EQ(read(R"({"max_tokens": -1})").max_tokens, 0);
  EXPECT_TRUE(read(R"({"stop": ""})").stop.empty());
  EXPECT_EQ(read(R"({"stop": ["", "a"]})").stop, std::vector<std::string>{"a"});
  EXPECT_EQ(read(R"({"n": 2, "temperature": 0})").n, 2);
  read(R"({"parallel_tool_calls": true, "store": false, "metadata": {"a": "b"}, "service_tier": "auto", "user": "me",
           "reasoning_effort": "high", "modalities": ["text"], "prediction": null, "safety_identifier": "x", "prompt_cache_key": "k",
           "verbosity": "low", "functions": null, "function_call": null, "audio": null, "web_search_options": {}})");
  const Json m =
      read_messages(Json::parse(R"([{"role": "assistant", "content": "x", "function_call": null, "refusal": null,
      "tool_calls": null, "audio": null, "annotations": []}])"));
  EXPECT_EQ(m[0], (Json{{"role", "assistant"}, {"content", "x"}}));
}

TEST(ChatRequests, MistakesAreNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"temperature": "hot"})", "temperature is to be a number from 0 to 100, not \"hot\""},
      {R"({"temperature": 101})", "temperature"},
      {R"({"top_p": 1.5})", "top_p"},
      {R"({"top_k": 0.5})", "top_k is to be a whole number"},
      {R"({"seed": 18446744073709551615})", "seed is to be a whole number"},
      {R"({"n": 0})", "n is to be a whole number from 1 to 64"},
      {R"({"max_tokens": 0})", "max_tokens"},
      {R"({"stop": ["a", 1]})", "stop is to be a text"},
      {R"({"stop": ["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"]})",
       "stop has 17 texts"},
      {R"({"logit_bias": [1]})", "logit_bias is to be an object"},
      {R"({"logit_bias": {"x": 1}})", "logit_bias: x: 1 is no token id"},
      {R"({"logit_bias": {"1": 101}})", "logit_bias: 1: 101"},
      {R"({"top_logprobs": 3})", "top_logprobs needs logprobs: true"},
      {R"({"logprobs": true, "top_logprobs": 21})", "top_logprobs is to be a whole number from 0 to 20"},
      {R"({"stream_options": {"include_usage": true}})", "stream_options is for stream: true"},
      {R"({"stream": 1})", "stream is to be true or false"},
      {R"({"response_format": "json"})", "response_format.type is to be text"},
      {R"({"response_format": {"type": "json_schema"}})", "needs json_schema.schema"},
      {R"({"messages": "hi"})", "messages is to be a list"},
      {R"({"messages": [1]})", "messages[0].role"},
      {R"({"messages": [{"role": "user"}]})", "messages[0] has no content"},
      {R"({"messages": [{"role": "user", "content": 3}]})", "messages[0].content"},
      {R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})", "this model reads text alone"},
      {R"({"messages": [{"role": "assistant", "content": "", "tool_calls": [{}]}]})",
       "tool_calls[0] needs function.name"},
      {R"({"tools": [{"type": "function"}]})", "tools[0] is to be"},
      {R"({"tools": [{"type": "function", "function": {"name": "a b"}}]})", "tools[0] is to be"},
      {R"({"tools": [{"type": "function", "function": {"name": "f"}}, {"type": "function", "function": {"name": "f"}}]})",
       "f is there twice"},
      {R"({"tool_choice": "required"})", "there are no tools"},
      {R"({"tool_choice": {"type": "function", "function": {"name": "g"}}})", "g is none of the tools"},
      {R"({"tool_choice": "maybe"})", "tool_choice is to be none, auto"},
      {R"({"thinking": true})", "thinking is to be"},
      {R"({"chat_template_kwargs": []})", "chat_template_kwargs is to be an object"},
      {R"({"reasoning_budget": -2})", "reasoning_budget"},
  };
  for (const auto& [more, expected] : cases) {
    std::string said;
    try {
      read_chat_request(chat(more), kUsual);
    } catch (const ApiError& e) {
      said = e.what();
      EXPECT_EQ(e.status, 400);
      EXPECT_FALSE(e.param.empty()) << more;
      EXPECT_EQ(to_json(e)["error"]["param"], e.param);
    }
    EXPECT_NE(said.find(expected), std::string::npos) << more << "\n" << said;
  }
}

TEST(CompletionRequests, TakeTextsAndIds) {
  const auto read = [](const char* text) { return read_completion_request(Json::parse(text), kUsual); };
  EXPECT_EQ(std::get<std::string>(read(R"({"prompt": "a"})").prompts.at(0)), "a");
  EXPECT_EQ(read(R"({"prompt": "a"})").max_tokens, 16);
  EXPECT_EQ(read(R"({"prompt": ["a", [1, 2]]})").prompts.size(), 2u);
  EXPECT_EQ(std::get<std::vector<int32_t>>(read(R"({"prompt": [3, 4]})").prompts.at(0)), (std::vector<int32_t>{3, 4}));
  EXPECT_EQ(read(R"({"prompt": "a", "logprobs": 2, "best_of": 1})").top_logprobs, 2);
  EXPECT_EQ(read(R"({"prompt": "a", "logprobs": false})").top_logprobs, -1);
  EXPECT_EQ(read(R"({"prompt": "a", "logprobs": null, "echo": true})").top_logprobs, -1);
  EXPECT_EQ(read(R"({"prompt": "a", "max_tokens": -1})").max_tokens, 0);
  for (const char* bad :
       {R"({})", R"({"prompt": []})", R"({"prompt": [[-1]]})", R"({"prompt": [1, "a"]})", R"({"prompt": 3})",
        R"({"prompt": "a", "logprobs": 0, "echo": true})", R"({"prompt": "a", "logprobs": true})",
        R"({"prompt": "a", "suffix": "b"})", R"({"prompt": "a", "best_of": 5})", R"({"prompt": [{}]})", R"([])"})
    EXPECT_THROW(read(bad), ApiError) << bad;
}

}  // namespace
}  // namespace minke
