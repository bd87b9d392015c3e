// oneDNN's matrix product, if the machine has the library: something to compare with. It is looked for when the program
// runs, never linked, and nothing but `minke bench` asks for it.
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
