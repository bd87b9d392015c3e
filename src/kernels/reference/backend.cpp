// The reference backend: it runs everything at once and in order.
#include "kernels/backend.h"
#include "kernels/reference/access.h"

namespace minke {
namespace {

class ReferenceBackend final : public HostBackend {
 public:
  ReferenceBackend() : HostBackend("reference") {}
#define MINKE_DEFINE_OP(op, Args) \
  void op(const Context& ctx, const Args& args) override { reference::op(ctx, args); }
  MINKE_OPS(MINKE_DEFINE_OP)
#undef MINKE_DEFINE_OP
  bool supports(Op, const OperandRule& rule, const Operand& o) const override {
    return has_layout(o, rule.layout) && has_format(o, rule.format, {DType::f64, DType::f32, DType::bf16});
  }
  bool computes_in(Op op, DType compute) const override {
    return compute == DType::f64 || compute == DType::f32 || compute == DType::bf16 ||
           (op == Op::gemm && compute == DType::i8);
  }
  size_t packed_bytes(int64_t k, int64_t n, DType compute) const override {
    return reference::packed_bytes(k, n, compute);
  }
};

}  // namespace

Backend& reference_backend() {
  static ReferenceBackend backend;  // stateless
  return backend;
}

}  // namespace minke
