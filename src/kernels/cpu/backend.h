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
struct Kernels;  // isa/kernels.h
}

class CpuBackend final : public HostBackend {
 public:
  explicit CpuBackend(const cpu::Kernels& kernels, Memory& memory = host_memory());
  const cpu::Kernels& kernels() const { return kernels_; }
#define MINKE_DECLARE_OP(op, Args) void op(const Context& ctx, const Args& args) override;
  MINKE_OPS(MINKE_DECLARE_OP)
#undef MINKE_DECLARE_OP
  bool supports(Op op, const OperandRule& rule, const Operand& operand) const override;
  bool computes_in(Op op, DType compute) const override;
  Strips strips() const override;
  using HostBackend::scratch_of;
  size_t scratch_of(const GemmArgs& args, int threads) const override;
  size_t scratch_of(const AttentionArgs& args, int threads) const override;
  size_t scratch_of(const AttentionBackwardArgs& args, int threads) const override;
  size_t scratch_of(const CachedAttentionArgs& args, int threads) const override;
  size_t scratch_of(const GatherArgs& args, int threads) const override;
  size_t scratch_of(const BalanceArgs& args, int threads) const override;
  size_t scratch_of(const DropTokensArgs& args, int threads) const override;
  size_t scratch_of(const PermutePlanArgs& args, int threads) const override;
  size_t scratch_of(const AdamWArgs& args, int threads) const override;
  size_t scratch_of(const SumSquaresArgs& args, int threads) const override;
  size_t packed_bytes(int64_t k, int64_t n, DType compute) const override;

 private:
  const cpu::Kernels& kernels_;
};

// The one of default_isa(), or for the instruction set named. UserError if the machine lacks it.
CpuBackend& cpu_backend(std::string_view isa = "");
// Names that cpu_backend takes on this machine, the newest last: "baseline", "avx2", "avx512", "avx512_bf16", "amx_bf16", and
// "avx2_vnni", "avx512_vnni": the same with the instructions that multiply bytes (AVX-VNNI, AVX512-VNNI).
std::vector<std::string> available_isas();
// The one that computes where none is named, and why: the fastest for products in BF16. Found at the first call.
const PathChoice& default_isa();

// What the arithmetic and the memory give when nothing else is done (isa/peak.cpp), on all threads. 0 where the context has
// another backend, or its instruction set no such loop.
// Multiply-adds on registers in f32, bf16 or 8-bit integers (u8); the operations done, 2 a multiply-add.
double cpu_peak_loop(const Context& ctx, DType dtype, int64_t rounds);
// Reads (most of) the bytes in 1, 2, 4 or 8 streams a thread; how many.
int64_t cpu_read_loop(const Context& ctx, const Operand& bytes, int streams, bool prefetch);

}  // namespace minke
