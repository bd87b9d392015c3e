// The poison backend: any kernels table over memory that the host cannot touch outside kernels (PROT_NONE), which is
// how device memory of a GPU behaves. Code that passes on it never dereferences a tensor. Its ops open the memory, call
// the inner table's op and close it again. Tested in tests/kernels/poison_test.cpp.
#pragma once
#include <cstddef>
#include <map>

#include "core/memory.h"
#include "kernels/ops.h"

namespace minke::test {

// One reserved range of addresses, so that opening and closing is one mprotect however many tensors there are.
// The ops find the inner table here, through Context::memory: function pointers carry no state.
class PoisonMemory final : public Memory {
 public:
  explicit PoisonMemory(const Kernels& inner);
  ~PoisonMemory() override;
  void* allocate(size_t bytes) override;
  void release(void* data, size_t bytes) noexcept override;
  const Kernels& inner() const { return inner_; }

  // Readable and writable while one lives; may be nested (an op that calls ops).
  class Open {
   public:
    explicit Open(PoisonMemory& memory) : memory_(memory) { memory_.change_depth(+1); }
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;
    ~Open() { memory_.change_depth(-1); }

   private:
    PoisonMemory& memory_;
  };

 private:
  void change_depth(int by);
  const Kernels& inner_;
  std::byte* base_ = nullptr;
  size_t used_ = 0;  // bytes of the range ever handed out since it was last empty
  size_t live_ = 0;  // allocations not yet released
  int depth_ = 0;
  std::multimap<size_t, void*> free_;  // released blocks by their size, for reuse
};

class PoisonBackend {
 public:
  explicit PoisonBackend(const Kernels& inner);
  const Kernels& kernels() const { return kernels_; }
  Memory& memory() { return memory_; }

 private:
  PoisonMemory memory_;
  Kernels kernels_;
};

}  // namespace minke::test
