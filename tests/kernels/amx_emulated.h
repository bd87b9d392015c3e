// The avx2 table with the products of amx_bf16, their tile registers emulated (src/kernels/cpu/isa/tiles.h): the tests that
// every instruction set passes hold for them, too.
#pragma once
#include "kernels/ops.h"

namespace minke::test {

constexpr const char* kAmxEmulated = "amx_emulated";
bool has_amx_emulated();        // this machine has AVX2
const Kernels& amx_emulated();  // UserError where it has not

}  // namespace minke::test
