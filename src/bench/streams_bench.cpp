// What is bound by memory rather than arithmetic, at the shapes of v3-82m: bytes are those that are read and written.
#include "bench/suite.h"

namespace minke {
namespace {

void rows(Suite& suite, Operands& o, int64_t n, int64_t d) {
  const Context& ctx = suite.ctx();
  const Operand x = o.random(DType::bf16, {n, d}), y = o.random(DType::bf16, {n, d}), gain = o.random(DType::f32, {d});
  const Operand rstd = o.random(DType::f32, {n}), dx = o.random(DType::bf16, {n, d}), dgain = o.random(DType::f32, {d});
  const double bytes = double(x.bytes());
  suite.bytes("rms_norm 4096x512", bytes * 2,
              [&] { ctx.backend->rms_norm(ctx, {.x = x, .gain = gain, .y = y, .rstd = rstd}); });
  suite.bytes("rms_norm backward 4096x512", bytes * 4, [&] {
    ctx.backend->rms_norm_backward(ctx, {.x = x, .gain = gain, .rstd = rstd, .dy = y, .dx = dx, .accumulate = true});
  });
  suite.bytes("rms_norm gain 4096x512", bytes * 2,
              [&] { ctx.backend->rms_norm_gain(ctx, {.x = x, .rstd = rstd, .dy = y, .dgain = dgain}); });
}

void swiglu(Suite& suite, Operands& o, int64_t n, int64_t width) {
  const Context& ctx = suite.ctx();
  const Operand gate_up = o.random(DType::bf16, {n, 2 * width}), y = o.random(DType::bf16, {n, width}),
                d_gate_up = o.empty(DType::bf16, {n, 2 * width});
  suite.bytes("swiglu 16384x192", double(n * width) * 6,
              [&] { ctx.backend->swiglu(ctx, {.gate_up = gate_up, .y = y, .row_weight = {}, .num_rows = {}}); });
  suite.bytes("swiglu backward 16384x192", double(n * width) * 10, [&] {
    ctx.backend->swiglu_backward(
        ctx,
        {.gate_up = gate_up, .row_weight = {}, .dy = y, .d_gate_up = d_gate_up, .d_row_weight = {}, .num_rows = {}});
  });
}

void cross_entropy(Suite& suite, Operands& o, int64_t n, int64_t vocab) {
  const Context& ctx = suite.ctx();
  const Operand logits = o.random(DType::f32, {n, vocab}), loss = o.empty(DType::f32, {n}),
                target = o.indices(std::vector<int32_t>(size_t(n), 7));
  suite.bytes("cross_entropy with gradient 512x4096", double(logits.bytes()) * 2, [&] {
    ctx.backend->cross_entropy(ctx,
                               {.logits = logits, .target = target, .loss = loss, .gradient = true, .grad_scale = 1});
  });
}

void routing(Suite& suite, Operands& o, int64_t n, int64_t experts, int64_t chosen, int64_t d) {
  const Context& ctx = suite.ctx();
  const Operand affinity = o.empty(DType::f32, {n, experts}), expert = o.empty(DType::i32, {n, chosen}),
                offsets = o.empty(DType::i32, {experts + 1}), row_of_slot = o.empty(DType::i32, {n * chosen}),
                slot_of_row = o.empty(DType::i32, {n * chosen});
  const RouteArgs route{.logits = o.random(DType::f32, {n, experts}),
                        .bias = o.random(DType::f32, {experts}),
                        .affinity = affinity,
                        .expert = expert,
                        .weight = o.empty(DType::f32, {n, chosen}),
                        .group_affinity = GroupAffinity::top2_sum,
                        .num_groups = 4,
                        .top_groups = 2,
                        .normalise = true};
  suite.bytes("route 4096x32 top 4", double(affinity.bytes()) * 2 + double(expert.bytes()) * 2,
              [&] { ctx.backend->route(ctx, route); });
  ctx.backend->route(ctx, route);
  const auto plan = [&] {
    ctx.backend->permute_plan(
        ctx,
        {.expert = expert, .offsets = offsets, .row_of_slot = row_of_slot, .slot_of_row = slot_of_row, .load = {}});
  };
  suite.bytes("permute_plan 4096 top 4", double(expert.bytes()) * 3, plan);
  plan();
  const Operand x = o.random(DType::bf16, {n, d}), sorted = o.random(DType::bf16, {n * chosen, d});
  const double moved = double(x.bytes() + sorted.bytes());
  suite.bytes("gather 16384x512", moved, [&] {
    ctx.backend->gather(ctx, {.src = x, .index = slot_of_row, .dst = sorted, .divisor = chosen, .num_rows = {}});
  });
  suite.bytes("combine 16384x512", moved,
              [&] { ctx.backend->combine(ctx, {.src = sorted, .row_of_slot = row_of_slot, .dst = x}); });
}

void optimizer(Suite& suite, Operands& o, int64_t size) {
  const Context& ctx = suite.ctx();
  const Operand p = o.random(DType::f32, {size}), g = o.random(DType::f32, {size}), m = o.random(DType::f32, {size}),
                v = o.empty(DType::f32, {size}), sum = o.empty(DType::f64, {1});
  ctx.backend->fill(ctx, {.dst = v, .value = 1});
  const AdamTensor tensor{.param = p, .grad = g, .m = m, .v = v, .weight_decay = 0.1};
  suite.bytes("adamw 16M f32", double(p.bytes()) * 7,
              [&] { ctx.backend->adamw(ctx, {.tensors = &tensor, .num_tensors = 1, .lr = 1e-6}); });
  suite.bytes("sum_squares 16M f32", double(p.bytes()),
              [&] { ctx.backend->sum_squares(ctx, {.tensors = &p, .num_tensors = 1, .out = sum}); });
  suite.bytes("copy 16M f32", double(p.bytes()) * 2, [&] { ctx.backend->copy(ctx, {.src = p, .dst = m}); });
  suite.bytes("fill 16M f32", double(p.bytes()), [&] { ctx.backend->fill(ctx, {.dst = m, .value = 0}); });
}

}  // namespace

void streams_bench(Suite& suite) {
  Operands o(suite.ctx());
  rows(suite, o, 4096, 512);
  swiglu(suite, o, 16384, 192);
  cross_entropy(suite, o, 512, 4096);
  routing(suite, o, 4096, 32, 4, 512);
  optimizer(suite, o, int64_t(16) << 20);
}

}  // namespace minke
