// The table of the reference backend. It runs everything at once and in order, so streams and events are trivial.
#include "kernels/reference/access.h"

namespace minke {

const Kernels& reference_kernels() {
  static const Kernels table = [] {
    Kernels kernels;
    kernels.name = "reference";
#define MINKE_SET_OP(op, Args) kernels.op = reference::op;
    MINKE_OPS(MINKE_SET_OP)
#undef MINKE_SET_OP
    kernels.packed_bytes = reference::packed_bytes;
    kernels.record = [](const Context&, Event&) {};
    kernels.wait = [](const Context&, const Event&) {};
    kernels.synchronize = [](const Context&) {};
    return kernels;
  }();
  return table;
}

}  // namespace minke
