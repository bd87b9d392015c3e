// The API from outside, over sockets, with a scripted engine: what is asked decides what the script says.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/files.h"
#include "serve/api_fixture.h"
#include "support/shared_files.h"

namespace minke {
namespace {

using namespace test;
using namespace std::chrono_literals;

// Addresses as clients are given them.
TEST_F(ApiServers, IsAskedWithAndWithoutV1) {
  start();
  const std::string body = R"({"messages": [{"role": "user", "content": "q"}]})";
  for (const char* path : {"/v1/chat/completions", "/v1/chat/completions/", "/chat/completions", "/chat/completions/"})
    EXPECT_EQ(ask("POST", path, body).status, 200) << path;
  EXPECT_EQ(get("/models").json()["data"][0]["id"], "tiny");
  EXPECT_EQ(get("/v1/models/").json()["data"][0]["id"], "tiny");
  EXPECT_EQ(ask("POST", "/chat", body).status, 404);
  EXPECT_NE(ask("GET", "/v1/chat/completions", "").body.find("is asked with POST, not with GET"), std::string::npos);
}

// A form begins at once, unless the model is one that thinks: then a thought may come first, if it is not told not to.
TEST_F(ApiServers, AFormLeavesRoomForAThoughtOnlyWhereTheModelThinks) {
  bool may = false;
  engine_.answer = [&](const Request& r) {
    std::vector<float> logits(size_t(source_.tokenizer.vocab_size()), 0);
    r.constrain({}, logits);
    may = std::isfinite(logits[size_t(source_.tokenizer.encode("<think>")[0])]);
    return script_;
  };
  const auto may_think = [&](const Json& more) {
    Json body{{"messages", {{{"role", "user"}, {"content", "q"}}}}, {"response_format", {{"type", "json_object"}}}};
    body.update(more);
    EXPECT_EQ(ask("POST", "/v1/chat/completions", body.dump()).status, 200);
    return may;
  };
  const std::string_view text[] = {"abc"};
  source_ = test::ChatFixture::source_of("{% for m in messages %}{{ m.content }}{% endfor %}");
  source_.tokenizer = train_bpe(text, {.vocab_size = 300, .special_tokens = {"<bos>", "<eos>"}});
  say("{}");
  start();
  EXPECT_FALSE(may_think(Json::object()));
  stop();
  source_ = test::ChatFixture::source_of(
      "{% for m in messages %}{{ m.content }}{% endfor %}");  // its tokenizer knows the tags
  say("{}");
  start();
  EXPECT_TRUE(may_think(Json::object()));
  stop();
  source_ = test::ChatFixture::source_of(test::kChatTemplate);
  say("{}");
  start();
  EXPECT_FALSE(may_think({{"thinking", {{"type", "disabled"}}}}));
}

TEST_F(ApiServers, AnswersAChat) {
  engine_.known = 3;
  start();
  const Answer a = chat();
  ASSERT_EQ(a.status, 200) << a.body;
  const Json j = a.json();
  EXPECT_EQ(j["object"], "chat.completion");
  EXPECT_EQ(j["model"], "tiny");
  EXPECT_EQ(j["choices"].size(), 1u);
  EXPECT_EQ(j["choices"][0]["message"], (Json{{"role", "assistant"}, {"content", "Hello, you."}}));
  EXPECT_EQ(j["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(j["choices"][0]["logprobs"], nullptr);
  const int64_t prompt = int64_t(source_.tokenizer.encode("<bos>u:hi|a:").size());
  EXPECT_EQ(j["usage"]["prompt_tokens"], prompt);
  EXPECT_EQ(j["usage"]["completion_tokens"], script_.size());
  EXPECT_EQ(j["usage"]["total_tokens"], prompt + int64_t(script_.size()));
  EXPECT_EQ(j["usage"]["prompt_tokens_details"]["cached_tokens"], 3);
  EXPECT_EQ(j["usage"]["prompt_cache_hit_tokens"], 3);
  EXPECT_EQ(j["usage"]["prompt_cache_miss_tokens"], prompt - 3);
  EXPECT_EQ(metric("minke_requests_total{end=\"stop\"}"), "1");
  EXPECT_EQ(metric("minke_answer_tokens_total"), std::to_string(script_.size()));
}

// The same text as a stream as at once, thoughts apart, whatever is cut where.
TEST_F(ApiServers, StreamsTheSameText) {
  for (const auto& [said, thought, content] :
       std::vector<std::array<std::string, 3>>{{"Hello, you.", "", "Hello, you."},
                                               {"<think>\nI greet.</think>\n\nHello 鲸!", "\nI greet.", "Hello 鲸!"},
                                               {"<think>no end", "no end", ""},
                                               {"no </think> here", "", "no </think> here"}}) {
    say(said);
    start();
    const Json whole = chat().json()["choices"][0]["message"];
    EXPECT_EQ(whole["content"], content);
    EXPECT_EQ(whole.value("reasoning_content", ""), thought);
    const Answer a = chat({{"stream", true}, {"stream_options", {{"include_usage", true}}}});
    EXPECT_NE(a.head.find("text/event-stream"), std::string::npos);
    std::string streamed, thoughts, finish, role;
    const std::vector<Json> all = events(a.body);
    for (const Json& e : all) {
      EXPECT_EQ(e["object"], "chat.completion.chunk");
      EXPECT_EQ(e["id"], all[0]["id"]);
      for (const Json& c : e["choices"]) {
        streamed += c["delta"].value("content", ""), thoughts += c["delta"].value("reasoning_content", "");
        if (c["delta"].contains("role")) role = c["delta"]["role"];
        if (!c["finish_reason"].is_null()) finish = c["finish_reason"];
      }
    }
    EXPECT_EQ(streamed, content);
    EXPECT_EQ(thoughts, thought);
    EXPECT_EQ(finish, "stop");
    EXPECT_EQ(role, "assistant");
    EXPECT_TRUE(all.back()["choices"].empty());
    EXPECT_EQ(all.back()["usage"]["completion_tokens"], script_.size());
    if (!thought.empty()) {
      EXPECT_GT(all.back()["usage"]["completion_tokens_details"]["reasoning_tokens"], 3);
    }
    stop();
  }
}

TEST_F(ApiServers, EndsWhereItIsAskedTo) {
  say("one two three", false);  // again and again, until it is cancelled
  settings_.model.context = engine_.engine_settings.max_context = 10'000'000;
  engine_.step_time = 1ms;
  start();
  const Json at_two = chat({{"stop", {"x", "two"}}}).json();
  EXPECT_EQ(at_two["choices"][0]["message"]["content"], "one ");
  EXPECT_EQ(at_two["choices"][0]["finish_reason"], "stop");
  EXPECT_TRUE(soon([&] { return engine_.cancelled == 1; }));
  say("one two three");
  engine_.step_time = 0us;
  const Json cut = chat({{"max_tokens", 3}}).json();
  EXPECT_EQ(cut["choices"][0]["message"]["content"], "one");
  EXPECT_EQ(cut["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(cut["usage"]["completion_tokens"], 3);
  // What may be the beginning of a stop text is held back, and given at the end.
  EXPECT_EQ(chat({{"stop", "three!"}}).json()["choices"][0]["message"]["content"], "one two three");
}

// An agent's "\nObservation" is for what is said: a model may think the word.
TEST_F(ApiServers, StopTextsAreOfAnswersNotOfThoughts) {
  for (const char* stop : {"\nObs", "b", "</", "k>", "\n"}) {
    say("<think>a\nObs, b\n</think>\n\nI look.\nObs: 1");
    start();
    const Json at_once = chat({{"stop", stop}}).json()["choices"][0];
    EXPECT_EQ(at_once["message"]["reasoning_content"], "a\nObs, b\n") << stop;
    const bool is_said = std::string_view("I look.\nObs: 1").find(stop) != std::string_view::npos;
    const std::string content = !is_said ? "I look.\nObs: 1" : *stop == 'b' ? "I look.\nO" : "I look.";
    EXPECT_EQ(at_once["message"]["content"], content) << stop;
    EXPECT_EQ(at_once["finish_reason"], "stop");
    ApiServers::stop();
  }
}

TEST_F(ApiServers, GivesSeveralAnswersAndLogprobs) {
  say("ab");
  std::vector<uint64_t> indices;
  engine_.answer = [&](const Request& r) {
    indices.push_back(r.sample_index);
    EXPECT_EQ(r.sampling.seed, 7u);
    return script_;
  };
  start();
  const Json j = chat({{"n", 3}, {"seed", 7}, {"logprobs", true}, {"top_logprobs", 2}}).json();
  ASSERT_EQ(j["choices"].size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(j["choices"][i]["index"], i);
    const Json& list = j["choices"][i]["logprobs"]["content"];
    ASSERT_EQ(list.size(), script_.size() - 1);  // not of the token that ends it
    EXPECT_EQ(list[0]["logprob"], -0.5);
    EXPECT_EQ(list[0]["top_logprobs"].size(), 2u);
    EXPECT_EQ(list[0]["bytes"].size(), list[0]["token"].get<std::string>().size());
  }
  std::sort(indices.begin(), indices.end());
  EXPECT_EQ(indices, (std::vector<uint64_t>{0, 1, 2}));
  EXPECT_EQ(j["usage"]["completion_tokens"], 3 * script_.size());
}

TEST_F(ApiServers, ContinuesTexts) {
  say(" more");
  std::vector<std::string> prompts;
  engine_.answer = [&](const Request& r) {
    prompts.push_back(source_.tokenizer.decode(r.prompt));
    EXPECT_EQ(r.max_new, 16);
    return script_;
  };
  start();
  const Json one = post("/v1/completions", {{"prompt", "Once"}, {"echo", true}}).json();
  EXPECT_EQ(one["object"], "text_completion");
  EXPECT_EQ(one["choices"][0]["text"], "Once more");
  const Json said = post("/v1/completions", {{"prompt", "Once"}, {"logprobs", 1}}).json();
  EXPECT_EQ(said["choices"][0]["logprobs"]["token_logprobs"][0], -0.5);
  EXPECT_TRUE(prompts[0].ends_with("Once"));
  const Json two = post("/v1/completions", {{"prompt", {"a", "b"}}, {"n", 2}, {"temperature", 1}}).json();
  EXPECT_EQ(two["choices"].size(), 4u);
  const Json ids = post("/v1/completions", {{"prompt", source_.tokenizer.encode("xyz")}}).json();
  EXPECT_EQ(prompts.back(), "xyz");
  EXPECT_EQ(ids["choices"][0]["text"], " more");
  std::string streamed;
  for (const Json& e : events(post("/v1/completions", {{"prompt", "Once"}, {"stream", true}}).body))
    streamed += e["choices"][0]["text"].get<std::string>();
  EXPECT_EQ(streamed, " more");
}

// A model of Qwen's form: the calls come apart from the text, at once and streamed.
TEST_F(ApiServers, CallsTools) {
  source_ = test::ChatFixture::source_of(
      "{% if tools %}<tool_call>{{ tools[0].function.name }}{% endif %}{% for m in messages %}{{ m.role[0] }}:{{ "
      "m.content }}"
      "{% for c in m.tool_calls %}{{ c.function.arguments | tojson }}{% endfor %}|{% endfor %}a:");
  say("<think>hm</think>I look.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>");
  std::vector<Request> asked;
  engine_.answer = [&](const Request& r) {
    asked.push_back(r);
    return script_;
  };
  settings_.model.context = engine_.engine_settings.max_context = 1000;
  start();
  const Json tools = Json::parse(
      R"([{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}}}}])");
  const Json choice = chat({{"tools", tools}}).json()["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_EQ(choice["message"]["content"], "I look.\n");
  EXPECT_EQ(choice["message"]["reasoning_content"], "hm");
  ASSERT_EQ(choice["message"]["tool_calls"].size(), 1u);
  EXPECT_EQ(choice["message"]["tool_calls"][0]["function"], (Json{{"name", "f"}, {"arguments", "{\"x\": 1}"}}));
  EXPECT_TRUE(source_.tokenizer.decode(asked.back().prompt).find("<tool_call>f") != std::string::npos);
  EXPECT_TRUE(bool(asked.back().constrain));
  std::string name, arguments, content, finish, id;
  for (const Json& e : events(chat({{"tools", tools}, {"stream", true}}).body)) {
    const Json& c = e["choices"][0];
    content += c["delta"].value("content", "");
    if (!c["finish_reason"].is_null()) finish = c["finish_reason"];
    if (!c["delta"].contains("tool_calls")) continue;
    const Json& call = c["delta"]["tool_calls"][0];
    EXPECT_EQ(call["index"], 0);
    id += call.value("id", ""), name += call["function"].value("name", ""),
        arguments += call["function"].value("arguments", "");
  }
  EXPECT_EQ(name, "f");
  EXPECT_EQ(arguments, "{\"x\": 1}");
  EXPECT_EQ(content, "I look.\n");
  EXPECT_EQ(finish, "tool_calls");
  EXPECT_TRUE(id.starts_with("call_"));
  // The next turn: arguments as the template takes them, an object.
  const Json turns =
      Json::parse(R"([{"role": "user", "content": "q"}, {"role": "assistant", "content": null, "tool_calls":
      [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}}]}, {"role": "tool", "tool_call_id": "c", "content": "2"}])");
  EXPECT_EQ(chat({{"messages", turns}, {"tools", tools}}).status, 200);
  EXPECT_TRUE(source_.tokenizer.decode(asked.back().prompt).find("{\"x\": 1}") != std::string::npos)
      << source_.tokenizer.decode(asked.back().prompt);
  // Only a call may come, if one must.
  say("<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>");
  Json must = chat({{"tools", tools}, {"tool_choice", "required"}}).json()["choices"][0];
  EXPECT_EQ(must["message"]["content"], nullptr);
  // Behind a thought that a budget has ended.
  const std::string call = "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>";
  say("<think>hm\n</think>\n\n" + call);
  must = chat({{"tools", tools}, {"tool_choice", "required"}, {"reasoning_budget", 2}}).json()["choices"][0];
  EXPECT_EQ(must["finish_reason"], "tool_calls") << must;
  EXPECT_EQ(must["message"]["reasoning_content"], "hm\n");
  say(call);
  must = chat({{"tools", tools}, {"tool_choice", "required"}}).json()["choices"][0];
  EXPECT_EQ(must["message"]["content"], nullptr);
  EXPECT_TRUE(std::isinf(engine_.first[size_t(source_.tokenizer.encode("N")[0])]));
  // A call or JSON, where both are offered; calls alone, if one must come.
  const auto first_may_be = [&](const char* text) {
    return std::isfinite(engine_.first[size_t(source_.tokenizer.encode(text)[0])]);
  };
  const Json form{{"type", "json_object"}};
  say("{\"a\": 1}");
  EXPECT_EQ(chat({{"tools", tools}, {"response_format", form}}).json()["choices"][0]["message"]["content"],
            "{\"a\": 1}");
  EXPECT_TRUE(first_may_be("{") && first_may_be("<") && !first_may_be("N"));
  say(call);
  chat({{"tools", tools}, {"response_format", form}, {"tool_choice", "required"}});
  EXPECT_TRUE(!first_may_be("{") && first_may_be("<"));
  // Left out where the client says so; mistakes.
  chat({{"tools", tools}, {"tool_choice", "none"}});
  EXPECT_FALSE(bool(asked.back().constrain));
  stop();
  source_ = test::ChatFixture::source_of(test::kChatTemplate);
  start();
  EXPECT_NE(chat({{"tools", tools}}).body.find("no calls of tools in a form that is known here"), std::string::npos);
}

// R1's published template, and a small one of its form, write calls where the content is none, and as they came where they are no JSON.
TEST_F(ApiServers, EarlierCallsStandInThePrompt) {
  const auto shared = test::shared_file("goldens/templates/deepseek-ai-DeepSeek-R1-Distill-Llama-8B.jinja");
  const std::string small =
      "{% for m in messages %}{% if m['role'] == 'assistant' and m['content'] is none %}<｜tool▁calls▁begin｜>"
      "{% for tool in m['tool_calls'] %}{{ tool['function']['name'] + '```json' + tool['function']['arguments'] + '|' "
      "}}"
      "{% endfor %}{% elif m['role'] == 'assistant' %}said {{ m['content'] + '' }}{% else %}{{ m['content'] }}{% endif "
      "%}"
      "{% endfor %}";
  for (const std::string& text : {small, shared ? read_file(*shared) : small}) {
    source_ = test::ChatFixture::source_of(text.c_str());
    start();
    for (const char* content : {R"("content": null,)", R"("content": "",)", ""})
      for (const auto& [arguments, expected] : {std::pair(R"("{\"x\": 1}")", R"({"x": 1})"),
                                                {R"({"x": 1})", R"({"x":1})"},
                                                {R"("")", "{}"},
                                                {R"("{\"x")", R"({"x)"}}) {
        const Json messages = Json::parse(fmt::format(
            R"([{{"role": "user", "content": "q"}}, {{"role": "assistant", {} "tool_calls": [{{"id": "c", "type": "function",
                "function": {{"name": "look", "arguments": {}}}}}]}}, {{"role": "tool", "tool_call_id": "c", "content": "2"}}])",
            content, arguments));
        const Answer a = post("/apply-template", {{"messages", messages}});
        ASSERT_EQ(a.status, 200) << a.body;
        const std::string prompt = a.json()["prompt"];
        EXPECT_NE(prompt.find("look"), std::string::npos) << prompt;
        EXPECT_NE(prompt.find(expected), std::string::npos) << prompt;
      }
    stop();
  }
  // One that takes objects.
  source_ = test::ChatFixture::source_of(
      "<tool_call>{% for m in messages %}{{ m.content }}{% for c in m.tool_calls %}{{ c.function.arguments|tojson }}"
      "{% endfor %}{% endfor %}");
  start();
  for (const auto& [arguments, expected] :
       {std::pair(R"("{\"x\":1}")", R"({"x": 1})"), {R"("")", "{}"}, {R"("cut {")", R"("cut {")"}})
    EXPECT_EQ(post("/apply-template",
                   Json::parse(fmt::format(R"({{"messages": [{{"role": "assistant", "tool_calls": [{{"function":
      {{"name": "f", "arguments": {}}}}}]}}]}})",
                                           arguments)))
                  .json()["prompt"],
              "<tool_call>" + std::string(expected));
}

TEST_F(ApiServers, SmallRoutes) {
  start();
  EXPECT_EQ(get("/v1/models").json()["data"][0]["id"], "tiny");
  EXPECT_EQ(get("/props").json()["n_ctx"], 200);
  const Json tokens = post("/tokenize", {{"content", "abc"}, {"add_special", true}}).json();
  EXPECT_EQ(post("/detokenize", {{"tokens", tokens["tokens"]}}).json()["content"], "<bos>abc");
  EXPECT_EQ(post("/tokenize", {{"content", "a"}, {"with_pieces", true}}).json()["tokens"][0]["piece"], "a");
  EXPECT_EQ(
      post("/apply-template", {{"messages", Json::array({Json{{"role", "user"}, {"content", "q"}}})}}).json()["prompt"],
      "<bos>u:q|a:");
  // As the chat has it, whatever the prompt depends on.
  const Json asked{{"messages", Json::array({Json{{"role", "user"}, {"content", "q"}}})}};
  for (Json more : {Json{{"thinking", {{"type", "enabled"}}}}, Json{{"chat_template_kwargs", {{"thinking", true}}}}}) {
    more.update(asked);
    EXPECT_EQ(post("/apply-template", more).json()["prompt"], "<bos>u:q|a:<think>\n");
  }
  EXPECT_EQ(
      post("/apply-template", {{"messages", asked["messages"]}, {"tool_choice", "sometimes"}}).json()["error"]["param"],
      "tool_choice");
  EXPECT_EQ(get("/nothing").status, 404);
  EXPECT_EQ(get("/../../etc/passwd").status, 404);
  EXPECT_EQ(get("/v1/chat/completions").status, 405);
  EXPECT_NE(get("/metrics").body.find("# TYPE minke_first_token_seconds histogram"), std::string::npos);
}

TEST_F(ApiServers, MistakesAreNamed) {
  start();
  const auto complaint = [&](Json more) {
    const Answer a = chat(std::move(more));
    EXPECT_EQ(a.status, 400) << a.body;
    EXPECT_TRUE(a.json().contains("error")) << a.body;
    return a.json()["error"]["message"].get<std::string>();
  };
  EXPECT_NE(complaint({{"temperature", -1}}).find("temperature is to be a number from 0 to 100, not -1"),
            std::string::npos);
  EXPECT_NE(complaint({{"messages", Json::array()}}).find("messages is to be a list"), std::string::npos);
  EXPECT_NE(complaint({{"messages", Json::array({Json{{"role", "robot"}, {"content", ""}}})}}).find("messages[0].role"),
            std::string::npos);
  EXPECT_NE(
      complaint({{"response_format", {{"type", "json_schema"}, {"json_schema", {{"schema", {{"pattern", "x"}}}}}}}})
          .find("pattern is not supported"),
      std::string::npos);
  EXPECT_NE(complaint({{"n", 1e9}}).find("n is to be a whole number"), std::string::npos);
  EXPECT_NE(complaint({{"logit_bias", {{"99999", 1}}}}).find("99999 is no token of this model"), std::string::npos);
  const Answer large = chat({{"messages", Json::array({Json{{"role", "user"}, {"content", std::string(300, 'x')}}})}});
  EXPECT_EQ(large.status, 400);
  EXPECT_EQ(large.json()["error"]["type"], "exceed_context_size_error");
  EXPECT_EQ(large.json()["error"]["n_ctx"], 200);
  EXPECT_GE(large.json()["error"]["n_prompt_tokens"], 300);
  EXPECT_EQ(chat({{"model", "gpt-9"}}).status, 404);
  EXPECT_EQ(ask("POST", "/v1/chat/completions", "{\"messages\": [").status, 400);
  EXPECT_EQ(ask("POST", "/v1/chat/completions", "[1]").status, 400);
  EXPECT_EQ(ask("POST", "/v1/chat/completions", "[1]").json()["error"]["code"], nullptr);
  EXPECT_EQ(ask("POST", "/v1/chat/completions", std::string(100'000, '[')).status, 400);
  EXPECT_EQ(ask("POST", "/v1/chat/completions", "{\"messages\": [{\"role\": \"user\", \"content\": \"\xff\"}]}").status,
            400);
  EXPECT_EQ(chat().status, 200);
}

}  // namespace
}  // namespace minke
