#include "kernels/ops.h"
namespace minke { const Kernels& cpu_kernels(std::string_view) { return reference_kernels(); } }
