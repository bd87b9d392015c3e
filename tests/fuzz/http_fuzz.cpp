// libFuzzer: bytes on a connection to the server. It answers what is a request, refuses or closes what is none, and closes when the client
// has said all: it neither crashes nor waits for ever, and the next client is served.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "serve/http_client.h"
#include "serve/http_server.h"

namespace {

using namespace minke;

struct Served {
  Served() : server(settings()), thread([this] { server.run(); }) {}
  ~Served() {
    server.stop();
    thread.join();
  }
  static HttpSettings settings() {
    HttpSettings s;
    s.limits.header_bytes = 512, s.limits.body_bytes = 1000, s.limits.unsent_bytes = 64 << 10;
    // Longer than an input may take (driver.cpp): what is closed by them alone has hung.
    s.limits.header = s.limits.body = s.limits.idle = s.limits.write = std::chrono::seconds(60);
    s.handler = [](HttpRequest r, const HttpReply& reply) {
      if (r.body.size() > 1000 || r.path.find('?') != r.path.npos) std::abort();
      if (r.path == "/throw") throw std::runtime_error("broken");
      if (r.path != "/stream") return reply.send(200, "text/plain", r.method + r.query + r.body);
      reply.begin(200, "text/event-stream");
      reply.write(r.body);
      reply.write("more");
      reply.end();
    };
    return s;
  }
  HttpServer server;
  std::thread thread;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Served served;
  test::HttpClient client(served.server.port());
  if (!client.is_open()) std::abort();
  client.send({reinterpret_cast<const char*>(data), size});
  ::shutdown(client.fd(), SHUT_WR);
  const std::string answer = client.receive("", 60'000);
  if (client.is_open() || (!answer.empty() && !answer.starts_with("HTTP/1.1 "))) std::abort();
  return 0;
}
