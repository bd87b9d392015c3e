#include "core/threads.h"

#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/clock.h"
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

// Of a thread that stays awake: pauses for the gaps between kernels, then the core is offered to others again and again.
class AwakeWait {
 public:
  void moment() {
    if (++moments_ % 16 == 0) {
      if (moments_ == 16) begin_ = Clock::now();
      seconds_ = seconds_since(begin_);
    }
    if (seconds_ > kSpin) std::this_thread::yield();
    else relax();
  }
  bool is_long() const { return seconds_ > kAwake; }

 private:
  static constexpr double kSpin = 3e-6, kAwake = 1e-3;
  int64_t moments_ = 0;
  double seconds_ = 0;  // looked at now and then; not counted in pauses, which take 10 to 140 cycles
  Clock::time_point begin_;
};

}  // namespace

struct Threads::State {
  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<bool> stop{false};

  // The job's number, and in the lower half how many of its tasks nobody has taken yet. Who has taken one may read the job:
  // it stays as it is until all are done, and came with the same cache line.
  alignas(64) std::atomic<uint64_t> tickets{0};
  Task task = nullptr;
  void* argument = nullptr;
  int64_t count = 0;
  std::atomic<int> sleeping{0};
  alignas(64) std::atomic<int64_t> undone{0};
  std::mutex error_mutex;
  std::exception_ptr error;

  static int64_t left(uint64_t tickets) { return uint32_t(tickets); }

  // One task, or all that are left: how many were left before, 0 if none.
  int64_t take(bool all) {
    uint64_t t = tickets.load(std::memory_order_relaxed);
    while (left(t) > 0 && !tickets.compare_exchange_weak(t, t - (all ? uint64_t(left(t)) : 1),
                                                         std::memory_order_acquire, std::memory_order_relaxed)) {
    }
    return left(t);
  }

  void work(int thread) {
    int64_t done = 0;
    for (int64_t left; (left = take(false)) > 0; ++done) {
      try {
        task(argument, count - left, thread);
      } catch (...) {
        done += take(true);  // nobody begins them
        const std::lock_guard lock(error_mutex);
        if (!error) error = std::current_exception();
      }
    }
    if (done > 0) undone.fetch_sub(done, std::memory_order_acq_rel);
  }

  bool has_work() const { return left(tickets.load()) > 0 || stop.load(); }

  void sleep() {
    std::unique_lock lock(mutex);
    sleeping.fetch_add(1);
    wake.wait(lock, [&] { return has_work(); });
    sleeping.fetch_sub(1, std::memory_order_relaxed);
  }

  void loop(int thread) {
    for (;;) {
      for (AwakeWait wait; !has_work(); wait.moment())
        if (wait.is_long()) sleep();
      if (stop.load()) return;
      work(thread);
    }
  }

  void call() {
    if (sleeping.load() > 0) {
      { const std::lock_guard lock(mutex); }  // a worker between its check and its wait must not miss the call
      wake.notify_all();
    }
  }
};

Threads::Threads(int count, const std::function<void(int thread)>& begin)
    : count_(count), state_(std::make_unique<State>()) {
  check(count >= 1, "Threads: count");
  for (int t = 1; t < count; ++t)
    state_->workers.emplace_back([s = state_.get(), t, begin] {
      if (begin) begin(t);
      s->loop(t);
    });
  if (begin) begin(0);
}

Threads::~Threads() {
  state_->stop.store(true);
  state_->call();
  for (auto& w : state_->workers) w.join();
}

void Threads::run(int64_t n, Task task, void* argument) {
  if (n <= 0) return;
  if (count_ == 1 || n == 1) {
    for (int64_t i = 0; i < n; ++i) task(argument, i, 0);
    return;
  }
  check(n <= UINT32_MAX, "Threads::run: tasks");
  State& s = *state_;
  s.task = task;
  s.argument = argument;
  s.count = n;
  s.error = nullptr;
  s.undone.store(n, std::memory_order_relaxed);
  const uint64_t job = (s.tickets.load(std::memory_order_relaxed) >> 32) + 1;
  s.tickets.store(job << 32 | uint64_t(n));
  s.call();
  s.work(0);
  for (AwakeWait wait; s.undone.load(std::memory_order_acquire) != 0; wait.moment()) {
  }
  if (s.error) std::rethrow_exception(s.error);
}

int hardware_threads() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return int(std::thread::hardware_concurrency());
}

}  // namespace minke
