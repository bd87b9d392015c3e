// A client that says exactly what it is told to, byte by byte, for tests of the server.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <string_view>

namespace minke::test {

class HttpClient {
 public:
  explicit HttpClient(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET, to.sin_port = htons(port), to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_open_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  }
  ~HttpClient() { close(); }
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  bool is_open() const { return is_open_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  // False if the server has closed.
  bool send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(size_t(n));
    }
    return true;
  }
  // What comes until `end` is in it, the server closes, or nothing comes for so long.
  std::string receive(std::string_view end, int ms = 5000) {
    while (end.empty() || got_.find(end) == got_.npos) {
      pollfd p{fd_, POLLIN, 0};
      if (::poll(&p, 1, ms) <= 0) break;
      char some[65536];
      const ssize_t n = ::recv(fd_, some, sizeof some, 0);
      if (n <= 0) {
        is_open_ = false;
        break;
      }
      got_.append(some, size_t(n));
    }
    const size_t at = end.empty() ? got_.npos : got_.find(end);
    const size_t length = at == got_.npos ? got_.size() : at + end.size();
    std::string out = got_.substr(0, length);
    got_.erase(0, length);
    return out;
  }
  // The whole answer, by its Content-Length.
  std::string answer(int ms = 5000) {
    std::string head = receive("\r\n\r\n", ms);
    const size_t at = head.find("Content-Length: ");
    if (at == head.npos) return head;
    const size_t length = size_t(std::stoul(head.substr(at + 16)));
    while (got_.size() < length && is_open_) {
      const size_t before = got_.size();
      got_ = receive_more(ms);
      if (got_.size() == before) break;
    }
    const std::string body = got_.substr(0, length);
    got_.erase(0, body.size());
    return head + body;
  }
  // Whether the server closes within so long.
  bool is_closed(int ms) {
    receive("", ms);
    return !is_open_;
  }
  int fd() const { return fd_; }

 private:
  std::string receive_more(int ms) {
    std::string all = std::move(got_);
    got_.clear();
    pollfd p{fd_, POLLIN, 0};
    if (::poll(&p, 1, ms) <= 0) return all;
    char some[65536];
    const ssize_t n = ::recv(fd_, some, sizeof some, 0);
    if (n <= 0) is_open_ = false;
    else all.append(some, size_t(n));
    return all;
  }
  int fd_;
  bool is_open_ = false;
  std::string got_;
};

}  // namespace minke::test
