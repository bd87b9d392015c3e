// The poison backend: any host backend over memory that the host cannot touch outside kernels (PROT_NONE), which is how
// device memory of a GPU behaves. Code that passes on it never dereferences a tensor. Its ops open the memory, call the
// inner backend's op and close it again. Tested in tests/kernels/poison_test.cpp.
#pragma once
#include <cstddef>
#include <map>

#include "core/memory.h"
#include "kernels/backend.h"

namespace minke::test {

// One reserved range of addresses, so that opening and closing is one mprotect however many tensors there are.
class PoisonMemory final : public Memory {
 public:
  PoisonMemory();
  ~PoisonMemory() override;
  void* allocate(size_t bytes) override;
  void release(void* data, size_t bytes) noexcept override;

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
  std::byte* base_ = nullptr;
  size_t used_ = 0;  // bytes of the range ever handed out since it was last empty
  size_t live_ = 0;  // allocations not yet released
  int depth_ = 0;
  std::multimap<size_t, void*> free_;  // released blocks by their size, for reuse
};

class PoisonBackend final : public Backend {
 public:
  explicit PoisonBackend(Backend& inner) : Backend("poison over " + inner.name()), inner_(inner) {}
  Memory& memory() override { return memory_; }
#define MINKE_DECLARE_OP(op, Args) void op(const Context& ctx, const Args& args) override;
  MINKE_OPS(MINKE_DECLARE_OP)
#undef MINKE_DECLARE_OP
  size_t packed_bytes(int64_t k, int64_t n, DType compute) const override { return inner_.packed_bytes(k, n, compute); }
  void record(const Context&, Event&) override {}
  void wait(const Context&, const Event&) override {}
  void synchronize(const Context&) override {}

 private:
  Backend& inner_;
  PoisonMemory memory_;
};

}  // namespace minke::test
