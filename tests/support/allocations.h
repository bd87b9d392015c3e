// Counts what takes memory: device memory, and every operator new of the program. It replaces operator new, so one source of a
// program may include it.
#pragma once
#include <atomic>
#include <cstdlib>
#include <new>

#include "core/memory.h"

namespace minke::test {

inline std::atomic<int64_t> operator_news{0};

class CountingMemory final : public Memory {
 public:
  void* allocate(size_t bytes) override {
    ++count;
    return host_memory().allocate(bytes);
  }
  void release(void* data, size_t bytes) noexcept override { host_memory().release(data, bytes); }
  int64_t count = 0;
};

}  // namespace minke::test

// Not inlined: g++ 12 then sees free() of what operator new gave, and warns.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  minke::test::operator_news.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(bytes ? bytes : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {  // std::stable_sort's
  minke::test::operator_news.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(bytes ? bytes : 1);
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
