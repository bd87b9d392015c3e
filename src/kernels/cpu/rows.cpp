// Norm, rotation, activation, loss, embedding: checks and the cut into tasks. The arithmetic is in isa/rows.cpp.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/common.h"

namespace minke::cpu {
namespace {

void take_rstd(NormJob& job, const Operand& rstd, const Operand& x) {
  if (!rstd) return;
  check(rstd.dtype == DType::f32 && rstd.rank == x.rank - 1, "rms_norm: rstd is f32 [N] or [N,H]");
  for (int d = 0; d < rstd.rank; ++d) check(rstd.shape[d] == x.shape[d], "rms_norm: shape of rstd");
  job.rstd = static_cast<float*>(rstd.data);
  job.rstd_outer_stride = rstd.rank ? rstd.stride[0] : 0;
  if (rstd.rank == 2) job.rstd_inner = std::max<int64_t>(rstd.shape[1], 1), job.rstd_stride = rstd.stride[1];
}

bool same_shape(const Operand& a, const Operand& b) { return a.rank == b.rank && a.shape == b.shape; }

}  // namespace

void rms_norm(const Kernels& kernels, const Context& ctx, const RmsNormArgs& args) {
  check(same_shape(args.x, args.y), "rms_norm: shapes of x and y");
  NormJob job;
  job.width = row_length(args.x), job.num_rows = num_rows(args.x), job.eps = float(args.eps);
  expect_shape(args.gain, {job.width}, "rms_norm: gain is [D]");
  job.x = rows_of(args.x), job.y = rows_of(args.y), job.gain = rows_of(args.gain);
  take_rstd(job, args.rstd, args.x);
  in_chunks(ctx, job.num_rows, job.width, [&](int64_t begin, int64_t end) { kernels.rms_norm(job, begin, end); });
}

void rms_norm_backward(const Kernels& kernels, const Context& ctx, const RmsNormBackwardArgs& args) {
  check(same_shape(args.x, args.dy) && same_shape(args.x, args.dx), "rms_norm_backward: shapes");
  NormJob job;
  job.width = row_length(args.x), job.num_rows = num_rows(args.x);
  expect_shape(args.gain, {job.width}, "rms_norm_backward: gain is [D]");
  check(bool(args.rstd), "rms_norm_backward: rstd of the forward pass");
  job.x = rows_of(args.x), job.dy = rows_of(args.dy), job.dx = rows_of(args.dx), job.gain = rows_of(args.gain);
  job.accumulate = args.accumulate;
  take_rstd(job, args.rstd, args.x);
  in_chunks(ctx, job.num_rows, job.width,
            [&](int64_t begin, int64_t end) { kernels.rms_norm_backward(job, begin, end); });
}

void rms_norm_gain(const Kernels& kernels, const Context& ctx, const RmsNormGainArgs& args) {
  check(same_shape(args.x, args.dy), "rms_norm_gain: shapes");
  NormJob job;
  job.width = row_length(args.x), job.num_rows = num_rows(args.x);
  expect_shape(args.dgain, {job.width}, "rms_norm_gain: dgain is [D]");
  check(bool(args.rstd), "rms_norm_gain: rstd of the forward pass");
  job.x = rows_of(args.x), job.dy = rows_of(args.dy), job.dgain = f32_data(args.dgain);
  take_rstd(job, args.rstd, args.x);
  in_columns(ctx, job.width, [&](int64_t begin, int64_t end) { kernels.rms_norm_gain(job, begin, end); });
}

void rope(const Kernels& kernels, const Context& ctx, const RopeArgs& args) {
  check(args.x.rank == 3 && args.x.shape[2] % 2 == 0, "rope: x is [N,H,D], D even");
  RopeJob job;
  const int64_t n = args.x.shape[0];
  job.x = rows_of(args.x), job.heads = args.x.shape[1], job.width = args.x.shape[2];
  check(job.width <= kernels.max_rotary, "rope: D is larger than the cpu backend's limit of 1024");
  check(args.table.rank == 2 && args.table.shape[1] == job.width && args.table.is_contiguous(),
        "rope: table is [P,D], contiguous");
  expect_shape(args.positions, {n}, "rope: positions are [N]");
  job.positions = i32_data(args.positions), job.table = f32_data(args.table);
  for (int64_t t = 0; t < n; ++t) bounded(job.positions[t], args.table.shape[0], "rope: position");
  job.interleaved = args.interleaved, job.inverse = args.inverse;
  in_chunks(ctx, n, job.heads * job.width, [&](int64_t begin, int64_t end) { kernels.rope(job, begin, end); });
}

void swiglu(const Kernels& kernels, const Context& ctx, const SwigluArgs& args) {
  check(args.gate_up.rank == 2 && args.y.rank == 2, "swiglu: ranks");
  const int64_t r = args.y.shape[0], f = args.y.shape[1];
  expect_shape(args.gate_up, {r, 2 * f}, "swiglu: gate_up is [R,2F]");
  SwigluJob job;
  job.gate_up = rows_of(args.gate_up), job.y = rows_of(args.y), job.width = f;
  if (args.row_weight)
    expect_shape(args.row_weight, {r}, "swiglu: row_weight is [R]"), job.weight = f32_data(args.row_weight);
  in_chunks(ctx, limited_rows(args.num_rows, r), f * 4,
            [&](int64_t begin, int64_t end) { kernels.swiglu(job, begin, end); });
}

void swiglu_backward(const Kernels& kernels, const Context& ctx, const SwigluBackwardArgs& args) {
  check(args.gate_up.rank == 2 && args.dy.rank == 2, "swiglu_backward: ranks");
  const int64_t r = args.dy.shape[0], f = args.dy.shape[1];
  expect_shape(args.gate_up, {r, 2 * f}, "swiglu_backward: gate_up is [R,2F]");
  expect_shape(args.d_gate_up, {r, 2 * f}, "swiglu_backward: d_gate_up is [R,2F]");
  SwigluJob job;
  job.gate_up = rows_of(args.gate_up), job.y = rows_of(args.dy), job.d_gate_up = rows_of(args.d_gate_up), job.width = f;
  if (args.row_weight)
    expect_shape(args.row_weight, {r}, "swiglu_backward: row_weight is [R]"), job.weight = f32_data(args.row_weight);
  if (args.d_row_weight)
    expect_shape(args.d_row_weight, {r}, "swiglu_backward: d_row_weight is [R]"),
        job.d_weight = f32_data(args.d_row_weight);
  in_chunks(ctx, limited_rows(args.num_rows, r), f * 8,
            [&](int64_t begin, int64_t end) { kernels.swiglu_backward(job, begin, end); });
}

void cross_entropy(const Kernels& kernels, const Context& ctx, const CrossEntropyArgs& args) {
  check(args.logits.rank == 2, "cross_entropy: logits is [n,V]");
  const int64_t n = args.logits.shape[0];
  CrossEntropyJob job;
  job.width = args.logits.shape[1];
  expect_shape(args.target, {n}, "cross_entropy: target is [n]");
  expect_shape(args.loss, {n}, "cross_entropy: loss is [n]");
  job.logits = rows_of(args.logits), job.target = i32_data(args.target), job.loss = f32_data(args.loss);
  for (int64_t i = 0; i < n; ++i)
    if (job.target[i] >= 0) bounded(job.target[i], job.width, "cross_entropy: target");
  job.gradient = args.gradient, job.grad_scale = float(args.grad_scale);
  job.inverse_temperature = float(args.inverse_temperature);
  if (args.weight) expect_shape(args.weight, {n}, "cross_entropy: weight is [n]"), job.weight = f32_data(args.weight);
  if (args.entropy)
    expect_shape(args.entropy, {n}, "cross_entropy: entropy is [n]"), job.entropy = f32_data(args.entropy);
  in_chunks(ctx, n, job.width * 4, [&](int64_t begin, int64_t end) { kernels.cross_entropy(job, begin, end); });
}

static_assert(kMaxListed == kMaxSoftTargets);
void soft_cross_entropy(const Kernels& kernels, const Context& ctx, const SoftCrossEntropyArgs& args) {
  check(args.logits.rank == 2 && args.soft_token.rank == 2, "soft_cross_entropy: logits is [n,V], soft_token [n,K]");
  const int64_t n = args.logits.shape[0];
  SoftCrossEntropyJob job;
  job.width = args.logits.shape[1], job.count = args.soft_token.shape[1];
  check(job.count <= kMaxSoftTargets, "soft_cross_entropy: K");
  expect_shape(args.target, {n}, "soft_cross_entropy: target is [n]");
  expect_shape(args.soft_token, {n, job.count}, "soft_cross_entropy: soft_token is [n,K]");
  expect_shape(args.probability, {n, job.count}, "soft_cross_entropy: probability is [n,K]");
  expect_shape(args.loss, {n}, "soft_cross_entropy: loss is [n]");
  job.logits = rows_of(args.logits), job.target = i32_data(args.target), job.soft_token = i32_data(args.soft_token);
  job.probability = rows_of(args.probability), job.loss = f32_data(args.loss);
  check(!job.probability.half, "soft_cross_entropy: probability is f32");
  for (int64_t i = 0; i < n; ++i)
    if (job.target[i] >= 0) bounded(job.target[i], job.width, "soft_cross_entropy: target");
  for (int64_t i = 0; i < n * job.count; ++i)
    if (job.soft_token[i] >= 0) bounded(job.soft_token[i], job.width, "soft_cross_entropy: soft_token");
  job.gradient = args.gradient, job.share = args.share, job.grad_scale = args.grad_scale;
  if (args.weight)
    expect_shape(args.weight, {n}, "soft_cross_entropy: weight is [n]"), job.weight = f32_data(args.weight);
  in_chunks(ctx, n, job.width * 4, [&](int64_t begin, int64_t end) { kernels.soft_cross_entropy(job, begin, end); });
}

void policy_weight(const Kernels&, const Context&, const PolicyWeightArgs& args) {
  const int64_t n = args.weight.shape[0];
  const auto floats = [&](const Operand& o) -> float* {
    if (!o) return nullptr;
    expect_shape(o, {n}, "policy_weight: operands are [n]");
    return f32_data(o);
  };
  const float *loss = floats(args.loss), *old = floats(args.old_loss), *advantage = floats(args.advantage),
              *reference = floats(args.reference_loss), *token = floats(args.token_weight);
  float* weight = floats(args.weight);
  check(args.terms.beta == 0 || reference, "policy_weight: a KL term needs the reference's losses");
  for (int64_t i = 0; i < n; ++i)
    weight[i] = float(policy_weight(loss[i], old[i], reference ? reference[i] : 0, advantage[i], args.terms) *
                      (token ? token[i] : 1));
}

void value_loss(const Kernels&, const Context&, const ValueLossArgs& args) {
  const int64_t n = args.value.shape[0];
  const auto floats = [&](const Operand& o) -> float* {
    if (!o) return nullptr;
    expect_shape(o, {n}, "value_loss: operands are [n]");
    return f32_data(o);
  };
  expect_shape(args.target, {n}, "value_loss: target is [n]");
  const int32_t* target = i32_data(args.target);
  const float *value = floats(args.value), *wanted = floats(args.value_target), *weight = floats(args.weight);
  float *loss = floats(args.loss), *gradient = floats(args.gradient);
  for (int64_t i = 0; i < n; ++i) {
    const double error = target[i] >= 0 ? double(value[i]) - double(wanted[i]) : 0;
    loss[i] = float(0.5 * error * error);
    if (gradient) gradient[i] = target[i] >= 0 ? float(args.grad_scale * (weight ? weight[i] : 1) * error) : 0;
  }
}

void pair_loss(const Kernels&, const Context&, const PairLossArgs& args) {
  const int64_t n = args.value.shape[0];
  for (const Operand& o : {args.value, args.target, args.rival, args.loss})
    expect_shape(o, {n}, "pair_loss: operands are [n]");
  if (args.gradient) expect_shape(args.gradient, {n}, "pair_loss: gradient is [n]");
  const int32_t *target = i32_data(args.target), *rivals = i32_data(args.rival);
  const float* value = f32_data(args.value);
  float *loss = f32_data(args.loss), *gradient = args.gradient ? f32_data(args.gradient) : nullptr;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t rival = rivals[i] < 0 ? -1 : bounded(rivals[i], n, "pair_loss: rival");
    const bool preferred = target[i] >= 0;
    const double margin = rival < 0 ? 0 : (preferred ? 1 : -1) * (double(value[i]) - double(value[rival]));
    loss[i] = rival >= 0 && preferred ? float(std::max(-margin, 0.0) + std::log1p(std::exp(-std::abs(margin)))) : 0;
    if (!gradient) continue;
    const double slope = margin > 0 ? std::exp(-margin) / (1 + std::exp(-margin)) : 1 / (1 + std::exp(margin));
    gradient[i] = rival < 0 ? 0 : float((preferred ? -1 : 1) * args.grad_scale * slope);
  }
}

void scatter_add(const Kernels& kernels, const Context& ctx, const ScatterAddArgs& args) {
  check(args.src.rank == 2 && args.dst.rank == 2 && args.src.shape[1] == args.dst.shape[1], "scatter_add: shapes");
  const int64_t n = args.src.shape[0], width = args.dst.shape[1];
  expect_shape(args.index, {n}, "scatter_add: index is [N]");
  const int32_t* index = i32_data(args.index);
  for (int64_t i = 0; i < n; ++i)
    if (index[i] >= 0) bounded(index[i], args.dst.shape[0], "scatter_add: index");
  const Rows src = rows_of(args.src), dst = rows_of(args.dst);
  check(!dst.half, "scatter_add: dst is f32");
  in_columns(ctx, width, [&](int64_t begin, int64_t end) {  // every task sees all rows in order, for its columns
    for (int64_t i = 0; i < n; ++i)
      if (index[i] >= 0)
        kernels.add_row(row_data(dst, index[i]) + begin * 4, false, row_data(src, i) + begin * (src.half ? 2 : 4),
                        src.half, end - begin);
  });
}

void scatter(const Kernels& kernels, const Context& ctx, const ScatterArgs& args) {
  check(args.src.rank == 2 && args.dst.rank == 2 && args.src.shape[1] == args.dst.shape[1], "scatter: shapes");
  const int64_t n = args.src.shape[0], width = args.dst.shape[1];
  expect_shape(args.index, {n}, "scatter: index is [N]");
  const int32_t* index = i32_data(args.index);
  const Rows src = rows_of(args.src), dst = rows_of(args.dst);
  in_chunks(ctx, n, width, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      if (index[i] >= 0)
        kernels.copy_row(row_data(dst, bounded(index[i], args.dst.shape[0], "scatter: index")), dst.half,
                         row_data(src, i), src.half, width);
  });
}

}  // namespace minke::cpu
