// Products: square ones and thin ones, gradients of weights, and those of experts as the presets have them.
#include <fmt/core.h>

#include <deque>
#include <memory>

#include "bench/suite.h"

namespace minke {
namespace {

class Products {
 public:
  Products(Suite& suite, DType compute) : suite_(suite), ctx_(suite.ctx()), compute_(compute), tag_(name_of(compute)) {}

  void square(int64_t m, int64_t n, int64_t k) {
    const std::string packed = fmt::format("{} packed {}x{}x{}", tag_, m, n, k),
                      plain = fmt::format("{} plain b {}x{}x{}", tag_, m, n, k),
                      pack = fmt::format("{} pack {}x{}", tag_, k, n);
    if (!suite_.wants({packed, plain, pack})) return;
    Operands o(ctx_);
    const Operand a = o.random(compute_, {m, k}), w = o.random(DType::f32, {n, k}), c = o.empty(compute_, {m, n}),
                  panels = o.packed(w.transposed(), compute_);
    gemm(packed, {.a = a, .b = panels, .c = c}, double(m * n * k));
    if (m >= 512) gemm(plain, {.a = a, .b = o.random(compute_, {k, n}), .c = c}, double(m * n * k));
    suite_.bytes(pack, double(k * n) * 4, [&] {
      ctx_.backend->pack_weight(ctx_, {.b = w.transposed(), .packed = panels, .compute = compute_});
    });
  }

  void weight_gradient(int64_t rows, int64_t in, int64_t out) {
    const std::string name = fmt::format("{} dW {}x{} over {}", tag_, out, in, rows);
    if (!suite_.wants({name})) return;
    Operands o(ctx_);
    const Operand x = o.random(compute_, {rows, in}), dy = o.random(compute_, {rows, out}),
                  dw = o.empty(DType::f32, {out, in});
    gemm(name, {.a = dy.transposed(), .b = x, .c = dw, .accumulate = true}, double(rows * in * out));
    cut_over_threads(name + ", cut over threads", x, dy, dw, o);
  }

  // What the reduction rule (kernels/ops.h) forbids, to see what it costs: each thread sums over its own part of the rows
  // and the parts are added, an order of additions that depends on the number of threads.
  void cut_over_threads(const std::string& name, const Operand& x, const Operand& dy, const Operand& dw, Operands& o) {
    struct Part {
      Threads threads{1};
      std::unique_ptr<Arena> arena;
      Context ctx;
      GemmArgs gemm;
    };
    const int64_t rows = x.shape[0], out = dw.shape[0], in = dw.shape[1], count = ctx_.threads->count();
    if (count == 1) return;
    std::deque<Part> parts(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
      Part& p = parts[size_t(i)];
      constexpr size_t kArenaBytes = size_t(16) << 20;
      p.arena = std::make_unique<Arena>(ctx_.backend->memory(), kArenaBytes);
      p.ctx = ctx_, p.ctx.threads = &p.threads, p.ctx.scratch = p.arena.get();
      const int64_t begin = i * rows / count, end = (i + 1) * rows / count;
      p.gemm = {.a = dy.slice(0, begin, end).transposed(),
                .b = x.slice(0, begin, end),
                .c = i ? o.empty(DType::f32, {out, in}) : dw,
                .compute = compute_,
                .accumulate = i == 0};
    }
    suite_.operations(name, compute_, 2 * double(rows * in * out), [&] {
      ctx_.threads->for_each(count, [&](int64_t i, int) {
        const Part& p = parts[size_t(i)];
        p.ctx.backend->gemm(p.ctx, p.gemm);
      });
      for (int64_t i = 1; i < count; ++i) ctx_.backend->add(ctx_, {.x = parts[size_t(i)].gemm.c, .y = dw});
    });
  }

  // One matrix [out,in] of every expert, its rows sorted by expert and unevenly many.
  void experts(const std::string& preset, int64_t experts, int64_t rows, int64_t in, int64_t out) {
    const std::string shape = fmt::format("{} {} experts={} {}->{} rows={}", tag_, preset, experts, in, out, rows),
                      forward = shape + " forward", dx = shape + " dX", dw = shape + " dW";
    if (!suite_.wants({forward, dx, dw})) return;
    Operands o(ctx_);
    std::vector<int32_t> ends{0};
    for (int64_t e = 1; e < experts; ++e)
      ends.push_back(int32_t(e * rows / experts + (e % 2 ? rows / experts / 5 : 0)));
    ends.push_back(int32_t(rows));
    const Operand offsets = o.indices(ends), x = o.random(compute_, {rows, in}), y = o.random(compute_, {rows, out}),
                  w = o.random(DType::f32, {experts, out, in}), panels = o.packed(w.transposed(1, 2), compute_);
    const double work = double(rows * in * out);
    gemm(forward, {.a = x, .b = panels, .c = y, .grouping = Grouping::rows, .offsets = offsets}, work);
    gemm(dx, {.a = y, .b = w, .c = x, .grouping = Grouping::rows, .offsets = offsets}, work);
    gemm(dw, {.a = y.transposed(), .b = x, .c = w, .accumulate = true, .grouping = Grouping::inner, .offsets = offsets},
         work);
  }

 private:
  void gemm(const std::string& name, GemmArgs args, double multiplications) {
    args.compute = compute_;
    suite_.operations(name, compute_, 2 * multiplications, [&] { ctx_.backend->gemm(ctx_, args); });
  }

  Suite& suite_;
  const Context& ctx_;
  DType compute_;
  std::string tag_;
};

}  // namespace

void products_bench(Suite& suite) {
  for (const DType compute : {DType::bf16, DType::f32}) {
    Products p(suite, compute);
    p.square(1024, 1024, 1024);
    p.square(4096, 512, 512);
    p.square(4096, 4096, 512);
    p.square(1, 4096, 4096);
    p.square(4, 4096, 4096);
    p.weight_gradient(4096, 512, 512);
    p.weight_gradient(4096, 256, 384);
    p.weight_gradient(4096, 64, 512);
    for (const char* preset : {"v3-82m", "v3-11m"}) {
      const auto [c, batch, length] = preset_shape(preset);
      const int64_t rows = batch * length * c.num_experts_per_tok;
      p.experts(preset, c.n_routed_experts, rows, c.hidden_size, 2 * c.moe_intermediate_size);
      p.experts(preset, c.n_routed_experts, rows, c.moe_intermediate_size, c.hidden_size);
    }
  }
}

}  // namespace minke
