#include "sandbox/pool.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace minke {

void run_tasks(size_t n, int workers, const std::function<void(size_t)>& task) {
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    for (size_t i; (i = next.fetch_add(1)) < n;) {
      try {
        task(i);
      } catch (...) {
        next = n;
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
      }
    }
  };
  std::vector<std::jthread> threads;
  for (size_t i = 1; i < std::min(n, size_t(std::max(workers, 1))); ++i) threads.emplace_back(work);
  work();
  threads.clear();  // waits for them
  if (failure) std::rethrow_exception(failure);
}

}  // namespace minke
