// Starts a program with chosen file descriptors, as another user if this process is root's. With vfork: a fork would copy the page
// tables of gigabytes of weights. And the ends of pipes and files in memory that the program gets.
// Test: tests/sandbox/child_test.cpp.
#pragma once
#include <sys/types.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace minke {

// Closes itself. -1: none.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    other.close();
    return *this;
  }
  ~Descriptor() { close(); }
  void close();
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// All are closed in programs that are started, except those handed on. UserError if the system has no more.
struct Pipe {
  Descriptor read, write;
};
Pipe make_pipe();
Descriptor memory_file(std::string_view bytes);  // read from its beginning
Descriptor null_device();

struct ChildStart {
  std::vector<std::string> command;  // command[0] is a path; the environment is empty
  int input = -1, output = -1, errors = -1;
  int mark = -1, go = -1;      // become descriptors 3 and 4, if they are there
  std::vector<int> handed_on;  // keep their numbers, which are above 4; everything else is closed
  int user = -1, group = -1;   // -1: as this process
};

struct Child {
  pid_t process = 0;
  Descriptor handle;  // can be polled: readable once it has ended
};

// In a session of its own, at "/", with no signal blocked or ignored. UserError if it cannot be started.
Child start_child(const ChildStart& start);

}  // namespace minke
