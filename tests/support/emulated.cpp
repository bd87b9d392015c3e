#include "support/emulated.h"

#include "kernels/cpu/common.h"

namespace minke {

#define MINKE_DECLARE_EMULATED(name)                                                                                  \
  namespace cpu::name {                                                                                               \
  void fill_gemm(Kernels&), fill_integer_gemm(Kernels&), fill_attention(Kernels&), fill_attention_backward(Kernels&), \
      fill_cached(Kernels&), fill_latents(Kernels&), fill_rows(Kernels&), fill_streams(Kernels&);                     \
  }
MINKE_DECLARE_EMULATED(avx512_emulated)
MINKE_DECLARE_EMULATED(avx512_vnni_emulated)
MINKE_DECLARE_EMULATED(avx512_bf16_emulated)
MINKE_DECLARE_EMULATED(amx_bf16_emulated)
#undef MINKE_DECLARE_EMULATED

namespace test {
namespace {

bool is_emulated(const std::string& isa) { return isa.ends_with("_emulated"); }

#if defined(MINKE_HAS_EMULATED)
template <int isa> const cpu::Kernels& kernels_of() {
  static const cpu::Kernels kernels = [] {
    cpu::Kernels k;
    k.name = kEmulatedIsas[isa];
#define MINKE_FILL(name)                                                                        \
  cpu::name::fill_gemm(k), cpu::name::fill_attention(k), cpu::name::fill_attention_backward(k), \
      cpu::name::fill_cached(k), cpu::name::fill_latents(k), cpu::name::fill_rows(k), cpu::name::fill_streams(k)
    if constexpr (isa < 2) MINKE_FILL(avx512_emulated), cpu::avx512_emulated::fill_integer_gemm(k);
    else MINKE_FILL(avx512_bf16_emulated);
    if constexpr (isa > 0) cpu::avx512_vnni_emulated::fill_integer_gemm(k);
    if constexpr (isa == 3)
      cpu::amx_bf16_emulated::fill_gemm(k), cpu::amx_bf16_emulated::fill_attention(k),
          cpu::amx_bf16_emulated::fill_attention_backward(k), cpu::amx_bf16_emulated::fill_cached(k);
#undef MINKE_FILL
    return k;
  }();
  return kernels;
}
CpuBackend& emulated_at(const std::string& isa) {
  cpu_backend("avx2");  // what they are compiled for
  static CpuBackend all[] = {CpuBackend(kernels_of<0>()), CpuBackend(kernels_of<1>()), CpuBackend(kernels_of<2>()),
                             CpuBackend(kernels_of<3>())};
  for (CpuBackend& e : all)
    if (e.kernels().name == isa) return e;
  bug("no emulated instruction set " + isa, SourceLocation::current());
}
#else
CpuBackend& emulated_at(const std::string& isa) {
  user_error("{} is emulated on x86 only, and not in a sanitized build", isa);
}
#endif

}  // namespace

Backend& emulated_backend(const std::string& isa) { return emulated_at(isa); }

std::vector<std::string> tested_isas() {
  std::vector<std::string> names = available_isas();
#if defined(MINKE_HAS_EMULATED)
  if (names.size() > 1) names.insert(names.end(), std::begin(kEmulatedIsas), std::end(kEmulatedIsas));
#endif
  return names;
}
std::vector<std::string> tested_backends() {
  std::vector<std::string> all = tested_isas();
  all.push_back("reference");
  return all;
}
Backend& tested_backend(const std::string& name) {
  if (name == "reference") return reference_backend();
  return is_emulated(name) ? emulated_backend(name) : cpu_backend(name);
}

}  // namespace test
}  // namespace minke
