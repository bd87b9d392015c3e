// Instruction sets without the machine that has them: the code of src/kernels/cpu/isa with the few intrinsics it uses written
// out (avx512_emulated.h) and tile registers in memory (tiles.h). What holds for every instruction set is tested on these,
// too, wherever there is AVX2; what that cannot test is the instructions themselves, and speed.
// Tests: tests/kernels/emulated_test.cpp.
#pragma once
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cpu/backend.h"

namespace minke::test {

constexpr const char* kEmulatedIsas[] = {"avx512_emulated", "avx512_vnni_emulated", "avx512_bf16_emulated",
                                         "amx_bf16_emulated"};
Backend& emulated_backend(const std::string& isa);  // UserError on a machine without AVX2, or in a sanitized build

// Those of available_isas(), and the emulated ones where there are any.
std::vector<std::string> tested_isas();
// Those, and "reference".
std::vector<std::string> tested_backends();
Backend& tested_backend(const std::string& name);

}  // namespace minke::test
