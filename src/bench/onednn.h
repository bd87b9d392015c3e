// oneDNN's matrix product, for comparison, if the machine has the library. It is loaded at run time, never linked, and only
// `minke bench` uses it.
#pragma once
#include <cstdint>
#include <string>

#include "core/types.h"

namespace minke {

class OneDnn {
 public:
  explicit OneDnn(int threads);  // of its OpenMP
  std::string version() const;   // "" if the machine has none
  // c = a · b of n × n, row-major: f32 · f32 → f32, bf16 · bf16 → f32, u8 · i8 → i32. False if it does not do that here.
  bool multiply(DType dtype, int64_t n, const void* a, const void* b, void* c) const;

 private:
  void* library_ = nullptr;
};

}  // namespace minke
