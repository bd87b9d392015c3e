// The conformance suite on every instruction set of the cpu backend, and on those that are emulated; those this machine lacks
// are skipped. Of avx2_vnni and avx512_vnni only products in 8 bits are their own: integer_products_test.cpp.
#include "kernels/conformance.h"
#include "kernels/cpu/backend.h"
#include "support/emulated.h"

namespace minke::test {
namespace {

std::vector<BackendCase> cases() {
  std::vector<BackendCase> result;
  for (const char* isa : {"baseline", "avx2", "avx512", "avx512_bf16", "amx_bf16"})
    result.push_back({isa, [isa]() -> Backend& { return cpu_backend(isa); }, true, 2});
  for (const char* isa : {"avx512_emulated", "avx512_bf16_emulated", "amx_bf16_emulated"})
    result.push_back({isa, [isa]() -> Backend& { return emulated_backend(isa); }, true, 2});
  return result;
}

INSTANTIATE_TEST_SUITE_P(Cpu, KernelConformance, ::testing::ValuesIn(cases()), case_name);

}  // namespace
}  // namespace minke::test
