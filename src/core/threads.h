// A pool of threads that stay awake during a step. Tasks are handed out one by one, because other programs may slow single
// threads down. So no result may depend on which thread runs a task: each task of a kernel writes its own outputs and adds in
// its own fixed order. Tested in tests/core/threads_test.cpp.
//
// A job is over when its tasks are done, whichever threads have seen it: nobody waits for a thread that sleeps or has lost its
// core before it took one. A thread that waits pauses for 3 µs (of the gaps between two jobs of a step 95 % are below 4), then
// yields its core, and a worker sleeps after 1 ms: longer than it takes to choose a token, and nothing to anybody when all is
// written.
//
// Threads are bound to no CPU: one each, they were no faster alone, and slower beside other programs, out of whose way the
// kernel cannot move them then; and two programs that bind would both take the first CPUs. Measured in docs/performance.md,
// "Threads". On a machine with several memory nodes each is bound to the CPUs of one (core/memory_nodes.h).
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace minke {

class Threads {
 public:
  // A plain function pointer, so that kernels compiled for one instruction set need no std:: template.
  using Task = void (*)(void* argument, int64_t task, int thread);

  // count >= 1, the calling thread included. begin(thread) is called on each thread first, too: it may bind it to CPUs.
  explicit Threads(int count, const std::function<void(int thread)>& begin = {});
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  ~Threads();

  int count() const { return count_; }
  // Runs task(argument, i, thread) for i in [0, n) and returns when all are done. thread is in [0, count()).
  // A task that throws ends the job; the first exception is thrown again here. Not to be called from inside a task.
  void run(int64_t n, Task task, void* argument);

  template <class F> void for_each(int64_t n, F&& f) {
    run(
        n, [](void* a, int64_t task, int thread) { (*static_cast<std::remove_reference_t<F>*>(a))(task, thread); },
        const_cast<void*>(static_cast<const void*>(&f)));
  }

 private:
  struct State;
  int count_;
  std::unique_ptr<State> state_;
};

int hardware_threads();

}  // namespace minke
