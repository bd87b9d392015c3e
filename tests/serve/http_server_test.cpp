// The server's promises to its clients and against them: answers whole and in order, deadlines, limits, and what it learns of those
// that go.
#include "serve/http_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "core/error.h"
#include "serve/http_client.h"

namespace minke {
namespace {

using test::HttpClient;
using namespace std::chrono_literals;

class HttpServers : public testing::Test {
 protected:
  // A test of deadlines sets short ones before start(): with these a busy machine is no slow client.
  HttpServers() {
    settings_.limits = {.header_bytes = 4096,
                        .body_bytes = 100'000,
                        .connections = 50,
                        .unsent_bytes = 1 << 20,
                        .header = 30s,
                        .body = 30s,
                        .idle = 30s,
                        .write = 30s};
    settings_.error = [](int status, const std::string& why) {
      return std::pair{std::string("text/plain"), fmt::format("{} {}", status, why)};
    };
    settings_.handler = [this](HttpRequest request, HttpReply reply) { route(std::move(request), std::move(reply)); };
  }
  ~HttpServers() override { stop(); }
  void start() {
    server_ = std::make_unique<HttpServer>(settings_);
    thread_ = std::thread([this] { server_->run(); });
  }
  void stop(std::chrono::milliseconds grace = 0ms) {
    if (!thread_.joinable()) return;
    server_->stop(grace);
    thread_.join();
    kept_.reset();
    server_.reset();
  }
  void route(HttpRequest r, HttpReply reply) {
    if (r.path == "/echo")
      return reply.send(200, "text/plain", fmt::format("{} {} {} {}", r.method, r.query, r.header("x-a"), r.body));
    if (r.path == "/from") return reply.send(200, "text/plain", r.from);
    if (r.path == "/throw") throw std::runtime_error("broken");
    if (r.path == "/keep") {
      reply.on_gone([this] { ++gone_; });
      const std::lock_guard lock(mutex_);
      kept_ = std::make_unique<HttpReply>(reply);
      has_kept_ = true;
      return;
    }
    if (r.path == "/stream") {
      reply.begin(200, "text/event-stream", {{"X-Kind", "s"}});
      for (int i = 0; i < 3; ++i) reply.write(fmt::format("piece {}\n", i));
      return reply.end();
    }
    reply.send(404, "text/plain", "no");
  }
  HttpReply kept() {
    for (int i = 0; i < 3000 && !has_kept_; ++i) std::this_thread::sleep_for(10ms);
    const std::lock_guard lock(mutex_);
    return *kept_;
  }
  bool soon(const std::function<bool()>& what) {
    for (int i = 0; i < 3000; ++i) {
      if (what()) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }
  std::string ask(const std::string& text) {
    HttpClient c(server_->port());
    c.send(text);
    return c.answer();
  }

  HttpSettings settings_;
  std::unique_ptr<HttpServer> server_;
  std::thread thread_;
  std::mutex mutex_;
  std::unique_ptr<HttpReply> kept_;
  std::atomic<bool> has_kept_ = false;
  std::atomic<int> gone_ = 0;
};

std::string body_of(const std::string& answer) {
  return answer.substr(std::min(answer.find("\r\n\r\n") + 4, answer.size()));
}
int status_of(const std::string& answer) { return answer.starts_with("HTTP/1.1 ") ? std::stoi(answer.substr(9)) : 0; }

TEST_F(HttpServers, AnswersOneAfterTheOther) {
  start();
  HttpClient c(server_->port());
  for (int i = 0; i < 3; ++i) {
    const std::string body(size_t(i * 30'000), 'b');
    ASSERT_TRUE(c.send(fmt::format("POST /echo?q={} HTTP/1.1\r\nHost: x\r\nX-A: a{}\r\nContent-Length: {}\r\n\r\n{}", i,
                                   i, body.size(), body)));
    const std::string answer = c.answer();
    EXPECT_EQ(status_of(answer), 200);
    EXPECT_EQ(body_of(answer), fmt::format("POST q={} a{} {}", i, i, body));
  }
  // Sent without waiting for answers; and a body in chunks, byte by byte.
  c.send("GET /echo?1 HTTP/1.1\r\n\r\nGET /echo?2 HTTP/1.1\r\n\r\nGET /none HTTP/1.1\r\n\r\n");
  EXPECT_EQ(body_of(c.answer()), "GET 1  ");
  EXPECT_EQ(body_of(c.answer()), "GET 2  ");
  EXPECT_EQ(status_of(c.answer()), 404);
  for (const char b :
       std::string_view("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"))
    c.send({&b, 1});
  EXPECT_EQ(body_of(c.answer()), "POST   abcde");
  c.send("HEAD /echo HTTP/1.1\r\n\r\nGET /echo HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_NE(c.receive("\r\n\r\n").find("Content-Length: 7"), std::string::npos);  // and no body
  const std::string last = c.answer();
  EXPECT_NE(last.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(c.is_closed(3000));
}

TEST_F(HttpServers, Streams) {
  start();
  HttpClient c(server_->port());
  c.send("GET /stream HTTP/1.1\r\n\r\n");
  const std::string head = c.receive("\r\n\r\n");
  EXPECT_NE(head.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_NE(head.find("X-Kind: s\r\n"), std::string::npos);
  EXPECT_EQ(c.receive("0\r\n\r\n"), "8\r\npiece 0\n\r\n8\r\npiece 1\n\r\n8\r\npiece 2\n\r\n0\r\n\r\n");
  c.send("GET /echo HTTP/1.1\r\n\r\n");
  EXPECT_EQ(status_of(c.answer()), 200);
  // Of HTTP/1.0 the end of the connection is the end.
  HttpClient old(server_->port());
  old.send("GET /stream HTTP/1.0\r\n\r\n");
  const std::string all = old.receive("");
  EXPECT_EQ(body_of(all), "piece 0\npiece 1\npiece 2\n");
  EXPECT_EQ(all.find("chunked"), std::string::npos);
}

TEST_F(HttpServers, RefusesWhatIsTooLargeOrNoHttp) {
  start();
  EXPECT_EQ(status_of(ask("GET /echo HTTP/1.1\r\nX-A: " + std::string(5000, 'a') + "\r\n\r\n")), 431);
  const std::string large = ask("POST /echo HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n");
  EXPECT_EQ(status_of(large), 413);
  EXPECT_EQ(body_of(large), "413 the body of the request has more than 100000 bytes");
  std::string chunks = "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20; ++i) chunks += fmt::format("{:x}\r\n{}\r\n", 9000, std::string(9000, 'c'));
  EXPECT_EQ(status_of(ask(chunks)), 413);
  for (const char* bad :
       {"nonsense\r\n\r\n", "GET /echo HTTP/9.9\r\n\r\n", "GET /echo HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        "GET /echo HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "\x16\x03\x01\x02\r\n\r\n",
        "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "GET /a b HTTP/1.1\r\n\r\n",
        "POST /echo HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}) {
    const std::string answer = ask(bad);
    EXPECT_TRUE(status_of(answer) == 400 || answer.empty()) << bad << "\n" << answer;
  }
  EXPECT_EQ(body_of(ask("GET /from HTTP/1.1\r\n\r\n")), "127.0.0.1");
  EXPECT_EQ(body_of(ask("GET /throw HTTP/1.1\r\n\r\n")), "500 broken");
  EXPECT_EQ(status_of(ask("GET /echo HTTP/1.1\r\n\r\n")), 200);  // still there
}

// What has no certain end is no body: it would be the next request.
TEST_F(HttpServers, BodiesHaveEnds) {
  start();
  HttpClient c(server_->port());
  c.send("POST /echo HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\nGET /echo?smuggled HTTP/1.1\r\n\r\n");
  const std::string answer = c.receive("");
  EXPECT_EQ(status_of(answer), 400);
  EXPECT_EQ(answer.find("smuggled"), std::string::npos);
  // Nor do the lines between chunks go on for ever.
  HttpClient chunks(server_->port());
  chunks.send("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;");
  bool sent = true;
  for (int i = 0; i < 1000 && sent; ++i) sent = chunks.send(std::string(10'000, 'x'));
  EXPECT_EQ(body_of(chunks.answer()), "400 between the chunks of the body are more than 4096 bytes");
  EXPECT_EQ(body_of(ask("GET http://x:80/echo?q HTTP/1.1\r\n\r\n")), "GET q  ");
}

TEST_F(HttpServers, LargeBodiesShareWhatThereIs) {
  settings_.limits.large_bodies_bytes = 200'000;
  start();
  const std::string head = "POST /keep HTTP/1.1\r\nContent-Length: 90000\r\n\r\n";
  HttpClient first(server_->port());
  first.send(head + std::string(90'000, 'x'));
  kept();
  {
    HttpClient second(server_->port());
    second.send(head);
    EXPECT_TRUE(soon([&] { return status_of(ask("POST /echo HTTP/1.1\r\nContent-Length: 90000\r\n\r\n")) == 503; }));
    EXPECT_EQ(status_of(ask("POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nsmall")), 200);
  }
  const std::string all = "POST /echo HTTP/1.1\r\nContent-Length: 90000\r\n\r\n" + std::string(90'000, 'x');
  EXPECT_TRUE(soon([&] { return status_of(ask(all)) == 200; }));
  kept().send(200, "text/plain", "");
  EXPECT_EQ(status_of(first.answer()), 200);
  HttpClient third(server_->port()), fourth(server_->port());
  third.send(all);
  EXPECT_EQ(status_of(third.answer()), 200);
  fourth.send(all);
  EXPECT_EQ(status_of(fourth.answer()), 200);
}

// A chunked body has space for the longest until it is read, then for itself.
TEST_F(HttpServers, ChunkedBodiesGiveBackWhatTheyDoNotUse) {
  settings_.limits.body_bytes = 150'000, settings_.limits.large_bodies_bytes = 200'000;
  start();
  HttpClient first(server_->port());
  first.send("POST /keep HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsmall\r\n0\r\n\r\n");
  const HttpReply reply = kept();
  EXPECT_EQ(status_of(ask("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsmall\r\n0\r\n\r\n")), 200);
  reply.send(200, "text/plain", "");
  EXPECT_EQ(status_of(first.answer()), 200);
}

TEST_F(HttpServers, SlowClientsMeetDeadlines) {
  settings_.limits.header = 300ms, settings_.limits.body = 300ms;
  start();
  // A header that comes drop by drop, for ever.
  HttpClient slow(server_->port());
  slow.send("GET /echo HTTP/1.1\r\nX-A: ");
  bool closed = false;
  for (int i = 0; i < 3000 && !closed; ++i) closed = !slow.send("a") || slow.is_closed(20);
  EXPECT_TRUE(closed);
  HttpClient silent(server_->port());
  EXPECT_TRUE(silent.is_closed(10'000));
  HttpClient body(server_->port());
  body.send("POST /echo HTTP/1.1\r\nContent-Length: 50\r\n\r\nabc");
  EXPECT_TRUE(body.is_closed(10'000));
  EXPECT_TRUE(soon([&] { return server_->connections() == 0; }));
}

TEST_F(HttpServers, IdleConnectionsEnd) {
  settings_.limits.idle = 200ms;
  start();
  HttpClient idle(server_->port());
  idle.send("GET /echo HTTP/1.1\r\n\r\n");
  EXPECT_EQ(status_of(idle.answer()), 200);
  EXPECT_TRUE(idle.is_closed(10'000));
}

TEST_F(HttpServers, LearnsOfClientsThatGo) {
  start();
  {
    HttpClient c(server_->port());
    c.send("GET /keep HTTP/1.1\r\n\r\n");
    kept();
    EXPECT_EQ(gone_, 0);
  }
  EXPECT_TRUE(soon([&] { return gone_ == 1; }));
  kept().send(200, "text/plain", "to nobody");
  kept().on_gone([this] { gone_ += 10; });  // it has gone already
  EXPECT_TRUE(soon([&] { return gone_ == 11; }));
  // One that does not read.
  has_kept_ = false;
  HttpClient c(server_->port());
  const int small = 4096;
  ::setsockopt(c.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  c.send("GET /keep HTTP/1.1\r\n\r\n");
  const HttpReply reply = kept();
  reply.begin(200, "text/plain");
  for (int i = 0; i < 200 && gone_ == 11; ++i) {
    reply.write(std::string(100'000, 'x'));
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_TRUE(soon([&] { return gone_ == 12; }));
  // An answer that has been given is nobody's loss.
  has_kept_ = false;
  {
    HttpClient last(server_->port());
    last.send("GET /keep HTTP/1.1\r\n\r\n");
    kept().send(200, "text/plain", "yes");
    EXPECT_EQ(body_of(last.answer()), "yes");
    kept().send(200, "text/plain", "again");  // dropped
    last.send("GET /echo HTTP/1.1\r\n\r\n");
    EXPECT_EQ(body_of(last.answer()), "GET   ");
  }
  EXPECT_TRUE(soon([&] { return server_->connections() == 0; }));
  EXPECT_EQ(gone_, 12);
}

TEST_F(HttpServers, TakesSoManyConnectionsAndNoMore) {
  start();
  std::vector<std::unique_ptr<HttpClient>> many;
  for (int i = 0; i < 50; ++i) many.push_back(std::make_unique<HttpClient>(server_->port()));
  EXPECT_TRUE(soon([&] { return server_->connections() == 50; }));
  HttpClient more(server_->port());
  EXPECT_TRUE(more.is_closed(3000));
  many.pop_back();
  EXPECT_TRUE(soon([&] { return server_->connections() == 49; }));
  EXPECT_EQ(status_of(ask("GET /echo HTTP/1.1\r\n\r\n")), 200);
}

TEST_F(HttpServers, StopsWhenAnswersAreGiven) {
  start();
  HttpClient c(server_->port()), idle(server_->port());
  c.send("GET /keep HTTP/1.1\r\n\r\n");
  const HttpReply reply = kept();
  const uint16_t port = server_->port();
  server_->stop(60s);
  EXPECT_TRUE(idle.is_closed(3000));
  EXPECT_TRUE(soon([&] { return !HttpClient(port).is_open(); }));
  reply.send(200, "text/plain", "at last");
  EXPECT_EQ(body_of(c.answer()), "at last");
  EXPECT_TRUE(c.is_closed(3000));
  thread_.join();
}

TEST_F(HttpServers, CutsWhatDoesNotEnd) {
  start();
  HttpClient c(server_->port());
  c.send("GET /keep HTTP/1.1\r\n\r\n");
  kept();
  server_->stop(50ms);
  EXPECT_TRUE(c.is_closed(3000));
  thread_.join();
  EXPECT_EQ(gone_, 1);
}

TEST_F(HttpServers, SaysWhyItCannotListen) {
  start();
  const auto complaint = [&](std::string address, uint16_t port) -> std::string {
    HttpSettings s = settings_;
    s.address = std::move(address), s.port = port;
    try {
      HttpServer other(s);
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_NE(complaint("127.0.0.1", server_->port()).find("Is another program there?"), std::string::npos);
  EXPECT_NE(complaint("nowhere", 0).find("--host nowhere: no IP address"), std::string::npos);
  EXPECT_EQ(complaint("::1", 0).find("nowhere"), std::string::npos);
}

}  // namespace
}  // namespace minke
