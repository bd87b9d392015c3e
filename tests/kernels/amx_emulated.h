// The avx2 table with the products of amx_bf16, their tile registers emulated (src/kernels/cpu/isa/tiles.h): the tests that
// every instruction set passes hold for them, too. Needs a machine with AVX2; UserError where it is missing.
#pragma once
#include "kernels/ops.h"

namespace minke::test {

constexpr const char* kAmxEmulated = "amx_emulated";
const Kernels& amx_emulated();

}  // namespace minke::test
