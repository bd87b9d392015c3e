// Speed of the cpu kernels at the shapes training uses; best of several runs, because the machine may be shared. The
// rate per second of processor time is the one to look at when it is (with --threads 1: waiting threads spin).
//   kernels_bench [--isa NAME] [--only WORD] [--threads N] [--seconds S]
// Work is counted as the mathematics needs it: 2·M·N·K; attention 2·(dqk+dv) per visible pair forward, 2.5 times that
// backward (five products instead of two).
#include <fmt/core.h>

#include <chrono>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "core/memory.h"
#include "kernels/cpu/backend.h"
#include "kernels/ops.h"

using namespace minke;

namespace {

struct Bench {
  explicit Bench(const Kernels& table, int num_threads)
      : threads(num_threads), scratch(host_memory(), size_t(256) << 20), ctx{&table, &host_memory(), &threads, &scratch,
                                                                             {},     {1, 1}} {}

  Threads threads;
  Arena scratch;
  Context ctx;
  std::string only;
  double seconds = 1;
  std::vector<Tensor> tensors;

  Operand random(DType dtype, std::initializer_list<int64_t> shape) {
    tensors.emplace_back(host_memory(), dtype, shape);
    ctx.kernels->fill_normal(ctx, {.dst = tensors.back(), .key = RngKey{7, tensors.size()}, .stddev = 1});
    return tensors.back();
  }
  Operand indices(const std::vector<int32_t>& values) {
    tensors.emplace_back(host_memory(), DType::i32, std::initializer_list<int64_t>{int64_t(values.size())});
    const Operand o = tensors.back();
    std::memcpy(o.data, values.data(), values.size() * sizeof(int32_t));
    return o;
  }
  Operand packed(const Operand& b, DType compute) {
    const int64_t groups = b.rank == 3 ? b.shape[0] : 1;
    const size_t bytes = ctx.kernels->packed_bytes(b.shape[b.rank - 2], b.shape[b.rank - 1], compute);
    tensors.emplace_back(host_memory(), DType::u8, std::initializer_list<int64_t>{groups * int64_t(bytes)});
    Operand o = b;
    o.data = tensors.back().operand().data;
    o.dtype = compute;
    o.packing = Packing::panels;
    ctx.kernels->pack_weight(ctx, {.b = b, .packed = o, .compute = compute});
    return o;
  }
  // work: operations or bytes of one run.
  void measure(const std::string& name, double work, const char* unit, const std::function<void()>& run) {
    if (name.find(only) == std::string::npos) return;
    run();
    double best = 1e9, best_cpu = 1e9, total = 0;
    int runs = 0;
    for (; runs < 3 || total < seconds; ++runs) {
      const auto begin = std::chrono::steady_clock::now();
      const std::clock_t cpu_begin = std::clock();
      run();
      const double t = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      best = std::min(best, t), best_cpu = std::min(best_cpu, double(std::clock() - cpu_begin) / CLOCKS_PER_SEC),
      total += t;
    }
    fmt::print("{:<44} {:8.1f} {:<7} {:8.1f} per core second  best {:8.3f} ms of {}\n", name, work / best / 1e9, unit,
               work / best_cpu / 1e9, best * 1e3, runs);
    std::fflush(stdout);
  }
};

void products(Bench& b, DType compute) {
  const DType dtype = compute;
  const Context& ctx = b.ctx;
  const std::string tag = compute == DType::bf16 ? "bf16 " : "f32 ";
  const auto gemm = [&](const std::string& name, GemmArgs args, double work) {
    args.compute = compute;
    b.measure(tag + name, work, "GFLOP/s", [&, args] { ctx.kernels->gemm(ctx, args); });
  };
  const auto square = [&](int64_t m, int64_t n, int64_t k) {
    const Operand a = b.random(dtype, {m, k}), w = b.random(DType::f32, {k, n}), c = b.random(dtype, {m, n});
    const std::string shape = fmt::format("{}x{}x{}", m, n, k);
    gemm("gemm packed " + shape, {.a = a, .b = b.packed(w, compute), .c = c}, 2.0 * double(m * n * k));
    if (m >= 512)
      gemm("gemm plain b " + shape, {.a = a, .b = b.random(dtype, {k, n}), .c = c}, 2.0 * double(m * n * k));
    const Operand wt = b.random(DType::f32, {n, k}), packed = b.packed(wt.transposed(), compute);
    b.measure(tag + "pack transposed " + shape, double(k * n) * 4, "GB/s",
              [&] { ctx.kernels->pack_weight(ctx, {.b = wt.transposed(), .packed = packed, .compute = compute}); });
  };
  square(1024, 1024, 1024);
  square(4096, 512, 512);
  square(4096, 4096, 512);
  square(1, 4096, 4096);
  square(4, 4096, 4096);
  {  // weight gradients: dw[K,N] += xᵀ dy
    const Operand x = b.random(dtype, {4096, 512}), dy = b.random(dtype, {4096, 512}),
                  dw = b.random(DType::f32, {512, 512});
    gemm("wgrad 512x512 over 4096", {.a = x.transposed(), .b = dy, .c = dw, .accumulate = true},
         2.0 * 512 * 512 * 4096);
  }
  const int64_t experts = 32, hidden = 512, wide = 384, rows = 16384;
  std::vector<int32_t> offsets{0};
  for (int64_t e = 0; e < experts; ++e)
    offsets.push_back(offsets.back() + int32_t(rows / experts + (e % 2 ? 100 : -100)));
  const Operand at = b.indices(offsets), x = b.random(dtype, {rows, hidden}), y = b.random(dtype, {rows, wide});
  const Operand w = b.packed(b.random(DType::f32, {experts, hidden, wide}), compute);
  const double work = 2.0 * double(rows * hidden * wide);
  gemm("grouped E=32 512->384 rows 16384", {.a = x, .b = w, .c = y, .grouping = Grouping::rows, .offsets = at}, work);
  const Operand wt = b.packed(b.random(DType::f32, {experts, wide, hidden}), compute);
  gemm("grouped E=32 384->512 rows 16384", {.a = y, .b = wt, .c = x, .grouping = Grouping::rows, .offsets = at}, work);
  const Operand dw = b.random(DType::f32, {experts, hidden, wide});
  gemm("grouped wgrad E=32 512x384 over 16384",
       {.a = x.transposed(), .b = y, .c = dw, .accumulate = true, .grouping = Grouping::inner, .offsets = at}, work);
}

void attention(Bench& b, DType compute) {
  const int64_t batch = 8, length = 512, n = batch * length, heads = 8, dk = 64, dr = 32, dv = 64;
  const Context& ctx = b.ctx;
  std::vector<int64_t> offsets;
  for (int64_t i = 0; i <= batch; ++i) offsets.push_back(i * length);
  AttentionArgs f{.q = b.random(compute, {n, heads, dk + dr}),
                  .k = b.random(compute, {n, heads, dk}),
                  .k_rope = b.random(compute, {n, dr}),
                  .v = b.random(compute, {n, heads, dv}),
                  .out = b.random(compute, {n, heads, dv}),
                  .lse = b.random(DType::f32, {n, heads}),
                  .scale = 0.1,
                  .sequence_offsets = offsets.data(),
                  .num_sequences = batch,
                  .first_visible = {},
                  .compute = compute};
  const double forward = 2.0 * double(dk + dr + dv) * double(batch * heads) * double(length) * double(length + 1) / 2;
  const std::string tag = compute == DType::bf16 ? "bf16 " : "f32 ";
  b.measure(tag + "attention forward 8x512 H8 96/64", forward, "GFLOP/s", [&] { ctx.kernels->attention(ctx, f); });
  AttentionBackwardArgs back{.forward = f,
                             .dout = b.random(compute, {n, heads, dv}),
                             .dq = b.random(compute, {n, heads, dk + dr}),
                             .dk = b.random(compute, {n, heads, dk}),
                             .dk_rope = b.random(compute, {n, dr}),
                             .dv = b.random(compute, {n, heads, dv})};
  const double backward = forward * (3.0 * (dk + dr) + 2.0 * dv) / (dk + dr + dv);
  b.measure(tag + "attention backward 8x512 H8 96/64", backward, "GFLOP/s",
            [&] { ctx.kernels->attention_backward(ctx, back); });
  const int64_t cached = 4096;
  const Operand cache = b.random(compute, {cached, 1, 576}), q = b.random(compute, {1, 16, 576}),
                out = b.random(compute, {1, 16, 512});
  b.measure(tag + "cached attention 4096 keys 576/512 H16", double(cached) * 576 * double(size_of(compute)), "GB/s",
            [&] {
              ctx.kernels->cached_attention(ctx, {.q = q,
                                                  .k = cache,
                                                  .v = cache.slice(2, 0, 512),
                                                  .out = out,
                                                  .cached = cached,
                                                  .scale = 0.1,
                                                  .compute = compute});
            });
}

void streams(Bench& b) {
  const Context& ctx = b.ctx;
  const int64_t n = 4096, d = 512, size = 16 << 20;
  const Operand x = b.random(DType::bf16, {n, d}), y = b.random(DType::bf16, {n, d}), gain = b.random(DType::f32, {d});
  const Operand rstd = b.random(DType::f32, {n}), dx = b.random(DType::bf16, {n, d}), dgain = b.random(DType::f32, {d});
  const double row_bytes = double(n * d) * 2;
  b.measure("rms_norm 4096x512", row_bytes * 2, "GB/s",
            [&] { ctx.kernels->rms_norm(ctx, {.x = x, .gain = gain, .y = y, .rstd = rstd}); });
  b.measure("rms_norm backward 4096x512", row_bytes * 4, "GB/s", [&] {
    ctx.kernels->rms_norm_backward(ctx, {.x = x, .gain = gain, .rstd = rstd, .dy = y, .dx = dx, .accumulate = true});
  });
  b.measure("rms_norm gain 4096x512", row_bytes * 2, "GB/s",
            [&] { ctx.kernels->rms_norm_gain(ctx, {.x = x, .rstd = rstd, .dy = y, .dgain = dgain}); });
  const Operand gate = b.random(DType::bf16, {16384, 384}), act = b.random(DType::bf16, {16384, 192});
  const Operand dgate = b.random(DType::bf16, {16384, 384});
  b.measure("swiglu 16384x192", 16384.0 * 192 * 6, "GB/s",
            [&] { ctx.kernels->swiglu(ctx, {.gate_up = gate, .y = act, .row_weight = {}, .num_rows = {}}); });
  b.measure("swiglu backward 16384x192", 16384.0 * 192 * 10, "GB/s", [&] {
    ctx.kernels->swiglu_backward(
        ctx, {.gate_up = gate, .row_weight = {}, .dy = act, .d_gate_up = dgate, .d_row_weight = {}, .num_rows = {}});
  });
  const Operand logits = b.random(DType::bf16, {4096, 4096}), loss = b.random(DType::f32, {4096});
  std::vector<int32_t> target(4096, 7), order(16384), experts;
  const Operand targets = b.indices(target);
  b.measure("cross_entropy + gradient 4096x4096", 4096.0 * 4096 * 4, "GB/s", [&] {
    ctx.kernels->cross_entropy(ctx,
                               {.logits = logits, .target = targets, .loss = loss, .gradient = true, .grad_scale = 1});
  });
  const Operand scores = b.random(DType::f32, {n, 32}), router = b.random(DType::f32, {n, 32}),
                weight = b.random(DType::f32, {n, 4});
  const Operand bias = b.random(DType::f32, {32});
  b.tensors.emplace_back(host_memory(), DType::i32, std::initializer_list<int64_t>{n, 4});
  const Operand expert = b.tensors.back();
  b.measure("route 4096x32 top 4", double(n), "Gtok/s", [&] {
    ctx.kernels->route(ctx, {.logits = router,
                             .bias = bias,
                             .scores = scores,
                             .expert = expert,
                             .weight = weight,
                             .scoring = Scoring::sigmoid,
                             .group_score = GroupScore::top2_sum,
                             .num_groups = 4,
                             .top_groups = 2,
                             .normalise = true});
  });
  const Operand p = b.random(DType::f32, {size}), g = b.random(DType::f32, {size}), m = b.random(DType::f32, {size}),
                v = b.random(DType::f32, {size});
  const AdamTensor tensor{.param = p, .grad = g, .m = m, .v = v, .weight_decay = 0.1};
  ctx.kernels->fill(ctx, {.dst = v, .value = 1});
  b.measure("adamw 16M f32", double(size) * 28, "GB/s",
            [&] { ctx.kernels->adamw(ctx, {.tensors = &tensor, .num_tensors = 1, .lr = 1e-6}); });
  b.tensors.emplace_back(host_memory(), DType::f64, std::initializer_list<int64_t>{1});
  const Operand sums = b.tensors.back();
  b.measure("sum_squares 16M f32", double(size) * 4, "GB/s",
            [&] { ctx.kernels->sum_squares(ctx, {.tensors = &p, .num_tensors = 1, .out = sums}); });
}

}  // namespace

int main(int argc, char** argv) {
  std::string isa, only;
  int threads = hardware_threads();
  double seconds = 0.5;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string key = argv[i], value = argv[i + 1];
    if (key == "--isa") isa = value;
    else if (key == "--only") only = value;
    else if (key == "--threads") threads = std::stoi(value);
    else if (key == "--seconds") seconds = std::stod(value);
  }
  try {
    Bench b(cpu_kernels(isa), threads);
    b.only = only, b.seconds = seconds;
    fmt::print("{}, {} threads\n", b.ctx.kernels->name, threads);
    products(b, DType::bf16);
    products(b, DType::f32);
    attention(b, DType::bf16);
    attention(b, DType::f32);
    streams(b);
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 2;
  }
}
