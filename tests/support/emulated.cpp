#include "support/emulated.h"

#include "kernels/cpu/common.h"

namespace minke {

#define MINKE_DECLARE_EMULATED(name)                                                                    \
  namespace cpu::name {                                                                                 \
  void fill_gemm(Table&), fill_attention(Table&), fill_attention_backward(Table&), fill_cached(Table&), \
      fill_rows(Table&), fill_streams(Table&);                                                          \
  }
MINKE_DECLARE_EMULATED(avx512_emulated)
MINKE_DECLARE_EMULATED(avx512_bf16_emulated)
MINKE_DECLARE_EMULATED(amx_bf16_emulated)
#undef MINKE_DECLARE_EMULATED

namespace test {
namespace {

bool is_emulated(const std::string& isa) { return isa.ends_with("_emulated"); }

#if defined(__x86_64__)
template <int isa> const cpu::Table& table() {
  static const cpu::Table table = [] {
    cpu::Table t;
    t.name = kEmulatedIsas[isa];
#define MINKE_FILL(name)                                                                        \
  cpu::name::fill_gemm(t), cpu::name::fill_attention(t), cpu::name::fill_attention_backward(t), \
      cpu::name::fill_cached(t), cpu::name::fill_rows(t), cpu::name::fill_streams(t)
    if constexpr (isa == 0) MINKE_FILL(avx512_emulated);
    else MINKE_FILL(avx512_bf16_emulated);
    if constexpr (isa == 2)
      cpu::amx_bf16_emulated::fill_gemm(t), cpu::amx_bf16_emulated::fill_attention(t),
          cpu::amx_bf16_emulated::fill_attention_backward(t);
#undef MINKE_FILL
    return t;
  }();
  return table;
}
CpuBackend& emulated_at(const std::string& isa) {
  cpu_backend("avx2");  // what they are compiled for
  static CpuBackend all[] = {CpuBackend(table<0>()), CpuBackend(table<1>()), CpuBackend(table<2>())};
  for (CpuBackend& e : all)
    if (e.isa().name == isa) return e;
  bug("no emulated instruction set " + isa, SourceLocation::current());
}
#else
CpuBackend& emulated_at(const std::string& isa) { user_error("{} is emulated on x86 only", isa); }
#endif

}  // namespace

Backend& emulated_backend(const std::string& isa) { return emulated_at(isa); }

std::vector<std::string> tested_isas() {
  std::vector<std::string> names = available_isas();
  if (names.size() > 1) names.insert(names.end(), std::begin(kEmulatedIsas), std::end(kEmulatedIsas));
  return names;
}
Backend& tested_backend(const std::string& isa) { return is_emulated(isa) ? emulated_backend(isa) : cpu_backend(isa); }

}  // namespace test
}  // namespace minke
