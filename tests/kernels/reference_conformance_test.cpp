// The reference in f32 and bf16, on poison memory, against itself in f64: checks the suite's bounds and every op's
// dtypes.
#include "kernels/conformance.h"

namespace minke::test {
namespace {

INSTANTIATE_TEST_SUITE_P(Reference, KernelConformance,
                         ::testing::Values(BackendCase{"reference", []() -> Backend& { return reference_backend(); },
                                                       true, 2}),
                         case_name);

}  // namespace
}  // namespace minke::test
