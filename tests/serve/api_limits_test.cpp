// The API from outside: who may ask, what is refused, what happens when clients or the server go.
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

TEST_F(ApiServers, KeysAndOrigins) {
  settings_.keys = {"sesame", "other"}, settings_.cors_origin = "https://a.example";
  start();
  EXPECT_EQ(get("/health").status, 200);
  EXPECT_EQ(chat().status, 401);
  // The page asks for the key, so it comes without one; what it shows does not.
  EXPECT_EQ(get("/").status, 200);
  EXPECT_EQ(get("/page/app.js").status, 200);
  EXPECT_EQ(get("/training").status, 401);
  EXPECT_EQ(get("/training/0").status, 401);
  EXPECT_EQ(ask("GET", "/training", "", "Authorization: Bearer sesame\r\n").body, "{\"runs\":[]}");
  const Json body{{"messages", Json::array({Json{{"role", "user"}, {"content", "hi"}}})}};
  for (const char* wrong : {"sesam", "sesame2", "SESAME", "", "sesamesesame"})
    EXPECT_EQ(post("/v1/chat/completions", body, fmt::format("Authorization: Bearer {}\r\n", wrong)).status, 401)
        << wrong;
  const Answer right = post("/v1/chat/completions", body, "Authorization: Bearer other\r\n");
  EXPECT_EQ(right.status, 200);
  EXPECT_NE(right.head.find("Access-Control-Allow-Origin: https://a.example"), std::string::npos);
  // OpenAI's client for browsers sends headers of its own.
  const Answer may =
      ask("OPTIONS", "/v1/chat/completions", "",
          "Origin: https://a.example\r\nAccess-Control-Request-Headers: authorization,x-stainless-os\r\n");
  EXPECT_EQ(may.status, 204);
  EXPECT_NE(may.head.find("Access-Control-Allow-Headers: authorization,x-stainless-os"), std::string::npos) << may.head;
  EXPECT_NE(may.head.find("Vary: Access-Control-Request-Headers"), std::string::npos) << may.head;
  const Answer long_header = ask("GET", "/health", "", "X: " + std::string(20'000, 'x') + "\r\n");
  EXPECT_EQ(long_header.status, 431);
  EXPECT_NE(long_header.head.find("Access-Control-Allow-Origin: https://a.example"), std::string::npos);
}

// Of keys that are the same but for how they are sent, the client is the same, and has its turns once.
TEST_F(ApiServers, BearerIsWrittenInAnyCase) {
  settings_.keys = {"sesame"};
  start();
  for (const char* how : {"Bearer sesame", "bearer sesame", "BEARER sesame", "sesame"})
    EXPECT_EQ(ask("GET", "/v1/models", "", fmt::format("Authorization: {}\r\n", how)).status, 200) << how;
  EXPECT_EQ(ask("GET", "/v1/models", "", "Authorization: bear sesame\r\n").status, 401);
}

// The name of a page's origin may be made to lead here (DNS rebinding): to its browser the server is of that origin then.
TEST_F(ApiServers, IsAskedByItsOwnNames) {
  start();
  const auto asked = [&](const std::string& host) {
    return ask("GET", "/v1/models", "", "Host: " + host + "\r\nOrigin: http://" + host + "\r\n").status;
  };
  for (const char* own :
       {"localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "[::1]"})
    EXPECT_EQ(asked(own), 200) << own;
  for (const char* other :
       {"evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "[::2]:80"})
    EXPECT_EQ(asked(other), 403) << other;
  EXPECT_EQ(ask("GET", "/", "", "Host: evil.example\r\n").status, 403);
  EXPECT_EQ(ask("GET", "/v1/models", "").status, 200);  // none: HTTP/1.0
  stop();
  settings_.keys = {"sesame"};  // a page does not have it
  start();
  EXPECT_EQ(ask("GET", "/v1/models", "", "Host: my.name\r\nAuthorization: Bearer sesame\r\n").status, 200);
}

// A browser lets any page ask, and keeps but the answer from it.
TEST_F(ApiServers, PagesOfOtherOriginsMayNotAsk) {
  settings_.cors_origin = "https://a.example";
  start();
  const auto asked = [&](const std::string& origin) {
    return ask("GET", "/v1/models", "", "Host: localhost:8080\r\nOrigin: " + origin + "\r\n").status;
  };
  EXPECT_EQ(asked("https://b.example"), 403);
  EXPECT_EQ(asked("null"), 403);
  EXPECT_EQ(asked("http://localhost"), 403);
  EXPECT_EQ(asked("http://localhost:8080.b.example"), 403);
  EXPECT_EQ(asked("http://localhost:8080"), 200);  // its own page
  EXPECT_EQ(asked("https://a.example"), 200);
  EXPECT_EQ(engine_.added, 0);
}

TEST_F(ApiServers, ModelsHaveRoutesOfTheirNames) {
  settings_.model.name = "of me/tiny";
  start();
  EXPECT_EQ(get("/v1/models/of%20me%2Ftiny").json()["id"], "of me/tiny");
  EXPECT_EQ(get("/v1/models/of%20me/tiny").json()["id"], "of me/tiny");
  EXPECT_EQ(get("/v1/models/of%2").json()["error"]["code"], "model_not_found");
  EXPECT_EQ(get("/v1/models/%2e%2e/tiny").status, 404);
}

// The worker's texts: what would take it seconds is refused at once, so that others' requests do not wait behind it.
TEST_F(ApiServers, TextsThatAreCertainlyTooLongAreNotCutUp) {
  start();
  const std::string text(1 << 21, 'x');
  const Answer large = chat({{"messages", Json::array({Json{{"role", "user"}, {"content", text}}})}});
  EXPECT_EQ(large.status, 400);
  EXPECT_EQ(large.json()["error"]["code"], "context_length_exceeded");
  EXPECT_NE(large.body.find("has about 524290 tokens"), std::string::npos) << large.body;
  EXPECT_EQ(post("/tokenize", {{"content", text}}).json()["error"]["param"], "content");
}

TEST_F(ApiServers, ClientsThatGoAreNoticedBehindMoreThatTheySaid) {
  say("x", false);
  engine_.step_time = 1ms;
  settings_.model.context = engine_.engine_settings.max_context = 10'000'000;
  start();
  const std::string body = R"({"messages":[{"role":"user","content":"hi"}]})";
  {
    HttpClient c(port_);
    c.send(fmt::format("POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {}\r\n\r\n{}", body.size(), body));
    EXPECT_TRUE(soon([&] { return engine_.steps > 0; }));
    c.send("GET /health HTTP/1.1\r\n");
  }
  EXPECT_TRUE(soon([&] { return metric("minke_requests_running") == "0"; }));
  EXPECT_GT(std::stoi(metric("minke_answer_tokens_total")), 0);  // they were computed
}

TEST_F(ApiServers, RefusesWhatTheQueueDoesNotHold) {
  say("x", false);  // for ever
  engine_.step_time = 1ms;
  engine_.engine_settings.max_sequences = 1;
  start({.queue = 1});
  HttpClient first(port_), second(port_);
  const std::string body = R"({"messages":[{"role":"user","content":"hi"}],"stream":true})";
  const std::string request =
      fmt::format("POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
  first.send(request);
  EXPECT_NE(first.receive("data: ").find("200"), std::string::npos);
  second.send(request);
  EXPECT_TRUE(soon([&] { return metric("minke_requests_queued") == "1"; }));
  const Answer a = chat();
  EXPECT_EQ(a.status, 429);
  EXPECT_NE(a.head.find("Retry-After: "), std::string::npos);
  // Those that go free their places.
  first.close();
  second.close();
  EXPECT_TRUE(soon([&] { return metric("minke_requests_running") == "0" && metric("minke_requests_queued") == "0"; }));
  EXPECT_EQ(metric("minke_requests_total{end=\"gone\"}"), "2");
}

// What has no place at all is told so, not to try again.
TEST_F(ApiServers, RefusesForGoodWhatCouldNeverBeQueued) {
  start({.queue = 2});
  const Answer a = chat({{"n", 3}});
  EXPECT_EQ(a.status, 400);
  EXPECT_EQ(a.json()["error"]["param"], "n");
  EXPECT_EQ(chat({{"n", 2}}).status, 200);
  const Answer many = post("/v1/completions", {{"prompt", std::vector<std::string>(64, "x")}, {"n", 64}});
  EXPECT_EQ(many.status, 400);
  EXPECT_NE(many.body.find("4096 answers; a request has at most 128"), std::string::npos) << many.body;
}

TEST_F(ApiServers, KeepsStreamsAliveAndSaysWhatFailed) {
  say("x", false);
  engine_.step_time = 300ms;
  settings_.ping = 40ms;
  start();
  HttpClient c(port_);
  const std::string body = R"({"messages":[{"role":"user","content":"hi"}],"stream":true})";
  c.send(fmt::format("POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {}\r\n\r\n{}", body.size(), body));
  const std::string before = c.receive(": ping");
  EXPECT_NE(before.find(": ping"), std::string::npos);
  EXPECT_EQ(before.find("data: "), std::string::npos);
  // The comment takes nothing from what a stream begins with.
  EXPECT_NE(c.receive("\n\n").find("\n\n"), std::string::npos);
  std::string first;
  do first = c.receive("\n\n");
  while (first.find("data: ") == first.npos && !first.empty());
  EXPECT_NE(first.find("\"role\":\"assistant\""), std::string::npos) << first;
  engine_.throws = true;
  EXPECT_NE(c.receive("\"error\"").find("\"error\""), std::string::npos);
  EXPECT_NE(c.receive("0\r\n\r\n").find("the model's output is not finite"), std::string::npos);
  engine_.step_time = 0us;
  say("y");
  EXPECT_EQ(chat().status, 200);
}

// What the loop still has to do is done before the scheduler is gone.
TEST_F(ApiServers, EndsWithASchedulerThatFails) {
  ApiServer server(source_, settings_, {});
  port_ = server.port();
  std::thread thread([&] { EXPECT_THROW(server.run(engine_, {}), std::runtime_error); });
  EXPECT_TRUE(soon([&] { return get("/health").status == 200; }));
  engine_.breaks = true;
  EXPECT_NE(chat().status, 200);
  thread.join();
  server.stop(0ms);
}

TEST_F(ApiServers, IsHealthyOnlyWhenTheModelIsThere) {
  ApiServer server(source_, settings_, {});
  port_ = server.port();
  EXPECT_EQ(get("/health").status, 503);
  EXPECT_EQ(chat().status, 503);
  server.stop(0ms);
}

TEST_F(ApiServers, LetsAnswersEndWhenItStops) {
  say("slowly", true);
  engine_.step_time = 20ms;
  start();
  HttpClient c(port_);
  const std::string body = R"({"messages":[{"role":"user","content":"hi"}]})";
  c.send(fmt::format("POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {}\r\n\r\n{}", body.size(), body));
  EXPECT_TRUE(soon([&] { return engine_.steps > 0; }));
  server_->stop(20s);
  EXPECT_NE(c.answer(20'000).find("slowly"), std::string::npos);
  thread_.join();
  server_.reset();
}

}  // namespace
}  // namespace minke
