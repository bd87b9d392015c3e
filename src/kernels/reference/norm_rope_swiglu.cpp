// RMSNorm (Zhang & Sennrich 2019), rotary embedding (Su et al. 2021; docs/recipe/architecture.md §5.1), SwiGLU (Shazeer
// 2020).
#include <cmath>

#include "kernels/reference/access.h"

namespace minke::reference {

void rms_norm(const Context&, const RmsNormArgs& args) {
  const int64_t D = row_length(args.x);
  check(args.x.rank == args.y.rank && args.x.shape == args.y.shape, "rms_norm: shapes of x and y");
  expect_shape(args.gain, {D}, "rms_norm: gain");
  with_scalar(args.x.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    const auto gain = load_row<S>(args.gain, 0);
    for (int64_t r = 0; r < num_rows(args.x); ++r) {
      auto x = load_row<S>(args.x, r);
      const S rstd = 1 / std::sqrt(dot(x.data(), x.data(), D) / S(D) + S(args.eps));
      for (size_t i = 0; i < x.size(); ++i) x[i] = x[i] * rstd * gain[i];
      store_row(args.y, r, x);
      if (args.rstd) store_flat(args.rstd, r, rstd);
    }
  });
}

void rms_norm_backward(const Context&, const RmsNormBackwardArgs& args) {
  const int64_t D = row_length(args.x);
  check(args.x.shape == args.dy.shape && args.x.shape == args.dx.shape, "rms_norm_backward: shapes");
  with_scalar(args.x.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    const auto gain = load_row<S>(args.gain, 0);
    for (int64_t r = 0; r < num_rows(args.x); ++r) {
      const auto x = load_row<S>(args.x, r);
      auto g = load_row<S>(args.dy, r);  // dy ⊙ gain
      for (size_t i = 0; i < g.size(); ++i) g[i] *= gain[i];
      const S rstd = load_flat<S>(args.rstd, r), mean = dot(g.data(), x.data(), D) / S(D);
      auto dx = args.accumulate ? load_row<S>(args.dx, r) : std::vector<S>(size_t(D), S(0));
      for (size_t i = 0; i < dx.size(); ++i) dx[i] += rstd * (g[i] - x[i] * rstd * rstd * mean);
      store_row(args.dx, r, dx);
    }
  });
}

void rms_norm_gain(const Context&, const RmsNormGainArgs& args) {
  expect_shape(args.dgain, {row_length(args.x)}, "rms_norm_gain: dgain");
  with_scalar(args.x.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    std::vector<S> sum(size_t(row_length(args.x)));
    for (int64_t r = 0; r < num_rows(args.x); ++r) {
      const auto x = load_row<S>(args.x, r), dy = load_row<S>(args.dy, r);
      const S rstd = load_flat<S>(args.rstd, r);
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += dy[i] * x[i] * rstd;
    }
    for (size_t i = 0; i < sum.size(); ++i) store(args.dgain, load<S>(args.dgain, i) + sum[i], i);
  });
}

void rope(const Context&, const RopeArgs& args) {
  check(args.x.rank == 3 && args.x.shape[2] % 2 == 0, "rope: x is [N,H,D] with D even");
  const int64_t N = args.x.shape[0], H = args.x.shape[1], D = args.x.shape[2], half = D / 2;
  check(args.table.rank == 2 && args.table.shape[1] == D, "rope: table is [P,D]");
  expect_shape(args.positions, {N}, "rope: positions");
  with_scalar(args.x.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    for (int64_t n = 0; n < N; ++n) {
      const int64_t p = bounded(load_index(args.positions, n), args.table.shape[0], "rope: position");
      for (int64_t h = 0; h < H; ++h)
        for (int64_t i = 0; i < half; ++i) {
          const S cos = load<S>(args.table, p, i), sin = load<S>(args.table, p, half + i) * (args.inverse ? -1 : 1);
          const int64_t first = args.interleaved ? 2 * i : i, second = args.interleaved ? 2 * i + 1 : i + half;
          const S x0 = load<S>(args.x, n, h, first), x1 = load<S>(args.x, n, h, second);
          store(args.x, x0 * cos - x1 * sin, n, h, first);
          store(args.x, x0 * sin + x1 * cos, n, h, second);
        }
    }
  });
}

void swiglu(const Context&, const SwigluArgs& args) {
  check(args.gate_up.rank == 2 && args.y.rank == 2, "swiglu: ranks");
  const int64_t R = args.y.shape[0], F = args.y.shape[1];
  expect_shape(args.gate_up, {R, 2 * F}, "swiglu: gate_up is [R,2F]");
  with_scalar(args.gate_up.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    for (int64_t r = 0; r < limited_rows(args.num_rows, R); ++r) {
      const S w = args.row_weight ? load<S>(args.row_weight, r) : S(1);
      for (int64_t f = 0; f < F; ++f) {
        const S gate = load<S>(args.gate_up, r, f), up = load<S>(args.gate_up, r, F + f);
        store(args.y, gate / (1 + std::exp(-gate)) * up * w, r, f);
      }
    }
  });
}

// With σ = sigmoid(g): d silu/dg = σ·(1 + g·(1 − σ)).
void swiglu_backward(const Context&, const SwigluBackwardArgs& args) {
  check(args.gate_up.rank == 2 && args.dy.rank == 2, "swiglu_backward: ranks");
  const int64_t R = args.dy.shape[0], F = args.dy.shape[1];
  expect_shape(args.gate_up, {R, 2 * F}, "swiglu_backward: gate_up is [R,2F]");
  expect_shape(args.d_gate_up, {R, 2 * F}, "swiglu_backward: d_gate_up is [R,2F]");
  with_scalar(args.gate_up.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    for (int64_t r = 0; r < limited_rows(args.num_rows, R); ++r) {
      const S w = args.row_weight ? load<S>(args.row_weight, r) : S(1);
      S d_weight = 0;
      for (int64_t f = 0; f < F; ++f) {
        const S gate = load<S>(args.gate_up, r, f), up = load<S>(args.gate_up, r, F + f), dy = load<S>(args.dy, r, f);
        const S sigmoid = 1 / (1 + std::exp(-gate)), silu = gate * sigmoid;
        d_weight += dy * silu * up;
        store(args.d_gate_up, dy * w * up * sigmoid * (1 + gate * (1 - sigmoid)), r, f);
        store(args.d_gate_up, dy * w * silu, r, F + f);
      }
      if (args.d_row_weight) store(args.d_row_weight, d_weight, r);
    }
  });
}

}  // namespace minke::reference
