// What this processor calls itself, by CPUID. Test: tests/kernels/cpu_isa_test.cpp.
#pragma once
#include "kernels/cpu/product_path.h"

namespace minke {

Processor this_processor();  // vendor "" where there is no CPUID

}  // namespace minke
