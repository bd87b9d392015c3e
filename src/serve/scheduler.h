// Who is computed when. Requests wait in a queue of bounded length, clients taking turns, so that one who sends a thousand delays nobody
// else by more than its share; as many run as the engine takes at once. One thread owns the engine; all else may be called from any
// thread. Test: tests/serve/scheduler_test.cpp.
#pragma once
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/clock.h"
#include "serve/token_engine.h"

namespace minke {

struct SchedulerSettings {
  size_t queue = 1024;                                // requests that wait; more are refused
  std::chrono::milliseconds longest{10 * 60 * 1000};  // of a request, waiting included
};

// What became of a request in a step: a token, or its end without one.
struct TokenEvent {
  uint64_t job = 0;
  std::optional<NewToken> token;
  enum class End : uint8_t { none, cancelled, too_late, failed } end = End::none;  // token's own ending is in it
  std::string why;                                                                 // of failed
  double queued_s = 0;  // with the first token: until it was admitted
};

struct SchedulerCounts {
  int64_t running = 0, queued = 0;
  TokenEngine::Load engine;
  uint64_t steps = 0, tokens = 0;  // tokens: of answers
  double step_seconds = 0;         // in the engine's steps
};

class Scheduler {
 public:
  // deliver: the events of a step, on the scheduler's thread; it must not take long.
  Scheduler(TokenEngine& engine, SchedulerSettings settings, std::function<void(std::vector<TokenEvent>)> deliver);

  // The number of the job; nothing if the queue is full. `client`: whose turn it takes. The request is checked when its turn comes: what
  // the engine refuses then is an event.
  std::optional<uint64_t> submit(Request request, std::string_view client);
  void cancel(uint64_t job);  // gives back its pages before the next step; one that has ended is ignored
  SchedulerCounts counts() const;

  void run();   // until stop(), on the thread that owns the engine
  void stop();  // what has not ended is cancelled

 private:
  struct Job {
    uint64_t number = 0;
    Request request;
    Clock::time_point since, admitted;
    bool has_token = false;
  };
  bool wait_for_work();
  void admit(std::vector<TokenEvent>& events);
  std::optional<Job> next_in_turn();
  void drop_late(std::vector<TokenEvent>& events);
  void step(std::vector<TokenEvent>& events);
  void forget(int64_t sequence);
  void end(int64_t sequence, TokenEvent::End how, std::vector<TokenEvent>& events, const std::string& why = "");
  template <class Which> void drop_queued(Which&& which, TokenEvent::End how, std::vector<TokenEvent>& events);

  TokenEngine& engine_;
  SchedulerSettings settings_;
  std::function<void(std::vector<TokenEvent>)> deliver_;

  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::map<std::string, std::deque<Job>> queues_;  // by client
  std::string last_client_;                        // whose turn it was
  size_t queued_ = 0;
  std::vector<uint64_t> cancelled_;
  bool stopping_ = false;
  uint64_t last_job_ = 0;
  SchedulerCounts counts_;

  // Of the engine's thread.
  std::unordered_map<int64_t, Job> running_;  // by the engine's number
  std::unordered_map<uint64_t, int64_t> sequence_of_;
};

}  // namespace minke
