// Backend: what computes. It has every op of ops.h, the memory in which their operands lie, and its own state: the
// chosen instruction set here, a device with its streams and handles on a GPU. Context::backend leads to it:
// ctx.backend->gemm(ctx, {…}). Tests: tests/kernels/ (one suite for every backend).
#pragma once
#include <string>
#include <utility>

#include "kernels/ops.h"

namespace minke {

class Backend {
 public:
  explicit Backend(std::string name) : name_(std::move(name)) {}
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  const std::string& name() const { return name_; }  // "reference", "cpu avx512_bf16", …
  virtual Memory& memory() = 0;

#define MINKE_DECLARE_OP(op, Args) virtual void op(const Context&, const Args&) = 0;
  MINKE_OPS(MINKE_DECLARE_OP)
#undef MINKE_DECLARE_OP

  // Bytes of the packed form of a [K,N] right-hand side (per group). Pure.
  virtual size_t packed_bytes(int64_t k, int64_t n, DType compute) const = 0;

  // The event is everything that ctx.stream has been given so far.
  virtual void record(const Context& ctx, Event& event) = 0;
  // What ctx.stream is given from now on begins after the event. The host does not wait.
  virtual void wait(const Context& ctx, const Event& event) = 0;
  // The host waits until everything that ctx.stream has been given is done.
  virtual void synchronize(const Context& ctx) = 0;

 private:
  std::string name_;
};

// A backend that has done everything when an op returns, in the host's memory.
class HostBackend : public Backend {
 public:
  explicit HostBackend(std::string name, Memory& memory = host_memory()) : Backend(std::move(name)), memory_(memory) {}
  Memory& memory() override { return memory_; }
  void record(const Context&, Event&) override {}
  void wait(const Context&, const Event&) override {}
  void synchronize(const Context&) override {}

 private:
  Memory& memory_;
};

// Plain loops, the meaning of ops.h.
Backend& reference_backend();

}  // namespace minke
