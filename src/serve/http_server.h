// HTTP/1.1 for a few routes on one event loop: connections cost a buffer, not a thread, and slow or hostile clients meet deadlines and
// limits. It knows nothing of models. Built on Boost.Beast, which only http_server.cpp sees. Test: tests/serve/http_server_test.cpp.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace minke {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // "/v1/models", without the query; as it was sent: nothing is decoded
  std::string query;   // behind "?", may be empty
  HttpHeaders headers;
  std::string body;
  std::string from;  // the client's address, without its port
  // Of the first header of this name, whatever its case; "" if there is none.
  std::string_view header(std::string_view name) const;
};

// The answer to a request. Copies are the same answer; may be used from any thread, and outlive connection and server. What is sent to
// a client that has gone is dropped.
class HttpReply {
 public:
  struct Connection;  // http_server.cpp
  explicit HttpReply(std::shared_ptr<Connection> connection, uint64_t number);

  void send(int status, std::string_view type, std::string body, HttpHeaders headers = {}) const;
  // Piece by piece: begin(), any number of write(), end().
  void begin(int status, std::string_view type, HttpHeaders headers = {}) const;
  void write(std::string data) const;
  void end() const;
  // f() is called once, on the loop's thread, if the client goes, or is too slow to take what is written, before the end; at once if it has.
  void on_gone(std::function<void()> f) const;

 private:
  std::shared_ptr<Connection> connection_;
  uint64_t number_;  // of the request on its connection
};

struct HttpLimits {
  size_t header_bytes = 16 << 10, body_bytes = 16 << 20;
  size_t large_bodies_bytes = size_t(1) << 30;  // of all bodies of 64 KiB and more whose answers are not given yet
  size_t connections = 4096;                    // more are closed at once
  size_t unsent_bytes = 4 << 20;                // of a stream, before its client counts as gone
  std::chrono::milliseconds header{10'000}, body{60'000}, idle{60'000}, write{30'000};
};

struct HttpSettings {
  std::string address = "127.0.0.1";
  uint16_t port = 0;  // 0: any that is free
  HttpLimits limits = {};
  // The body and its type of an answer to what is no request: 400, 413, 431, 503.
  std::function<std::pair<std::string, std::string>(int status, const std::string& why)> error;
  HttpHeaders error_headers = {};  // of such answers
  // Each request, on the loop's thread: it must not take long. An exception is a 500 whose body is error's.
  std::function<void(HttpRequest, HttpReply)> handler;
};

class HttpServer {
 public:
  // Listens from now on. UserError if the address is none, or is in use.
  explicit HttpServer(HttpSettings settings);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  uint16_t port() const;
  void run();  // until stop(), on this thread
  // From any thread. No new connections and requests; those under way may end, for so long; the rest is cut.
  void stop(std::chrono::milliseconds grace = {});
  // f() on the loop's thread: soon, or again and again.
  void post(std::function<void()> f);
  void every(std::chrono::milliseconds interval, std::function<void()> f);
  size_t connections() const;  // now; from any thread

  struct State;  // http_server.cpp

 private:
  std::shared_ptr<State> state_;
};

}  // namespace minke
