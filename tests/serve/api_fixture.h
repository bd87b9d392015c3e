// The API over sockets, in front of a scripted engine: what the tests of it share.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "chat/fixture.h"
#include "serve/api_server.h"
#include "serve/http_client.h"
#include "serve/scripted_engine.h"

namespace minke::test {

using namespace std::chrono_literals;

struct Answer {
  int status = 0;
  std::string head, body;
  Json json() const { return Json::parse(body, nullptr, false); }
};

class ApiServers : public testing::Test {
 protected:
  ApiServers() : source_(ChatFixture::source_of(kChatTemplate)) {
    settings_.model = {.name = "tiny", .context = 200, .sampling = {.temperature = 0.5}};
    engine_.engine_settings.max_context = 200;
    engine_.answer = [this](const Request&) { return script_; };
    say("Hello, you.");
  }
  ~ApiServers() override { stop(); }
  void say(std::string_view text, bool ends = true) {
    script_ = source_.tokenizer.encode(text);
    if (ends) script_.push_back(1);
  }
  void start(SchedulerSettings scheduler = {}) {
    HttpSettings http;
    http.limits.header = http.limits.body = http.limits.idle = http.limits.write = 30s;
    server_ = std::make_unique<ApiServer>(source_, settings_, http);
    port_ = server_->port();
    thread_ = std::thread([this, scheduler] { server_->run(engine_, scheduler); });
    for (int i = 0; i < 3000 && get("/health").status != 200; ++i) std::this_thread::sleep_for(10ms);
  }
  void stop() {
    EXPECT_EQ(engine_.forbidden, 0) << "a script says what its request forbids";
    if (!thread_.joinable()) return;
    server_->stop(0ms);
    thread_.join();
    server_.reset();
  }
  Answer ask(const std::string& method, const std::string& path, const std::string& body,
             const std::string& headers = "") {
    HttpClient c(port_);
    c.send(fmt::format("{} {} HTTP/1.1\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n{}", method, path,
                       body.size(), headers, body));
    const std::string all = c.receive("", 20'000);
    const size_t end = all.find("\r\n\r\n");
    if (end == all.npos) return {};
    Answer a{.status = std::stoi(all.substr(9)), .head = all.substr(0, end), .body = all.substr(end + 4)};
    if (a.head.find("chunked") != a.head.npos) a.body = without_chunks(a.body);
    return a;
  }
  static std::string without_chunks(std::string_view text) {
    std::string out;
    while (!text.empty()) {
      const size_t length = std::stoul(std::string(text), nullptr, 16), begin = text.find("\r\n") + 2;
      if (length == 0) break;
      out += text.substr(begin, length);
      text.remove_prefix(begin + length + 2);
    }
    return out;
  }
  Answer get(const std::string& path) { return ask("GET", path, ""); }
  Answer post(const std::string& path, const Json& body, const std::string& headers = "") {
    return ask("POST", path, body.dump(), headers);
  }
  Answer chat(Json more = Json::object()) {
    Json body{{"messages", Json::array({Json{{"role", "user"}, {"content", "hi"}}})}};
    body.update(more);
    return post("/v1/chat/completions", body);
  }
  // The events of a stream.
  static std::vector<Json> events(const std::string& body) {
    std::vector<Json> all;
    std::string last;
    for (size_t at = 0, end; (end = body.find("\n\n", at)) != body.npos; at = end + 2) {
      const std::string event = body.substr(at, end - at);
      if (event.starts_with(":")) continue;
      EXPECT_TRUE(event.starts_with("data: ")) << event;
      last = event.substr(6);
      if (last != "[DONE]") all.push_back(Json::parse(last));
    }
    EXPECT_EQ(last, "[DONE]");
    return all;
  }
  std::string metric(const std::string& name) {
    const std::string text = get("/metrics").body;
    const size_t at = text.find("\n" + name + " ");
    return at == text.npos ? "" : text.substr(at + name.size() + 2, text.find('\n', at + 1) - at - name.size() - 2);
  }
  bool soon(const std::function<bool()>& what) {
    for (int i = 0; i < 3000; ++i) {
      if (what()) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }

  ModelSource source_;
  ScriptedEngine engine_;
  std::vector<int32_t> script_;
  ApiSettings settings_;
  std::unique_ptr<ApiServer> server_;
  std::thread thread_;
  uint16_t port_ = 0;
};

}  // namespace minke::test
