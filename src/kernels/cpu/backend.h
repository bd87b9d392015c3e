// The cpu backend: SIMD over the threads of the context. Its state is the instruction set it was made for.
// Tests: tests/kernels/cpu_isa_test.cpp, cpu_conformance_test.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cpu/product_path.h"

namespace minke {

namespace cpu {
struct Table;  // isa/table.h
}

class CpuBackend final : public HostBackend {
 public:
  explicit CpuBackend(const cpu::Table& isa, Memory& memory = host_memory());
  const cpu::Table& isa() const { return isa_; }
#define MINKE_DECLARE_OP(op, Args) void op(const Context& ctx, const Args& args) override;
  MINKE_OPS(MINKE_DECLARE_OP)
#undef MINKE_DECLARE_OP
  size_t packed_bytes(int64_t k, int64_t n, DType compute) const override;

 private:
  const cpu::Table& isa_;
};

// The one of default_isa(), or for the instruction set named. UserError if the machine lacks it.
CpuBackend& cpu_backend(std::string_view isa = "");
// Names that cpu_backend takes on this machine, the newest last: "baseline", "avx2", "avx512", "avx512_bf16",
// "amx_bf16".
std::vector<std::string> available_isas();
// The one that computes where none is named, and why: the fastest for products in BF16. Found at the first call.
const PathChoice& default_isa();

// The most that one op of the cpu backend takes from Context::scratch.
struct CpuScratchNeeds {
  int threads = 1;
  int64_t tokens = 0;  // of a batch (backward attention keeps k_rope's gradient by head)
  int64_t longest_sequence = 0;
  int64_t heads = 0, kv_heads = 0, dk = 0, dr = 0, dv = 0;  // dk, dv: the larger of training and cached attention
  int64_t groups = 1;                                       // experts, or the batch of a batched product
};
size_t cpu_scratch_bytes(const CpuScratchNeeds& needs);

// What the arithmetic and the memory give when nothing else is done (isa/peak.cpp), on all threads. 0 where the context has
// another backend, or its instruction set no such loop.
// Multiply-adds on registers in f32, bf16 or 8-bit integers (u8); the operations done, 2 a multiply-add.
double cpu_peak_loop(const Context& ctx, DType dtype, int64_t rounds);
// Reads (most of) the bytes in 1, 2, 4 or 8 streams a thread; how many.
int64_t cpu_read_loop(const Context& ctx, const Operand& bytes, int streams, bool prefetch);

}  // namespace minke
