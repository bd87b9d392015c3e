#include "serve/http_server.h"

#include <fmt/format.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <deque>
#include <optional>
#include <set>

#include "core/error.h"

namespace minke {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using net::ip::tcp;
using Error = boost::system::error_code;

// Boost's own string_view, of whichever version.
template <class View> std::string_view view(const View& v) { return {v.data(), v.size()}; }

bool same_name(std::string_view a, std::string_view b) {
  return beast::iequals({a.data(), a.size()}, {b.data(), b.size()});
}

std::string head_of(int status, std::string_view type, const HttpHeaders& headers, std::string_view length, bool keep) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\n", status,
                                 view(http::obsolete_reason(http::status(status))), type);
  for (const auto& [name, value] : headers) head += fmt::format("{}: {}\r\n", name, value);
  return head + std::string(length) + (keep ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
}

// A target as a proxy gets it, "http://host/path", is the path.
std::string_view without_authority(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!same_name(target.substr(0, scheme.size()), scheme)) continue;
    const size_t path = target.find('/', scheme.size());
    return path == target.npos ? "/" : target.substr(path);
  }
  return target;
}

constexpr size_t kLargeBody = 64 << 10;

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [n, value] : headers)
    if (same_name(n, name)) return value;
  return "";
}

struct HttpServer::State : std::enable_shared_from_this<HttpServer::State> {
  explicit State(HttpSettings s) : settings(std::move(s)), acceptor(io), grace(io), retry(io) {}
  void accept();
  void stop(std::chrono::milliseconds for_the_rest);
  void over(const std::shared_ptr<HttpReply::Connection>& c);

  HttpSettings settings;
  net::io_context io{1};
  tcp::acceptor acceptor;
  net::steady_timer grace, retry;
  std::set<std::shared_ptr<HttpReply::Connection>> connections;
  std::atomic<size_t> count{0};
  size_t large_bodies = 0;  // bytes
  bool stopping = false;
};

// One connection: requests one after the other. All of it happens on the loop's thread.
struct HttpReply::Connection : std::enable_shared_from_this<HttpReply::Connection> {
  Connection(std::shared_ptr<HttpServer::State> s, tcp::socket socket)
      : server(std::move(s)), stream(std::move(socket)) {}

  // --- reading
  void read_header() {
    parser.emplace();
    parser->header_limit(uint32_t(limits().header_bytes));
    parser->body_limit(limits().body_bytes);
    const bool is_idle = buffer.size() == 0;
    // Until the first byte the client may be idle; from then on the header must come.
    stream.expires_after(number > 0 && is_idle ? limits().idle : limits().header);
    if (number > 0 && is_idle) {
      stream.async_read_some(buffer.prepare(4096), [self = shared_from_this()](Error e, size_t n) {
        if (e || n == 0) return self->close();
        self->buffer.commit(n);
        self->stream.expires_after(self->limits().header);
        self->rest_of_header();
      });
    } else {
      rest_of_header();
    }
  }
  void rest_of_header() {
    http::async_read_header(stream, buffer, *parser, [self = shared_from_this()](Error e, size_t) {
      if (e) return self->refuse(e);
      self->read_body();
    });
  }
  void read_body() {
    const auto& head = parser->get();
    version_11 = head.version() >= 11;
    keep = head.keep_alive() && !server->stopping;
    is_head = head.method() == http::verb::head;
    // Where such a body ends is not known: taken for none, it would be the next request.
    if (head.count(http::field::transfer_encoding) > 0 && !parser->chunked()) {
      keep = false;
      return fail(400, "Transfer-Encoding is to be chunked");
    }
    if (!take_space(parser->chunked() ? limits().body_bytes : size_t(parser->content_length().value_or(0)))) {
      keep = false;
      return fail(503, "too many large requests are under way: try again later");
    }
    if (!parser->is_done() && same_name(view(head[http::field::expect]), "100-continue"))
      write_text("HTTP/1.1 100 Continue\r\n\r\n");
    stream.expires_after(limits().body);
    http::async_read(stream, buffer, *parser, [self = shared_from_this()](Error e, size_t) {
      if (e) return self->refuse(e);
      self->handle();
    });
  }
  // Small bodies cost little, however many; the large ones share what there is.
  bool take_space(size_t body) {
    if (body < kLargeBody) return true;
    if (server->large_bodies + body > limits().large_bodies_bytes) return false;
    server->large_bodies += large_body = body;
    return true;
  }
  void give_space() { server->large_bodies -= std::exchange(large_body, 0); }
  void handle() {
    stream.expires_never();
    auto message = parser->release();
    // A chunked body, whose length was not known, had space for the longest.
    if (message.body().size() < large_body) {
      give_space();
      server->large_bodies += large_body = message.body().size() < kLargeBody ? 0 : message.body().size();
    }
    HttpRequest request{.method = std::string(view(message.method_string())), .body = std::move(message.body())};
    const std::string_view target = without_authority(view(message.target()));
    const size_t question = target.find('?');
    request.path = target.substr(0, question);
    if (question != target.npos) request.query = target.substr(question + 1);
    for (const auto& field : message)
      request.headers.emplace_back(std::string(view(field.name_string())), std::string(view(field.value())));
    Error none;
    request.from = stream.socket().remote_endpoint(none).address().to_string();
    ++number;
    state = Reply::waiting;
    watch();
    try {
      server->settings.handler(std::move(request), HttpReply(shared_from_this(), number));
    } catch (const std::exception& e) {
      if (state != Reply::waiting) return close();
      fail(500, e.what());
    }
  }
  // A client that goes while its answer is made: its socket is readable, and nothing is there to be read.
  void watch() {
    stream.socket().async_wait(tcp::socket::wait_read, [self = shared_from_this(), of = number](Error e) {
      if (e || self->number != of || self->state == Reply::none) return;
      Error none;
      const size_t there = self->stream.socket().available(none);
      if (there == 0 || none) return self->close();
      // The next request is there already, or a part of it. It is kept until this one is answered, and the client may still go.
      if (self->buffer.size() >= self->limits().header_bytes) return;
      self->buffer.commit(self->stream.socket().read_some(self->buffer.prepare(std::min<size_t>(there, 4096)), none));
      self->watch();
    });
  }

  // --- mistakes of the protocol
  void refuse(const Error& e) {
    if (e == http::error::end_of_stream || e == net::error::operation_aborted || e == net::error::connection_reset)
      return close();
    keep = false;
    if (e == beast::error::timeout) return close();  // the stream is closed by then
    if (e == http::error::header_limit)
      return fail(431, fmt::format("the header of the request has more than {} bytes", limits().header_bytes));
    if (e == http::error::body_limit)
      return fail(413, fmt::format("the body of the request has more than {} bytes", limits().body_bytes));
    if (e == http::error::buffer_overflow)
      return fail(400, fmt::format("between the chunks of the body are more than {} bytes", limits().header_bytes));
    if (e.category() == http::make_error_code(http::error::bad_method).category())
      return fail(400, "this is no HTTP request: " + e.message());
    close();
  }
  void fail(int status, const std::string& why) {
    const auto [type, body] =
        server->settings.error ? server->settings.error(status, why) : std::pair{std::string("text/plain"), why + "\n"};
    state = Reply::waiting;
    send(status, type, body, server->settings.error_headers);
  }

  // --- writing
  void send(int status, std::string_view type, const std::string& body, const HttpHeaders& headers) {
    if (state != Reply::waiting) return;
    // "No content" and "not modified" have no body, and a length would be taken for that of the page.
    const std::string length = status == 204 || status == 304 ? "" : fmt::format("Content-Length: {}\r\n", body.size());
    write_text(head_of(status, type, headers, length, keep) + (is_head ? "" : body));
    finish();
  }
  void begin(int status, std::string_view type, const HttpHeaders& headers) {
    if (state != Reply::waiting) return;
    if (!version_11) keep = false;  // the end of the connection is the end of the stream
    write_text(head_of(status, type, headers, version_11 ? "Transfer-Encoding: chunked\r\n" : "", keep));
    state = Reply::streaming;
  }
  void write(const std::string& data) {
    if (state != Reply::streaming || data.empty() || is_head) return;
    write_text(version_11 ? fmt::format("{:x}\r\n{}\r\n", data.size(), data) : data);
    if (unsent > limits().unsent_bytes) close();
  }
  void end() {
    if (state != Reply::streaming) return;
    if (version_11 && !is_head) write_text("0\r\n\r\n");
    finish();
  }
  void finish() {
    state = Reply::none;
    gone = nullptr;
    give_space();
    over = true;
    if (queue.empty()) next();
  }
  void write_text(std::string text) {
    unsent += text.size();
    queue.push_back(std::move(text));
    if (queue.size() == 1) write_first();
  }
  void write_first() {
    writing.expires_after(limits().write);
    writing.async_wait([self = shared_from_this()](Error e) {
      if (!e) self->close();
    });
    net::async_write(stream.socket(), net::buffer(queue.front()), [self = shared_from_this()](Error e, size_t) {
      self->writing.cancel();
      if (self->closed) return;
      if (e) return self->close();
      self->unsent -= self->queue.front().size();
      self->queue.pop_front();
      if (!self->queue.empty()) self->write_first();
      else if (self->over) self->next();
    });
  }
  // The answer is sent.
  void next() {
    over = false;
    if (keep && !server->stopping) {
      if (buffer.size() == 0) buffer = beast::flat_buffer(buffer.max_size());
      return read_header();
    }
    // What a client is still sending would reset the connection, and with it the answer that it has not read: so it is read, for a while.
    Error none;
    stream.socket().shutdown(tcp::socket::shutdown_send, none);
    stream.expires_after(std::chrono::seconds(1));
    drain(0);
  }
  void drain(size_t read) {
    stream.async_read_some(net::buffer(sink), [self = shared_from_this(), read](Error e, size_t n) {
      if (e || read + n > size_t(64) << 20) return self->close();
      self->drain(read + n);
    });
  }

  void close() {
    if (closed) return;
    closed = true;
    give_space();
    const bool unfinished = state != Reply::none;
    state = Reply::none;
    writing.cancel();
    stream.close();
    if (unfinished && gone) std::exchange(gone, nullptr)();
    gone = nullptr;
    server->over(shared_from_this());
  }
  const HttpLimits& limits() const { return server->settings.limits; }

  enum class Reply : uint8_t { none, waiting, streaming };
  std::shared_ptr<HttpServer::State> server;
  beast::tcp_stream stream;
  net::steady_timer writing{server->io};
  beast::flat_buffer buffer{limits().header_bytes + (64 << 10)};  // more than one reading of a body takes
  std::optional<http::request_parser<http::string_body>> parser;
  std::deque<std::string> queue;
  size_t unsent = 0, large_body = 0;
  std::array<char, 16384> sink;
  uint64_t number = 0;  // of the request
  Reply state = Reply::none;
  bool version_11 = true, keep = true, is_head = false, over = false, closed = false;
  std::function<void()> gone;
};

void HttpServer::State::accept() {
  acceptor.async_accept([self = shared_from_this()](Error e, tcp::socket socket) {
    if (self->stopping || e == net::error::operation_aborted) return;
    if (e) {  // no descriptors left, say: some may be free again soon
      self->retry.expires_after(std::chrono::milliseconds(50));
      self->retry.async_wait([self](Error stopped) {
        if (!stopped) self->accept();
      });
      return;
    }
    if (self->connections.size() < self->settings.limits.connections) {
      Error none;
      socket.set_option(tcp::no_delay(true), none);
      const auto c = std::make_shared<HttpReply::Connection>(self, std::move(socket));
      self->connections.insert(c);
      self->count = self->connections.size();
      c->read_header();
    }
    self->accept();
  });
}

void HttpServer::State::over(const std::shared_ptr<HttpReply::Connection>& c) {
  connections.erase(c);
  count = connections.size();
  if (stopping && connections.empty()) io.stop();
}

void HttpServer::State::stop(std::chrono::milliseconds for_the_rest) {
  if (!stopping) {
    stopping = true;
    Error none;
    acceptor.close(none);
    retry.cancel();
    for (const auto& c : std::vector(connections.begin(), connections.end()))
      if (c->state == HttpReply::Connection::Reply::none && c->queue.empty()) c->close();
      else c->keep = false;
  }
  if (connections.empty()) return io.stop();
  grace.expires_after(for_the_rest);
  grace.async_wait([self = shared_from_this()](Error e) {
    if (e) return;
    for (const auto& c : std::vector(self->connections.begin(), self->connections.end())) c->close();
  });
}

HttpServer::HttpServer(HttpSettings settings) : state_(std::make_shared<State>(std::move(settings))) {
  const HttpSettings& s = state_->settings;
  Error e;
  const net::ip::address address = net::ip::make_address(s.address, e);
  if (e) user_error("--host {}: no IP address, such as 127.0.0.1 or 0.0.0.0", printable(s.address));
  const tcp::endpoint at(address, s.port);
  state_->acceptor.open(at.protocol(), e);
  if (!e) state_->acceptor.set_option(tcp::acceptor::reuse_address(true), e);
  if (!e) state_->acceptor.bind(at, e);
  if (!e) state_->acceptor.listen(net::socket_base::max_listen_connections, e);
  if (e)
    user_error(
        "cannot listen on {}, port {}: {}. Is another program there? --port takes another one, 0 any that is free",
        s.address, s.port, e.message());
  state_->accept();
}
HttpServer::~HttpServer() {
  // Operations under way hold the state, which holds them: they are ended, and learn it.
  state_->stopping = true;
  Error none;
  state_->acceptor.close(none);
  state_->retry.cancel(), state_->grace.cancel();
  for (const auto& c : std::vector(state_->connections.begin(), state_->connections.end())) c->close();
  do state_->io.restart();  // one of them may stop the loop again
  while (state_->io.poll() > 0);
}

uint16_t HttpServer::port() const { return state_->acceptor.local_endpoint().port(); }
size_t HttpServer::connections() const { return state_->count; }
void HttpServer::run() { state_->io.run(); }
void HttpServer::stop(std::chrono::milliseconds grace) {
  net::post(state_->io, [s = state_, grace] { s->stop(grace); });
}
void HttpServer::every(std::chrono::milliseconds interval, std::function<void()> f) {
  const auto timer = std::make_shared<net::steady_timer>(state_->io);
  const auto again = std::make_shared<std::function<void()>>();
  *again = [s = std::weak_ptr(state_), timer, interval, f = std::move(f), me = std::weak_ptr(again)] {
    timer->expires_after(interval);
    timer->async_wait([s, f, next = me.lock()](Error e) {
      const auto state = s.lock();
      if (e || !state || state->stopping) return;
      f();
      (*next)();
    });
  };
  net::post(state_->io, [again] { (*again)(); });
}
void HttpServer::post(std::function<void()> f) { net::post(state_->io, std::move(f)); }

HttpReply::HttpReply(std::shared_ptr<Connection> connection, uint64_t number)
    : connection_(std::move(connection)), number_(number) {}

namespace {

// f(connection) on the loop, unless another request is answered there by now.
template <class F> void on_loop(const std::shared_ptr<HttpReply::Connection>& c, uint64_t number, F f) {
  net::post(c->server->io, [c, number, f = std::move(f)] {
    if (c->number == number) f(*c);
  });
}

}  // namespace

void HttpReply::send(int status, std::string_view type, std::string body, HttpHeaders headers) const {
  on_loop(connection_, number_,
          [=, type = std::string(type), body = std::move(body), headers = std::move(headers)](Connection& c) {
            c.send(status, type, body, headers);
          });
}
void HttpReply::begin(int status, std::string_view type, HttpHeaders headers) const {
  on_loop(connection_, number_, [=, type = std::string(type), headers = std::move(headers)](Connection& c) {
    c.begin(status, type, headers);
  });
}
void HttpReply::write(std::string data) const {
  on_loop(connection_, number_, [data = std::move(data)](Connection& c) { c.write(data); });
}
void HttpReply::end() const {
  on_loop(connection_, number_, [](Connection& c) { c.end(); });
}
void HttpReply::on_gone(std::function<void()> f) const {
  net::post(connection_->server->io, [c = connection_, number = number_, f = std::move(f)] {
    if (c->number == number && c->state != Connection::Reply::none) c->gone = f;
    else if (c->closed) f();
  });
}

}  // namespace minke
