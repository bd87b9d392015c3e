// A dry run: a backend that stands for another one and computes nothing. It asks the other whether it supports every op
// that it is given, and counts the memory that all would take: the same code that trains and decodes says by it what it
// needs, before anything is taken. No address of its memory may be followed; downloads give zeros.
// Tests: tests/kernels/supports_test.cpp, tests/run/memory_estimate_test.cpp.
#pragma once
#include "kernels/backend.h"

namespace minke {

// Gives addresses behind which there is nothing, and counts.
class CountingMemory final : public Memory {
 public:
  void* allocate(size_t bytes) override;
  void release(void* data, size_t bytes) noexcept override;
  size_t bytes() const { return bytes_; }            // now
  size_t most_bytes() const { return most_bytes_; }  // at once

 private:
  uintptr_t next_ = uintptr_t(1) << 46;
  size_t bytes_ = 0, most_bytes_ = 0;
};

class DryRun final : public WrappingBackend {
 public:
  // Instead of the context's backend; its threads are only counted.
  explicit DryRun(const Context& real);
  const Context& ctx() const { return ctx_; }

  const CountingMemory& counted() const { return memory_; }
  size_t scratch_bytes() const { return scratch_.high_water(); }

  Memory& memory() override { return memory_; }
#define MINKE_DECLARE_OP(op, Args) void op(const Context& ctx, const Args& args) override;
  MINKE_OPS(MINKE_DECLARE_OP)
#undef MINKE_DECLARE_OP
  void record(const Context&, Event&) override {}
  void wait(const Context&, const Event&) override {}
  void synchronize(const Context&) override {}

 private:
  template <class Args> void plan(const Context& ctx, const Args& args);

  CountingMemory memory_;
  Arena scratch_;  // measures
  Context ctx_;
};

}  // namespace minke
