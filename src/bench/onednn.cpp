#include "bench/onednn.h"

#include <dlfcn.h>
#include <fmt/core.h>

namespace minke {
namespace {

// As in oneapi/dnnl/dnnl.h, the same from version 1 to 3; a status of 0 is success. The product of bf16 is exported but
// stands in no header.
struct Version {
  int major, minor, patch;
};
using GetVersion = const Version* (*)();
using MultiplyFloat = int (*)(char, char, int64_t m, int64_t n, int64_t k, float alpha, const void* a, int64_t lda,
                              const void* b, int64_t ldb, float beta, float* c, int64_t ldc);
using MultiplyBytes = int (*)(char, char, char, int64_t m, int64_t n, int64_t k, float alpha, const void* a,
                              int64_t lda, uint8_t zero_a, const void* b, int64_t ldb, int8_t zero_b, float beta,
                              int32_t* c, int64_t ldc, const int32_t* zero_c);

template <class F> F find(void* library, const char* name) {
  return library ? reinterpret_cast<F>(::dlsym(library, name)) : nullptr;
}

}  // namespace

// Never closed: the threads of its OpenMP outlive it.
OneDnn::OneDnn(int threads) {
  for (const char* name : {"libdnnl.so.3", "libdnnl.so.2", "libdnnl.so"})
    if (!library_) library_ = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (const auto set_threads = find<void (*)(int)>(library_, "omp_set_num_threads")) set_threads(threads);
}

std::string OneDnn::version() const {
  const auto get = find<GetVersion>(library_, "dnnl_version");
  if (!get) return "";
  const Version* v = get();
  return fmt::format("{}.{}.{}", v->major, v->minor, v->patch);
}

bool OneDnn::multiply(DType dtype, int64_t n, const void* a, const void* b, void* c) const {
  if (dtype == DType::u8) {
    const auto f = find<MultiplyBytes>(library_, "dnnl_gemm_u8s8s32");
    const int32_t zero = 0;
    return f && f('N', 'N', 'F', n, n, n, 1, a, n, 0, b, n, 0, 0, static_cast<int32_t*>(c), n, &zero) == 0;
  }
  const auto f = find<MultiplyFloat>(library_, dtype == DType::bf16 ? "dnnl_gemm_bf16bf16f32" : "dnnl_sgemm");
  return f && f('N', 'N', n, n, n, 1, a, n, b, n, 0, static_cast<float*>(c), n) == 0;
}

}  // namespace minke
