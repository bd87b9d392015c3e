// The page and the training over a socket: what is there and what is not, with which headers.
#include "serve/page_routes.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "core/files.h"
#include "core/json.h"
#include "serve/api_error.h"
#include "serve/http_client.h"
#include "serve/json_text.h"
#include "serve/page_files.h"
#include "serve/training_routes.h"

namespace minke {
namespace {

class PageRoutes : public testing::Test {
 protected:
  PageRoutes() {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    training_ = std::make_unique<TrainingRoutes>(std::vector<fs::path>{folder_});
    HttpSettings settings;
    settings.handler = [this](const HttpRequest& request, const HttpReply& reply) {
      try {
        if (answer_page(request, reply) || training_->answer(request, reply, {{"X-Of", "training"}})) return;
        reply.send(404, "text/plain", "not here");
      } catch (const ApiError& e) {
        reply.send(e.status, "application/json", json_text(to_json(e)));
      }
    };
    server_ = std::make_unique<HttpServer>(settings);
    thread_ = std::thread([this] { server_->run(); });
  }
  ~PageRoutes() override {
    server_->stop();
    thread_.join();
    fs::remove_all(folder_);
  }
  std::string ask(const std::string& request, const std::string& headers = "") {
    test::HttpClient client(server_->port());
    client.send(fmt::format("{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}\r\n", request, headers));
    return client.receive("", 20'000);
  }
  static std::string header(const std::string& answer, const std::string& name) {
    const size_t at = answer.find("\r\n" + name + ": ");
    if (at == answer.npos || at > answer.find("\r\n\r\n")) return "";
    const size_t begin = at + name.size() + 4;
    return answer.substr(begin, answer.find("\r\n", begin) - begin);
  }
  static std::string body(const std::string& answer) { return answer.substr(answer.find("\r\n\r\n") + 4); }

  const fs::path folder_ = fs::temp_directory_path() / fmt::format("minke_page_routes_{}", ::getpid());
  std::unique_ptr<TrainingRoutes> training_;
  std::unique_ptr<HttpServer> server_;
  std::thread thread_;
};

TEST_F(PageRoutes, EveryFileIsServedAsItIs) {
  std::set<std::string> names;
  for (const PageFile& file : page_files()) {
    names.insert(std::string(file.name));
    const std::string path = file.name == "index.html" ? "/" : fmt::format("/page/{}", file.name);
    const std::string answer = ask(fmt::format("GET {}", path));
    ASSERT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << path;
    EXPECT_EQ(body(answer), file.bytes) << path;
    EXPECT_EQ(header(answer, "Content-Type"), file.type);
    EXPECT_EQ(header(answer, "X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(header(answer, "Referrer-Policy"), "no-referrer");
    EXPECT_EQ(header(answer, "Cache-Control"), "no-cache");
    const std::string policy = header(answer, "Content-Security-Policy");
    for (const char* rule :
         {"default-src 'none'", "script-src 'self';", "style-src 'self';", "connect-src 'self';", "img-src data:;",
          "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"})
      EXPECT_NE(policy.find(rule), policy.npos) << rule;
    EXPECT_EQ(policy.find("unsafe"), policy.npos);
  }
  for (const char* name : {"index.html", "style.css", "app.js", "marked.js", "katex.js", "highlight.js"})
    EXPECT_TRUE(names.contains(name)) << name;
  EXPECT_EQ(body(ask("GET /index.html")), body(ask("GET /")));
}

// What the policy forbids is not tried: no script, style or handler stands in the page, and nothing comes from elsewhere.
TEST_F(PageRoutes, ThePageKeepsItsPolicy) {
  for (const PageFile& file : page_files()) {
    if (file.name != "index.html") continue;
    const std::string page(file.bytes);
    for (const char* forbidden : {"<style", " style=", " onclick", " onload", "javascript:", "http://", "https://"})
      EXPECT_EQ(page.find(forbidden), page.npos) << forbidden;
    for (size_t at = 0; (at = page.find("<script", at)) != page.npos; ++at) {
      const std::string tag = page.substr(at, page.find("</script>", at) - at);
      EXPECT_TRUE(tag.find(" src=\"/page/") != tag.npos && tag.ends_with(">")) << tag;
    }
  }
}

TEST_F(PageRoutes, WhatIsKnownIsNotSentAgain) {
  const std::string answer = ask("GET /"), etag = header(answer, "ETag");
  ASSERT_FALSE(etag.empty());
  EXPECT_NE(header(ask("GET /page/style.css"), "ETag"), etag);
  for (const std::string& tags : {etag, "\"x\", " + etag, "W/" + etag, std::string("*")}) {
    const std::string same = ask("GET /", fmt::format("If-None-Match: {}\r\n", tags));
    EXPECT_TRUE(same.starts_with("HTTP/1.1 304 ")) << tags;
    EXPECT_EQ(body(same), "");
    EXPECT_EQ(header(same, "ETag"), etag);
    EXPECT_EQ(header(same, "Content-Length"), "");
  }
  for (const char* tags : {"\"other\"", "", "x"})
    EXPECT_TRUE(ask("GET /", fmt::format("If-None-Match: {}\r\n", tags)).starts_with("HTTP/1.1 200 "));
}

TEST_F(PageRoutes, HeadersAlone) {
  const std::string whole = ask("GET /page/app.js"), head = ask("HEAD /page/app.js");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(body(head), "");
  EXPECT_EQ(header(head, "Content-Length"), header(whole, "Content-Length"));
  EXPECT_EQ(header(head, "ETag"), header(whole, "ETag"));
}

TEST_F(PageRoutes, NothingElseIsThere) {
  for (const char* path : {"/page/", "/page", "/page/nothing.js", "/page/../CMakeLists.txt",
                           "/page/..%2f..%2fetc/passwd", "/page/%2e%2e/x", "/page//style.css", "/page/style.css/",
                           "/page/style.css%00", "//", "/Index.html", "/page/index.html"})
    EXPECT_TRUE(ask(fmt::format("GET {}", path)).starts_with("HTTP/1.1 404 ")) << path;
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
    const std::string answer = ask(fmt::format("{} /", method));
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 405 ")) << method;
    EXPECT_EQ(header(answer, "Allow"), "GET, HEAD");
  }
}

TEST_F(PageRoutes, Training) {
  const auto json = [&](const std::string& path) { return Json::parse(body(ask("GET " + path))); };
  EXPECT_EQ(json("/training")["runs"][0]["state"], "waiting");
  write_file_atomic(folder_ / "log.jsonl", "{\"step\":1,\"loss\":2.5}\n{\"step\":2,\"loss\":2.25}\n");
  EXPECT_EQ(json("/training")["runs"][0]["step"], 2);
  const std::string answer = ask("GET /training/0");
  EXPECT_EQ(header(answer, "X-Of"), "training");
  EXPECT_TRUE(Json::parse(body(answer))["charts"][0]["svg"].get<std::string>().starts_with("<svg xmlns="));
  for (const char* path : {"/training/1", "/training/", "/training/x", "/training/-1", "/training/0/", "/training/0x0",
                           "/training/../0", "/training/99999999999999999999"})
    EXPECT_TRUE(ask(fmt::format("GET {}", path)).starts_with("HTTP/1.1 404 ")) << path;
  EXPECT_TRUE(ask("POST /training").starts_with("HTTP/1.1 405 "));
  EXPECT_TRUE(ask("HEAD /training").starts_with("HTTP/1.1 200 "));
}

}  // namespace
}  // namespace minke
