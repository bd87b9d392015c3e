#include "bench/timed_backend.h"

#include "bench/measure.h"

namespace minke {
namespace {

// A weight is [out,in] in memory: right-hand sides of a forward product have the inner dimension dense, those of an input
// gradient the outer one.
bool is_transposed(const Operand& b) { return b.stride[b.rank - 2] == 1 && b.stride[b.rank - 1] != 1; }

template <class Args> Work work_of(const Args&) { return Work::other; }
Work work_of(const PackWeightArgs&) { return Work::packing; }
Work work_of(const RmsNormArgs&) { return Work::norms; }
Work work_of(const RmsNormBackwardArgs&) { return Work::norms; }
Work work_of(const RmsNormGainArgs&) { return Work::norms; }
Work work_of(const RopeArgs&) { return Work::rope; }
Work work_of(const SwigluArgs&) { return Work::swiglu; }
Work work_of(const SwigluBackwardArgs&) { return Work::swiglu; }
Work work_of(const AttentionArgs&) { return Work::attention_forward; }
Work work_of(const CachedAttentionArgs&) { return Work::attention_forward; }
Work work_of(const AttentionBackwardArgs&) { return Work::attention_backward; }
Work work_of(const RouteArgs&) { return Work::routing; }
Work work_of(const RouteBackwardArgs&) { return Work::routing; }
Work work_of(const BalanceArgs&) { return Work::routing; }
Work work_of(const DropTokensArgs&) { return Work::routing; }
Work work_of(const PermutePlanArgs&) { return Work::routing; }
Work work_of(const GatherArgs&) { return Work::routing; }
Work work_of(const CombineArgs&) { return Work::routing; }
Work work_of(const BiasUpdateArgs&) { return Work::routing; }
Work work_of(const ScatterAddArgs&) { return Work::embedding; }
Work work_of(const CrossEntropyArgs&) { return Work::cross_entropy; }
Work work_of(const SoftCrossEntropyArgs&) { return Work::cross_entropy; }
Work work_of(const AddArgs&) { return Work::elementwise; }
Work work_of(const CopyArgs&) { return Work::elementwise; }
Work work_of(const FillArgs&) { return Work::elementwise; }
Work work_of(const BiasGradArgs&) { return Work::elementwise; }
Work work_of(const AddBiasArgs&) { return Work::elementwise; }
Work work_of(const AdamWArgs&) { return Work::optimizer; }
Work work_of(const EmaArgs&) { return Work::optimizer; }
Work work_of(const SumSquaresArgs&) { return Work::optimizer; }

// With rows or the inner dimension cut into groups, each row or inner index meets one group.
double flops_of(const GemmArgs& args) {
  const Operand &a = args.a, &b = args.b;
  return 2.0 * double(a.size()) * double(b.shape[b.rank - 1]);
}
double flops_of(const AttentionArgs& args, bool backward = false) {
  double pairs = 0;
  for (int64_t s = 0; s < args.num_sequences; ++s) {
    const double n = double(args.sequence_offsets[s + 1] - args.sequence_offsets[s]);
    pairs += n * (n + 1) / 2;
  }
  const double dqk = double(args.q.shape[2]), dv = double(args.v.shape[2]);
  return 2 * double(args.q.shape[1]) * pairs * (backward ? 3 * dqk + 2 * dv : dqk + dv);
}
double flops_of(const AttentionBackwardArgs& args) { return flops_of(args.forward, true); }
template <class Args> double flops_of(const Args&) { return 0; }

}  // namespace

const char* name_of(Work work) {
  static constexpr const char* kNames[kNumWorks] = {"experts_forward",
                                                    "experts_dx",
                                                    "experts_dw",
                                                    "projections_forward",
                                                    "projections_dx",
                                                    "projections_dw",
                                                    "head_forward",
                                                    "head_dx",
                                                    "head_dw",
                                                    "attention_forward",
                                                    "attention_backward",
                                                    "packing",
                                                    "norms",
                                                    "rope",
                                                    "swiglu",
                                                    "routing",
                                                    "cross_entropy",
                                                    "elementwise",
                                                    "embedding",
                                                    "optimizer",
                                                    "other"};
  return kNames[int(work)];
}

Work TimedBackend::work_of_product(const GemmArgs& args) const {
  const auto form = form_is_forward_.find(args.b.data);
  const bool weight_gradient = args.grouping == Grouping::inner || (args.accumulate && is_transposed(args.a));
  const bool forward =
      args.b.packing == Packing::panels ? form != form_is_forward_.end() && form->second : is_transposed(args.b);
  const int direction = weight_gradient ? 2 : forward ? 0 : 1;
  const Operand& weight = weight_gradient ? args.c : args.b;  // or its shape transposed
  const int64_t rows = weight.shape[weight.rank - 2], columns = weight.shape[weight.rank - 1];
  const auto has_side = [&](int64_t n) { return n > 0 && (rows == n || columns == n); };
  if (args.grouping != Grouping::none) return Work(int(Work::experts_forward) + direction);
  if (has_side(sizes_.vocabulary)) return Work(int(Work::head_forward) + direction);
  if (has_side(sizes_.experts)) return Work::routing;
  return Work(int(Work::projections_forward) + direction);
}

template <class Args, class Op> void TimedBackend::timed(const Context& ctx, const Args& args, Op op) {
  Work work = work_of(args);
  if constexpr (std::is_same_v<Args, GemmArgs>) work = work_of_product(args);
  if constexpr (std::is_same_v<Args, PackWeightArgs>) form_is_forward_[args.packed.data] = is_transposed(args.b);
  const Context inner = inner_context(ctx);
  const double begin = seconds_now();
  op(inner, args);
  inner_.synchronize(inner);
  Booking& booking = bookings_[size_t(work)];
  booking.seconds += seconds_now() - begin;
  booking.flops += flops_of(args);
  ++booking.calls;
}

#define MINKE_TIME_OP(op, Args)                                                                     \
  void TimedBackend::op(const Context& ctx, const Args& args) {                                     \
    timed(ctx, args, [this](const Context& inner, const Args& given) { inner_.op(inner, given); }); \
  }
MINKE_OPS(MINKE_TIME_OP)
#undef MINKE_TIME_OP

}  // namespace minke
