// A job that has been started: reads what it prints, looks at what its processes use every 10 ms, and ends all of them when the
// command is over or a limit is passed. Test: tests/sandbox/hostile_test.cpp.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <string>

#include "sandbox/child.h"
#include "sandbox/sandbox.h"

namespace minke {

class RunningJob {
 public:
  using Clock = std::chrono::steady_clock;
  // bwrap: the outer process. mark: where the first process inside writes when it has started. go: it waits there for a line.
  // output may be none.
  RunningJob(Child bwrap, const SandboxLimits& limits, Clock::time_point begin, Descriptor output, Descriptor errors,
             Descriptor mark, Pipe go);
  RunningJob(const RunningJob&) = delete;
  RunningJob& operator=(const RunningJob&) = delete;
  ~RunningJob();  // ends it
  // Once. When it returns, no process of the job is left.
  SandboxResult wait();
  // After that: whether the sandbox was set up, so that the result is the command's.
  bool started() const { return !mark_.text.empty(); }

 private:
  struct Stream {
    Descriptor from;
    std::string text;
    bool too_long = false;
  };
  void read_from(Stream& stream, size_t limit);
  void let_go();
  void look_at_use();
  void end(SandboxEnd why);
  void kill_all();
  void reap();

  Child bwrap_;
  SandboxLimits limits_;
  Clock::time_point begin_;
  Stream output_, errors_, mark_;
  Pipe go_;          // with the end that is read, so that writing never ends in a signal
  pid_t first_ = 0;  // the first process inside, as seen from here
  Descriptor first_handle_;
  bool ended_ = false, reaped_ = false;
  SandboxResult result_;
};

}  // namespace minke
