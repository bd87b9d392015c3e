#include "kernels/ops.h"

namespace minke {

std::string missing_ops(const Kernels& kernels) {
  std::string missing;
#define MINKE_CHECK_OP(op, Args) \
  if (!kernels.op) missing += missing.empty() ? #op : ", " #op;
  MINKE_OPS(MINKE_CHECK_OP)
#undef MINKE_CHECK_OP
  return missing;
}

}  // namespace minke
