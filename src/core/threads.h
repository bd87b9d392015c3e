// A pool of threads that stay awake during a step: workers spin for a moment after each job before they sleep. Tasks are
// handed out one by one, because other programs may slow single threads down. So no result may depend on which thread runs
// a task: each task of a kernel writes its own outputs and adds in its own fixed order. Tested in tests/core/threads_test.cpp.
#pragma once
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace minke {

class Threads {
 public:
  // A plain function pointer, so that kernels compiled for one instruction set need no std:: template.
  using Task = void (*)(void* argument, int64_t task, int thread);

  explicit Threads(int count);  // count >= 1, the calling thread included
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
