#include "core/threads.h"

#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/error.h"

namespace minke {
namespace {

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

// About 50 µs: longer than the gaps between kernels of a step, shorter than anybody else's patience.
constexpr int kSpins = 2000;

}  // namespace

struct Threads::State {
  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<uint64_t> job{0};  // bumped for every job
  std::atomic<int> sleeping{0};
  std::atomic<bool> stop{false};

  Task task = nullptr;
  void* argument = nullptr;
  int64_t count = 0;
  std::atomic<int64_t> next{0};
  std::atomic<int> busy{0};  // workers that have not finished the current job
  std::mutex error_mutex;
  std::exception_ptr error;

  void work(int thread) {
    try {
      for (int64_t i = next.fetch_add(1, std::memory_order_relaxed); i < count;
           i = next.fetch_add(1, std::memory_order_relaxed))
        task(argument, i, thread);
    } catch (...) {
      next.store(count, std::memory_order_relaxed);
      const std::lock_guard lock(error_mutex);
      if (!error) error = std::current_exception();
    }
  }

  void loop(int thread) {
    uint64_t seen = 0;
    for (;;) {
      int spins = 0;
      while (job.load(std::memory_order_acquire) == seen) {
        if (++spins < kSpins) {
          relax();
          continue;
        }
        std::unique_lock lock(mutex);
        sleeping.fetch_add(1, std::memory_order_seq_cst);
        wake.wait(lock, [&] { return job.load(std::memory_order_seq_cst) != seen; });
        sleeping.fetch_sub(1, std::memory_order_relaxed);
      }
      seen = job.load(std::memory_order_acquire);
      if (stop.load(std::memory_order_relaxed)) return;
      work(thread);
      busy.fetch_sub(1, std::memory_order_release);
    }
  }

  void announce() {
    job.fetch_add(1, std::memory_order_seq_cst);
    if (sleeping.load(std::memory_order_seq_cst) > 0) {
      { const std::lock_guard lock(mutex); }  // a worker between its check and its wait must not miss the call
      wake.notify_all();
    }
  }
};

Threads::Threads(int count) : count_(count), state_(std::make_unique<State>()) {
  check(count >= 1, "Threads: count");
  for (int t = 1; t < count; ++t) state_->workers.emplace_back([s = state_.get(), t] { s->loop(t); });
}

Threads::~Threads() {
  state_->stop.store(true);
  state_->announce();
  for (auto& w : state_->workers) w.join();
}

void Threads::run(int64_t n, Task task, void* argument) {
  if (n <= 0) return;
  if (count_ == 1 || n == 1) {
    for (int64_t i = 0; i < n; ++i) task(argument, i, 0);
    return;
  }
  State& s = *state_;
  s.task = task;
  s.argument = argument;
  s.count = n;
  s.next.store(0, std::memory_order_relaxed);
  s.busy.store(count_ - 1, std::memory_order_relaxed);
  s.error = nullptr;
  s.announce();
  s.work(0);
  int spins = 0;
  while (s.busy.load(std::memory_order_acquire) != 0) {
    if (++spins < kSpins) relax();
    else std::this_thread::yield();  // the other thread's core may be taken: let it have ours
  }
  if (s.error) std::rethrow_exception(s.error);
}

int hardware_threads() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return int(std::thread::hardware_concurrency());
}

}  // namespace minke
