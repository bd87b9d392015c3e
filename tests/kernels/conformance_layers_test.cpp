// RMSNorm, rotary embedding, SwiGLU. Bounds in units of 2^-24: a sum of n terms costs n + 2 of its Σ|terms|, exp, sqrt
// and division a few each (kFunction in all), and an argument x of exp adds |x| (here below 8).
#include <fmt/core.h>

#include <cmath>

#include "kernels/conformance.h"

namespace minke::test {
namespace {

constexpr double kFunction = 24;

struct Floats {
  DType dtype;
  Layout layout;
};
constexpr Floats kFloats[] = {{DType::f32, Layout::contiguous},
                              {DType::bf16, Layout::contiguous},
                              {DType::f32, Layout::padded},
                              {DType::bf16, Layout::padded}};
constexpr int64_t kWidths[] = {1, 2, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65, 130};

std::string label(int64_t n, int64_t d, Floats f) {
  return fmt::format("{} rows of {} {} layout {}", n, d, name_of(f.dtype), int(f.layout));
}

double norm_factor(const Values& x, size_t begin, size_t D) {
  double sum = 0;
  for (size_t i = 0; i < D; ++i) sum += x[begin + i] * x[begin + i];
  return 1 / std::sqrt(sum / double(D) + 1e-6);
}

TEST_P(KernelConformance, RmsNorm) {
  for (Floats f : kFloats)
    for (int64_t N : {0, 1, 7, 33})
      for (int64_t D : kWidths)
        compare(label(N, D, f), [&](Bed& bed) {
          const Operand x = bed.floats(f.dtype, {N, D}, bed.random({N, D}), f.layout);
          const Operand gain = bed.floats(DType::f32, {D}, bed.random({D})), y = bed.unset(f.dtype, {N, D}, f.layout);
          const Operand rstd = D % 2 ? bed.unset(DType::f32, {N}) : Operand{};
          bed.backend.rms_norm(bed.ctx, {.x = x, .gain = gain, .y = y, .rstd = rstd, .eps = 1e-5});
          bed.expect_near("y", y, {0, (double(D) + kFunction) * kU32});
          if (rstd) bed.expect_near("rstd", rstd, {0, (double(D) + kFunction) * kU32});
        });
}

TEST_P(KernelConformance, RmsNormPerHead) {  // x is a part of the rows of a wider projection
  for (Floats f : kFloats)
    compare(label(5, 3, f), [&](Bed& bed) {
      const Operand wide = bed.floats(f.dtype, {5, 3, 40}, bed.random({5, 3, 40}), f.layout);
      const Operand gain = bed.floats(f.dtype, {24}, bed.random({24})), y = bed.unset(f.dtype, {5, 3, 24}, f.layout);
      const Operand rstd = bed.unset(DType::f32, {5, 3});
      bed.backend.rms_norm(bed.ctx, {.x = wide.slice(2, 16, 40), .gain = gain, .y = y, .rstd = rstd});
      bed.expect_near("y", y, {0, (24 + kFunction) * kU32});
      bed.expect_near("rstd", rstd, {0, (24 + kFunction) * kU32});
    });
}

TEST_P(KernelConformance, RmsNormBackward) {
  for (Floats f : kFloats)
    for (bool accumulate : {false, true})
      for (int64_t N : {0, 1, 7, 33})
        for (int64_t D : kWidths)
          compare(label(N, D, f), [&](Bed& bed) {
            const Values x = rounded_to(f.dtype, bed.random({N, D})), dy = bed.random({N, D}), old = bed.random({N, D}),
                         gain = bed.random({D});
            Values rstd(size_t(N), 0.0), dx_scale(x.size()), gain_scale = absolute(bed.random({D}));
            for (size_t n = 0; n < rstd.size(); ++n) {
              rstd[n] = norm_factor(x, n * size_t(D), size_t(D));
              double mean = 0;
              for (size_t i = 0; i < size_t(D); ++i)
                mean += std::abs(dy[n * size_t(D) + i] * gain[i] * x[n * size_t(D) + i]) / double(D);
              for (size_t i = 0; i < size_t(D); ++i) {
                const size_t at = n * size_t(D) + i;
                dx_scale[at] = rstd[n] * (std::abs(dy[at] * gain[i]) + std::abs(x[at]) * rstd[n] * rstd[n] * mean) +
                               (accumulate ? std::abs(old[at]) : 0);
                gain_scale[i] += std::abs(dy[at] * x[at] * rstd[n]);
              }
            }
            const Operand x_in = bed.floats(f.dtype, {N, D}, x, f.layout),
                          dy_in = bed.floats(f.dtype, {N, D}, dy, f.layout);
            const Operand rstd_in = bed.floats(DType::f32, {N}, rstd), gain_in = bed.floats(DType::f32, {D}, gain);
            const Operand dx =
                accumulate ? bed.floats(f.dtype, {N, D}, old, f.layout) : bed.unset(f.dtype, {N, D}, f.layout);
            const Operand dgain = bed.floats(DType::f32, {D}, bed.random({D}));
            bed.backend.rms_norm_backward(
                bed.ctx,
                {.x = x_in, .gain = gain_in, .rstd = rstd_in, .dy = dy_in, .dx = dx, .accumulate = accumulate});
            bed.backend.rms_norm_gain(bed.ctx, {.x = x_in, .rstd = rstd_in, .dy = dy_in, .dgain = dgain});
            bed.expect_near("dx", dx, {0, (double(D) + kFunction) * kU32}, dx_scale);
            for (double& s : gain_scale) s += 4;  // the old value, a normal
            bed.expect_near("dgain", dgain, {0, double(N + 8) * kU32}, gain_scale);
          });
}

TEST_P(KernelConformance, Rope) {
  for (Floats f : kFloats)
    for (bool interleaved : {false, true})
      for (bool inverse : {false, true})
        for (int64_t H : {1, 3})
          for (int64_t D : {2, 8, 14, 16, 32, 64, 66})
            for (int64_t N : {0, 1, 9})
              compare(label(N, D, f), [&](Bed& bed) {
                constexpr int64_t P = 50;
                Values table;
                for (int64_t p = 0; p < P; ++p)
                  for (int64_t i = 0; i < D; ++i) {
                    const double angle = double(p) * std::pow(10000.0, -2.0 * double(i % (D / 2)) / double(D));
                    table.push_back(i < D / 2 ? std::cos(angle) : std::sin(angle));
                  }
                Indices positions;
                for (int64_t n = 0; n < N; ++n) positions.push_back((n * 17 + 49) % P);
                const Values x = bed.random({N, H, D + 6});
                const Operand wide = bed.floats(f.dtype, {N, H, D + 6}, x, f.layout);
                bed.backend.rope(bed.ctx, {.x = wide.slice(2, 6, D + 6),
                                           .positions = bed.ints({N}, positions),
                                           .table = bed.floats(DType::f32, {P, D}, table),
                                           .interleaved = interleaved,
                                           .inverse = inverse});
                Values scale = absolute(x);  // |x0 cos| + |x1 sin| ≤ |x0| + |x1|
                for (size_t row = 0; row < size_t(N * H); ++row)
                  for (size_t i = 0; i < size_t(D) / 2; ++i) {
                    const size_t begin = row * size_t(D + 6) + 6, first = begin + (interleaved ? 2 * i : i);
                    const size_t second = interleaved ? first + 1 : first + size_t(D) / 2;
                    scale[first] = scale[second] = scale[first] + scale[second];
                  }
                bed.expect_near("x", wide, {0, 4 * kU32}, scale);
              });
}

TEST_P(KernelConformance, Swiglu) {
  for (Floats f : kFloats)
    for (bool weighted : {false, true})
      for (int64_t R : {0, 1, 7, 33})
        for (int64_t F : kWidths)
          for (int64_t limit : {int64_t(-1), R / 2})
            compare(label(R, F, f), [&](Bed& bed) {
              const Values gate_up = bed.random({R, 2 * F}, 2), w = bed.random({R}), old = bed.random({R, F}),
                           old_wide = bed.random({R, 2 * F}), old_weight = bed.random({R}), dy = bed.random({R, F});
              const Operand input = bed.floats(f.dtype, {R, 2 * F}, gate_up, f.layout);
              const Operand weight = weighted ? bed.floats(DType::f32, {R}, w) : Operand{};
              const Operand rows = limit >= 0 ? bed.ints({1}, {limit}) : Operand{};
              const Operand y = bed.floats(f.dtype, {R, F}, old, f.layout),
                            dy_in = bed.floats(f.dtype, {R, F}, dy, f.layout);
              const Operand dx = bed.floats(f.dtype, {R, 2 * F}, old_wide, f.layout);
              const Operand dw = weighted ? bed.floats(DType::f32, {R}, old_weight) : Operand{};
              bed.backend.swiglu(bed.ctx, {.gate_up = input, .y = y, .row_weight = weight, .num_rows = rows});
              bed.backend.swiglu_backward(bed.ctx, {.gate_up = input,
                                                    .row_weight = weight,
                                                    .dy = dy_in,
                                                    .d_gate_up = dx,
                                                    .d_row_weight = dw,
                                                    .num_rows = rows});
              Values dx_scale = absolute(old_wide), dw_scale = absolute(old_weight);
              for (size_t r = 0; r < size_t(R); ++r)
                for (size_t i = 0; i < size_t(F); ++i) {
                  const size_t at = r * size_t(2 * F) + i;
                  const double g = gate_up[at], u = gate_up[at + size_t(F)], d = std::abs(dy[r * size_t(F) + i]),
                               sigmoid = 1 / (1 + std::exp(-g));
                  const double dw_row = d * (weighted ? std::abs(w[r]) : 1);
                  dx_scale[at] +=
                      dw_row * std::abs(u) * sigmoid * (1 + std::abs(g));  // 1 + g(1−σ) cancels near g = −1.28
                  dx_scale[at + size_t(F)] += dw_row * std::abs(g) * sigmoid;
                  dw_scale[r] += d * std::abs(g) * sigmoid * std::abs(u);
                }
              bed.expect_near("y", y, {0, (8 + kFunction) * kU32});
              bed.expect_near("d_gate_up", dx, {0, (8 + kFunction) * kU32}, dx_scale);
              if (dw) bed.expect_near("d_row_weight", dw, {0, (8 + double(F) + kFunction) * kU32}, dw_scale);
            });
}

// σ must not overflow or turn into NaN where exp does: silu(−200) is −0 or a denormal, silu(200) is 200.
TEST_P(KernelConformance, SwigluFarOut) {
  compare("far out", [&](Bed& bed) {
    const Values gates{-1e4, -200, -90, -88, -60, -30, 30, 60, 88, 90, 200, 1e4};
    const int64_t F = int64_t(gates.size());
    Values gate_up = gates;
    gate_up.resize(size_t(2 * F), 1.5);
    const Operand input = bed.floats(DType::f32, {1, 2 * F}, gate_up),
                  dy = bed.floats(DType::f32, {1, F}, Values(size_t(F), 1.0));
    const Operand y = bed.unset(DType::f32, {1, F}), dx = bed.unset(DType::f32, {1, 2 * F});
    bed.backend.swiglu(bed.ctx, {.gate_up = input, .y = y});
    bed.backend.swiglu_backward(bed.ctx, {.gate_up = input, .dy = dy, .d_gate_up = dx});
    bed.expect_near("y", y, {1e-20, 120 * kU32});  // |x| of exp's argument counts up to 88; below that it underflows
    bed.expect_near("d_gate_up", dx, {1e-20, 240 * kU32});
  });
}

TEST_P(KernelConformance, ReductionRuleOfRows) {  // a row has the same bits whatever rows stand beside it
  constexpr int64_t N = 21, D = 77;
  for (DType dtype : {DType::f32, DType::bf16}) {
    const Values x = normals(RngKey{1, 3}, N * 2 * D), gain = normals(RngKey{1, 4}, 2 * D);
    const auto rows = [&](int op, int64_t begin, int64_t end, int threads) {
      return run_tested(
          [&](Bed& bed) {
            const int64_t n = end - begin, width = op == 0 ? 2 * D : D;
            const Operand in = bed.floats(dtype, {N, 2 * D}, x).slice(0, begin, end), y = bed.unset(dtype, {n, width});
            if (op == 0)
              bed.backend.rms_norm(bed.ctx, {.x = in, .gain = bed.floats(DType::f32, {2 * D}, gain), .y = y});
            else bed.backend.swiglu(bed.ctx, {.gate_up = in, .y = y});
            bed.expect_equal("y", y);
          },
          threads);
    };
    for (int op : {0, 1}) {
      const Values whole = rows(op, 0, N, 1);
      const int64_t width = op == 0 ? 2 * D : D;
      for (int threads : {1, 3})
        for (auto [begin, end] : {std::pair<int64_t, int64_t>{0, N}, {0, 1}, {20, 21}, {3, 10}})
          EXPECT_TRUE(all_identical(rows(op, begin, end, threads),
                                    Values(whole.begin() + begin * width, whole.begin() + end * width)))
              << op << " rows " << begin << "…" << end << " threads " << threads;
    }
  }
}

}  // namespace
}  // namespace minke::test
