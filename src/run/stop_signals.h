// Ctrl-C and its like as a question: has somebody asked to stop? Test: tests/app/run_life_test.sh.
#pragma once

namespace minke {

// While one exists, the first signal (SIGINT, SIGTERM, SIGPIPE, SIGHUP but under nohup) asks to save and end, and the second ends
// the process at once; not where it only says once more that nobody reads the output. Afterwards signals do what they did before, but
// for SIGPIPE: what is still to be printed must not end the process.
class StopSignals {
 public:
  StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals();

 private:
  using Handler = void (*)(int);
  static constexpr int kSignals = 4;
  Handler before_[kSignals];
};

bool stop_is_requested();

}  // namespace minke
