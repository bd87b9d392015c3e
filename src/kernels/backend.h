// Backend: what computes. It has every op of ops.h, the memory in which their operands lie, and its own state: the
// chosen instruction set here, a device with its streams and handles on a GPU. Context::backend leads to it:
// ctx.backend->gemm(ctx, {…}). Tests: tests/kernels/ (one suite for every backend).
#pragma once
#include <string>
#include <utility>

#include "core/row_blocks.h"
#include "kernels/operands.h"

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

  // Whether it computes the op on such an operand and in such a format: what dtype and layout say, never the address. A
  // model asks for all that it will need when it is built (dry_run.h), so that no step fails in its middle.
  virtual bool supports(Op op, const OperandRule& rule, const Operand& operand) const = 0;
  virtual bool computes_in(Op op, DType compute) const = 0;
  // Bytes that the op takes from Context::scratch, by the code that takes them.
#define MINKE_DECLARE_SCRATCH(op, Args) \
  virtual size_t scratch_of(const Args&, int /*threads*/) const { return 0; }
  MINKE_OPS(MINKE_DECLARE_SCRATCH)
#undef MINKE_DECLARE_SCRATCH

  virtual Strips strips() const { return {}; }

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

// A backend around another one, which computes.
class WrappingBackend : public Backend {
 public:
  WrappingBackend(std::string name, Backend& inner) : Backend(std::move(name)), inner_(inner) {}
  Memory& memory() override { return inner_.memory(); }
  bool supports(Op op, const OperandRule& rule, const Operand& operand) const override {
    return inner_.supports(op, rule, operand);
  }
  bool computes_in(Op op, DType compute) const override { return inner_.computes_in(op, compute); }
#define MINKE_FORWARD_SCRATCH(op, Args) \
  size_t scratch_of(const Args& args, int threads) const override { return inner_.scratch_of(args, threads); }
  MINKE_OPS(MINKE_FORWARD_SCRATCH)
#undef MINKE_FORWARD_SCRATCH
  Strips strips() const override { return inner_.strips(); }
  size_t packed_bytes(int64_t k, int64_t n, DType compute) const override { return inner_.packed_bytes(k, n, compute); }
  void record(const Context& ctx, Event& event) override { inner_.record(inner_context(ctx), event); }
  void wait(const Context& ctx, const Event& event) override { inner_.wait(inner_context(ctx), event); }
  void synchronize(const Context& ctx) override { inner_.synchronize(inner_context(ctx)); }

 protected:
  Context inner_context(Context ctx) const {
    ctx.backend = &inner_;
    return ctx;
  }
  Backend& inner_;
};

// Plain loops, the meaning of ops.h.
Backend& reference_backend();

}  // namespace minke
