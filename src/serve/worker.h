// A thread that runs what it is given, one after the other; clients take turns, so that who has sent a thousand keeps another waiting for
// one of them. Test: tests/serve/worker_test.cpp.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

namespace minke {

class Worker {
 public:
  Worker() : thread_([this] { run(); }) {}
  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_.notify_one();
    thread_.join();
  }
  void add(const std::string& client, std::function<void()> f) {
    const std::lock_guard lock(mutex_);
    queues_[client].push_back(std::move(f));
    work_.notify_one();
  }

 private:
  void run() {
    for (;;) {
      std::function<void()> f;
      {
        std::unique_lock lock(mutex_);
        work_.wait(lock, [&] { return stopping_ || !queues_.empty(); });
        if (stopping_) return;
        auto of = queues_.upper_bound(last_);
        if (of == queues_.end()) of = queues_.begin();
        last_ = of->first;
        f = std::move(of->second.front());
        of->second.pop_front();
        if (of->second.empty()) queues_.erase(of);
      }
      f();
    }
  }
  std::mutex mutex_;
  std::condition_variable work_;
  std::map<std::string, std::deque<std::function<void()>>> queues_;  // by client
  std::string last_;                                                 // whose turn it was
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace minke
