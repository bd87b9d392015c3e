// The tables of the cpu backend. cpu_kernels (kernels/ops.h) picks one by CPUID; here is what it picks from.
// Tests: tests/kernels/cpu_isa_test.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace minke {

// Names that cpu_kernels takes on this machine, the best last: "baseline", "avx2", "avx512", "avx512_bf16".
std::vector<std::string> available_isas();

// The most that one op of the cpu backend takes from Context::scratch.
struct CpuScratchNeeds {
  int threads = 1;
  int64_t tokens = 0;  // of a batch (backward attention keeps k_rope's gradient by head)
  int64_t longest_sequence = 0;
  int64_t heads = 0, kv_heads = 0, dk = 0, dr = 0, dv = 0;  // dk, dv: the larger of training and cached attention
  int64_t groups = 1;                                       // experts, or the batch of a batched product
};
size_t cpu_scratch_bytes(const CpuScratchNeeds& needs);

}  // namespace minke
