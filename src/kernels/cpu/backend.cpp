#include "kernels/cpu/backend.h"

#include <array>
#include <memory>

#include "kernels/cpu/common.h"
#include "kernels/cpu/processor.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace minke {
namespace {

enum Isa { kBaseline, kAvx2, kAvx2Vnni, kAvx512, kAvx512Vnni, kAvx512Bf16, kAmxBf16, kNumIsas };
constexpr const char* kIsaNames[kNumIsas] = {"baseline",    "avx2",        "avx2_vnni", "avx512",
                                             "avx512_vnni", "avx512_bf16", "amx_bf16"};
using IsaSet = std::array<bool, kNumIsas>;

#if defined(__x86_64__)
constexpr bool bit(unsigned word, int at) { return word >> at & 1; }

// Linux gives the tile registers to a process that asks (Documentation/arch/x86/xstate.rst).
bool may_use_tiles() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

// Intel SDM vol. 1 §14–15: the CPUID flags of the instructions, and XCR0 for the registers the system saves.
IsaSet find_isas() {
  IsaSet has = {};
  has[kBaseline] = true;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return has;
  const bool osxsave = bit(c, 27), avx = bit(c, 28), fma = bit(c, 12), f16c = bit(c, 29);
  if (!osxsave || !avx || !fma || !f16c) return has;
  unsigned xcr0 = 0, high = 0;
  __asm__("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
  if ((xcr0 & 0x6) != 0x6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return has;
  const bool f = bit(b, 16), dq = bit(b, 17), bw = bit(b, 30), vl = bit(b, 31), vnni = bit(c, 11);
  const bool tiles = bit(d, 24) && bit(d, 22) && bit(d, 25) && (xcr0 & 0x60000) == 0x60000;
  has[kAvx2] = bit(b, 5);
  has[kAvx512] = has[kAvx2] && (xcr0 & 0xe6) == 0xe6 && f && dq && bw && vl;
  has[kAvx512Vnni] = has[kAvx512] && vnni;
  if (a < 1 || !__get_cpuid_count(7, 1, &a, &b, &c, &d)) return has;
  has[kAvx2Vnni] = has[kAvx2] && bit(a, 4);
  has[kAvx512Bf16] = has[kAvx512Vnni] && bit(a, 5);
  has[kAmxBf16] = has[kAvx512Bf16] && tiles && may_use_tiles();
  return has;
}
#else
IsaSet find_isas() { return {true}; }
#endif
const IsaSet& isas() {
  static const IsaSet has = find_isas();
  return has;
}

template <int isa> const cpu::Kernels& kernels_of() {
  static const cpu::Kernels kernels = [] {
    cpu::Kernels k;
    k.name = kIsaNames[isa];
#define MINKE_FILL(name)                                                                                          \
  cpu::name::fill_gemm(k), cpu::name::fill_attention(k), cpu::name::fill_attention_backward(k),                   \
      cpu::name::fill_cached(k), cpu::name::fill_latents(k), cpu::name::fill_rows(k), cpu::name::fill_streams(k), \
      cpu::name::fill_peak(k)
    if constexpr (isa == kBaseline) MINKE_FILL(baseline), cpu::baseline::fill_integer_gemm(k);
#if defined(__x86_64__)
    if constexpr (isa == kAvx2 || isa == kAvx2Vnni) MINKE_FILL(avx2), cpu::avx2::fill_integer_gemm(k);
    if constexpr (isa == kAvx2Vnni) cpu::avx2_vnni::fill_integer_gemm(k), cpu::avx2_vnni::fill_peak(k);
    if constexpr (isa == kAvx512 || isa == kAvx512Vnni) MINKE_FILL(avx512), cpu::avx512::fill_integer_gemm(k);
    if constexpr (isa == kAvx512Vnni) cpu::avx512_vnni::fill_integer_gemm(k), cpu::avx512_vnni::fill_peak(k);
    if constexpr (isa == kAvx512Bf16 || isa == kAmxBf16)
      MINKE_FILL(avx512_bf16), cpu::avx512_vnni::fill_integer_gemm(k);
    if constexpr (isa == kAmxBf16)
      cpu::amx_bf16::fill_gemm(k), cpu::amx_bf16::fill_attention(k), cpu::amx_bf16::fill_attention_backward(k),
          cpu::amx_bf16::fill_cached(k), cpu::amx_bf16::fill_peak(k);
#endif
#undef MINKE_FILL
    return k;
  }();
  return kernels;
}

template <int isa> const cpu::Kernels& kernels_at(int wanted) {
  if constexpr (isa > 0)
    if (wanted < isa) return kernels_at<isa - 1>(wanted);
  return kernels_of<isa>();
}
const cpu::Kernels& kernels_at(int isa) { return kernels_at<kNumIsas - 1>(isa); }

CpuBackend& backend_at(int isa) {
  static const auto backends = [] {
    std::array<std::unique_ptr<CpuBackend>, kNumIsas> all;
    for (int i = 0; i < kNumIsas; ++i)
      if (isas()[size_t(i)]) all[size_t(i)] = std::make_unique<CpuBackend>(kernels_at(i));
    return all;
  }();
  return *backends[size_t(isa)];
}

}  // namespace

CpuBackend::CpuBackend(const cpu::Kernels& kernels, Memory& memory)
    : HostBackend(std::string("cpu ") + kernels.name, memory), kernels_(kernels) {}

#define MINKE_DEFINE_OP(op, Args) \
  void CpuBackend::op(const Context& ctx, const Args& args) { cpu::op(kernels_, ctx, args); }
MINKE_OPS(MINKE_DEFINE_OP)
#undef MINKE_DEFINE_OP

#define MINKE_DEFINE_SCRATCH(Args)                                     \
  size_t CpuBackend::scratch_of(const Args& args, int threads) const { \
    return cpu::scratch_of(kernels_, threads, args);                   \
  }
MINKE_CPU_SCRATCH_OPS(MINKE_DEFINE_SCRATCH)
#undef MINKE_DEFINE_SCRATCH

bool CpuBackend::supports(Op op, const OperandRule& rule, const Operand& o) const {
  if (!has_layout(o, rule.layout)) return false;
  const std::string_view name = rule.name;
  if (op == Op::route && name == "affinity" && cpu::row_length(o) > cpu::kMaxExperts) return false;
  if (op == Op::rope && name == "x" && cpu::row_length(o) > kernels_.max_rotary) return false;
  return has_format(o, rule.format, {DType::f32, DType::bf16});
}

bool CpuBackend::computes_in(Op op, DType compute) const {
  return compute == DType::f32 || compute == DType::bf16 || (op == Op::gemm && compute == DType::i8);
}

Strips CpuBackend::strips() const {
  return {.integers = int32_t(kernels_.strip), .codes = int32_t(kernels_.panel_width)};
}

size_t CpuBackend::packed_bytes(int64_t k, int64_t n, DType compute) const {
  return cpu::packed_bytes(kernels_, k, n, compute);
}

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (int i = 0; i < kNumIsas; ++i)
    if (isas()[size_t(i)]) names.push_back(kIsaNames[i]);
  return names;
}

const PathChoice& default_isa() {
  static const PathChoice choice = choose_bf16_path(this_processor(), available_isas(), [](const auto& paths) {
    std::vector<const cpu::Kernels*> candidates;
    for (const std::string& path : paths)
      candidates.push_back(&kernels_at(int(std::find(kIsaNames, kIsaNames + kNumIsas, path) - kIsaNames)));
    return cpu::bf16_rates(candidates);
  });
  return choice;
}

CpuBackend& cpu_backend(std::string_view isa) {
  if (isa.empty()) isa = default_isa().isa;
  for (int i = 0; i < kNumIsas; ++i)
    if (isas()[size_t(i)] && isa == kIsaNames[i]) return backend_at(i);
  std::string have;
  for (const std::string& name : available_isas()) have += (have.empty() ? "" : ", ") + name;
  user_error("instruction set \"{}\" is not available: this machine has {}. Name one of these, or none for the best.",
             isa, have);
}

}  // namespace minke
