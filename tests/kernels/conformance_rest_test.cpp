// Loss, embedding, elementwise ops, optimizer, copies. Bounds stand beside each test.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/conformance.h"

namespace minke::test {
namespace {

constexpr int64_t kSizes[] = {0, 1, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1000};

// loss = log Σ exp(x − max) + (max − x_t): V + 32 units of 2^-24 (the sum, exp with an argument below 32, log), and the
// rounding of the difference. softmax is off by the same factor; the gradient of the target cancels against 1.
TEST_P(KernelConformance, CrossEntropy) {
  for (DType dtype : {DType::f32, DType::bf16})
    for (Layout layout : {Layout::contiguous, Layout::padded})
      for (int64_t n : {0, 1, 7})
        for (int64_t V : {1, 2, 7, 16, 33, 65, 1000, 4099})
          for (bool gradient : {false, true})
            compare(fmt::format("n {} V {} {} layout {} gradient {}", n, V, name_of(dtype), int(layout), gradient),
                    [&](Bed& bed) {
                      Values x = bed.random({n, V}, 3);
                      Indices target;
                      for (int64_t i = 0; i < n; ++i) {
                        target.push_back(i % 3 == 2 ? -1 : (i * 37 + V - 1) % V);
                        for (int64_t v = 0; v < V && i % 2; ++v)
                          x[size_t(i * V + v)] += i % 4 == 1 ? 500 : -500;  // only differences matter
                      }
                      const Operand logits = bed.floats(dtype, {n, V}, x, layout), loss = bed.unset(DType::f32, {n});
                      bed.backend.cross_entropy(bed.ctx, {.logits = logits,
                                                          .target = bed.ints({n}, target),
                                                          .loss = loss,
                                                          .gradient = gradient,
                                                          .grad_scale = 0.125});
                      bed.expect_near("loss", loss, {double(V + 32) * kU32, 4 * kU32});
                      if (!gradient) return bed.expect_equal("logits", logits);
                      Values scale;
                      if (bed.oracle) {
                        scale = absolute(bed.values_of(logits));
                        for (int64_t i = 0; i < n; ++i)
                          if (target[size_t(i)] >= 0) scale[size_t(i * V + target[size_t(i)])] = 0.125;
                      }
                      bed.expect_near("logits", logits, {1e-30, double(V + 64) * kU32}, scale);
                    });
}

// At a temperature, with weights and entropies. The arguments of exp have one more rounding of at most τ·|x|·2^-24, so have the
// losses; an entropy is a difference of sums of the size of log V + the largest argument.
TEST_P(KernelConformance, CrossEntropyOfPolicies) {
  for (DType dtype : {DType::f32, DType::bf16})
    for (int64_t V : {2, 33, 1000})
      for (bool gradient : {false, true})
        compare(fmt::format("V {} {} gradient {}", V, name_of(dtype), gradient), [&](Bed& bed) {
          constexpr int64_t n = 5;
          constexpr double kTau = 1.5, kLargest = 1.5 * 25;
          const Values x = bed.random({n, V}, 3), weight{0.5, -2, 0, 1, 3};
          Indices target;
          for (int64_t i = 0; i < n; ++i) target.push_back(i == 3 ? -1 : (i * 37 + V - 1) % V);
          const Operand logits = bed.floats(dtype, {n, V}, x), loss = bed.unset(DType::f32, {n}),
                        entropy = bed.unset(DType::f32, {n});
          bed.backend.cross_entropy(bed.ctx, {.logits = logits,
                                              .target = bed.ints({n}, target),
                                              .loss = loss,
                                              .weight = bed.floats(DType::f32, {n}, weight),
                                              .entropy = entropy,
                                              .inverse_temperature = kTau,
                                              .gradient = gradient,
                                              .grad_scale = 0.125});
          const double units = double(V) + 32 + 2 * kLargest;
          bed.expect_near("loss", loss, {units * kU32, 4 * kU32});
          bed.expect_near("entropy", entropy, {2 * units * kU32, double(V + 32) * kU32 * kLargest});
          if (!gradient) return bed.expect_equal("logits", logits);
          Values scale;
          if (bed.oracle) {
            scale = absolute(bed.values_of(logits));
            for (int64_t i = 0; i < n; ++i)
              if (target[size_t(i)] >= 0)
                scale[size_t(i * V + target[size_t(i)])] = 0.125 * kTau * std::abs(weight[size_t(i)]);
          }
          bed.expect_near("logits", logits, {1e-30, (units + 64) * kU32 + (dtype == DType::bf16 ? 0x1p-8 : 0)}, scale);
        });
}

// Computed in double on both sides.
TEST_P(KernelConformance, PolicyWeight) {
  for (int64_t n : {0, 1, 7, 100})
    for (bool with_reference : {false, true})
      for (bool with_token_weight : {false, true})
        compare(fmt::format("n {} {} {}", n, with_reference, with_token_weight), [&](Bed& bed) {
          const auto some = [&](double stddev) { return bed.floats(DType::f32, {n}, bed.random({n}, stddev)); };
          const Operand weight = bed.unset(DType::f32, {n});
          bed.backend.policy_weight(bed.ctx,
                                    {.loss = some(0.3),
                                     .token_weight = with_token_weight ? some(1) : Operand{},
                                     .advantage = some(1),
                                     .old_loss = some(0.3),
                                     .reference_loss = with_reference ? some(0.3) : Operand{},
                                     .terms = {.clip_low = 0.2, .clip_high = 0.28, .beta = with_reference ? 0.04 : 0},
                                     .weight = weight});
          bed.expect_near("weight", weight, {0, kU32});
        });
}

// Computed in double on both sides.
TEST_P(KernelConformance, ValueLoss) {
  for (int64_t n : {0, 1, 7, 100})
    for (bool with_weight : {false, true})
      for (bool with_gradient : {false, true})
        compare(fmt::format("n {} {} {}", n, with_weight, with_gradient), [&](Bed& bed) {
          const auto some = [&](double stddev) { return bed.floats(DType::f32, {n}, bed.random({n}, stddev)); };
          Indices target;
          for (int64_t i = 0; i < n; ++i) target.push_back(i % 3 == 1 ? -1 : int32_t(i));
          const Operand loss = bed.unset(DType::f32, {n}), gradient = bed.unset(DType::f32, {n});
          bed.backend.value_loss(bed.ctx, {.value = some(1),
                                           .target = bed.ints({n}, target),
                                           .value_target = some(1),
                                           .weight = with_weight ? some(1) : Operand{},
                                           .loss = loss,
                                           .gradient = with_gradient ? gradient : Operand{},
                                           .grad_scale = 0.125});
          bed.expect_near("loss", loss, {0, kU32});
          if (with_gradient) bed.expect_near("gradient", gradient, {0, kU32});
        });
}

// Computed in double on both sides. Pairs are rows that are far from each other; some margins are so wide that an exponential would
// overflow.
TEST_P(KernelConformance, PairLoss) {
  for (int64_t n : {0, 1, 7, 100})
    for (double stddev : {1.0, 1000.0})
      for (bool with_gradient : {false, true})
        compare(fmt::format("n {} {} {}", n, stddev, with_gradient), [&](Bed& bed) {
          Indices target(size_t(n), -1), rival(size_t(n), -1);
          for (int64_t i = 0; i + 1 < n - i; i += 2) {
            rival[size_t(i)] = int32_t(n - 1 - i), rival[size_t(n - 1 - i)] = int32_t(i);
            target[size_t(i % 4 == 0 ? i : n - 1 - i)] = 3;
          }
          const Operand loss = bed.unset(DType::f32, {n}), gradient = bed.unset(DType::f32, {n});
          bed.backend.pair_loss(bed.ctx, {.value = bed.floats(DType::f32, {n}, bed.random({n}, stddev)),
                                          .target = bed.ints({n}, target),
                                          .rival = bed.ints({n}, rival),
                                          .loss = loss,
                                          .gradient = with_gradient ? gradient : Operand{},
                                          .grad_scale = 0.125});
          // Of wide margins the double on the one side is below any float on the other.
          const bool wide = stddev > 1;
          bed.expect_near("loss", loss, {0, kU32}, wide ? Values(size_t(n), 5 * stddev) : Values());
          if (with_gradient)
            bed.expect_near("gradient", gradient, {0, kU32}, wide ? Values(size_t(n), 0.125) : Values());
        });
}

TEST_P(KernelConformance, ReductionRuleOfCrossEntropy) {
  constexpr int64_t N = 11, V = 301;
  for (DType dtype : {DType::f32, DType::bf16}) {
    const Values x = normals(RngKey{31, 0}, N * V, 2);
    const auto rows = [&](int64_t begin, int64_t end, int threads, bool want_loss) {
      return run_tested(
          [&](Bed& bed) {
            const Operand whole = bed.floats(dtype, {N, V}, x), loss = bed.unset(DType::f32, {end - begin});
            Indices target;
            for (int64_t i = begin; i < end; ++i) target.push_back(i * 20);
            bed.backend.cross_entropy(bed.ctx, {.logits = whole.slice(0, begin, end),
                                                .target = bed.ints({end - begin}, target),
                                                .loss = loss,
                                                .gradient = true});
            bed.expect_equal("result", want_loss ? loss : whole);
          },
          threads);
    };
    const Values loss = rows(0, N, 1, true), gradient = rows(0, N, 1, false);
    for (int threads : {1, 3})
      for (auto [begin, end] : {std::pair<int64_t, int64_t>{0, N}, {0, 1}, {5, 6}, {3, 10}}) {
        EXPECT_TRUE(all_identical(rows(begin, end, threads, true), Values(loss.begin() + begin, loss.begin() + end)))
            << begin << " threads " << threads;
        const Values part = rows(begin, end, threads, false);
        EXPECT_TRUE(all_identical(Values(part.begin() + begin * V, part.begin() + end * V),
                                  Values(gradient.begin() + begin * V, gradient.begin() + end * V)));
      }
  }
}

TEST_P(KernelConformance, ScatterAdd) {  // each element: a running sum of at most N terms
  for (DType dtype : {DType::f32, DType::bf16})
    for (int64_t N : {0, 1, 33, 130})
      for (int64_t D : {1, 7, 16, 33, 65})
        compare(fmt::format("N {} D {} {}", N, D, name_of(dtype)), [&](Bed& bed) {
          constexpr int64_t V = 40;
          const Values src = bed.random({N, D}), old = bed.random({V, D});
          Indices index;
          for (int64_t n = 0; n < N; ++n) index.push_back(n % 5 == 3 ? -1 : n % 2 ? 17 : (n * 7) % V);
          const Operand dst = bed.floats(DType::f32, {V, D}, old, Layout::padded);
          bed.backend.scatter_add(
              bed.ctx,
              {.src = bed.floats(dtype, {N, D}, src, Layout::padded), .index = bed.ints({N}, index), .dst = dst});
          Values scale = absolute(old);
          for (int64_t n = 0; n < N; ++n)
            for (int64_t d = 0; d < D && index[size_t(n)] >= 0; ++d)
              scale[size_t(index[size_t(n)] * D + d)] += std::abs(src[size_t(n * D + d)]);
          bed.expect_near("dst", dst, {0, double(N + 1) * kU32}, scale);
        });
}

TEST_P(KernelConformance, Scatter) {
  for (DType from : {DType::f32, DType::bf16})
    for (DType to : {DType::f32, DType::bf16})
      for (int64_t N : {0, 1, 33, 130})
        for (int64_t D : {1, 7, 16, 65})
          compare(fmt::format("N {} D {} {} to {}", N, D, name_of(from), name_of(to)), [&](Bed& bed) {
            constexpr int64_t T = 150;
            const Values src = rounded_to(from, bed.random({N, D})), old = rounded_to(to, bed.random({T, D}));
            Indices index;
            for (int64_t n = 0; n < N; ++n) index.push_back(n % 5 == 3 ? -1 : (n * 7) % T);
            const Operand dst = bed.floats(to, {T, D}, old, Layout::padded);
            bed.backend.scatter(
                bed.ctx,
                {.src = bed.floats(from, {N, D}, src, Layout::padded), .index = bed.ints({N}, index), .dst = dst});
            bed.expect_near("dst", dst, {0, 0});  // copied, or rounded once (the bound of Bed for bf16)
          });
}

TEST_P(KernelConformance, AddAndBias) {
  for (DType x_type : {DType::f32, DType::bf16})
    for (DType y_type : {DType::f32, DType::bf16})
      for (Layout layout : {Layout::contiguous, Layout::padded})
        for (int64_t N : {0, 1, 7, 33})
          for (int64_t D : {1, 7, 16, 33, 65})
            compare(
                fmt::format("N {} D {} {} {} layout {}", N, D, name_of(x_type), name_of(y_type), int(layout)),
                [&](Bed& bed) {
                  const Values x = bed.random({N, D}), y = bed.random({N, D}), b = bed.random({D}),
                               z = bed.random({2, N, D});
                  const Operand sum = bed.floats(y_type, {N, D}, y, layout),
                                biased = bed.floats(y_type, {N, D}, y, layout);
                  const Operand deep = bed.floats(y_type, {2, N, D}, z, layout), dbias = bed.floats(DType::f32, {D}, b);
                  const Operand x_in = bed.floats(x_type, {N, D}, x, layout);
                  bed.backend.add(bed.ctx, {.x = x_in, .y = sum});
                  bed.backend.add(bed.ctx, {.x = bed.floats(x_type, {2, N, D}, z, layout), .y = deep});
                  bed.backend.add_bias(bed.ctx, {.y = biased, .bias = bed.floats(x_type, {D}, b)});
                  bed.backend.bias_grad(bed.ctx, {.dy = x_in, .dbias = dbias});
                  Values sum_scale(x.size()), biased_scale(x.size()), dbias_scale = absolute(b);
                  for (size_t i = 0; i < x.size(); ++i) {
                    sum_scale[i] = std::abs(x[i]) + std::abs(y[i]);
                    biased_scale[i] = std::abs(y[i]) + std::abs(b[i % size_t(D)]);
                    dbias_scale[i % size_t(D)] += std::abs(x[i]);
                  }
                  bed.expect_near("add", sum, {0, 2 * kU32}, sum_scale);
                  bed.expect_near("add rank 3", deep, {0, 2 * kU32});
                  bed.expect_near("add_bias", biased, {0, 2 * kU32}, biased_scale);
                  bed.expect_near("bias_grad", dbias, {0, double(N + 2) * kU32}, dbias_scale);
                });
}

TEST_P(KernelConformance,
       CopyAndFill) {  // exact but for the rounding to the destination, which is to nearest, ties to even
  for (DType src : {DType::f32, DType::bf16})
    for (DType dst : {DType::f32, DType::bf16})
      for (Layout from : {Layout::contiguous, Layout::padded, Layout::transposed})
        for (Layout to : {Layout::contiguous, Layout::padded, Layout::transposed})
          for (const Indices& shape :
               {Indices{0, 5}, Indices{1, 1}, Indices{17, 33}, Indices{3, 16, 31}, Indices{2, 3, 5, 7}}) {
            Values values = normals(RngKey{41, 0}, product_of(shape));
            for (size_t i = 0; i < values.size(); i += 3)
              values[i] = 1 + double(i % 64) * 0x1p-8;  // half of them ties in bf16
            const Values copied = run_tested([&](Bed& bed) {
              const Operand out = bed.unset(dst, shape, to);
              bed.backend.copy(bed.ctx, {.src = bed.floats(src, shape, values, from), .dst = out});
              bed.expect_equal("out", out);
            });
            EXPECT_TRUE(all_identical(copied, rounded_to(dst, rounded_to(src, values))))
                << name_of(src) << " → " << name_of(dst);
            const Values filled = run_tested([&](Bed& bed) {
              const Operand out = bed.unset(dst, shape, to);
              bed.backend.fill(bed.ctx, {out, 1.2345});
              bed.expect_equal("out", out);
            });
            EXPECT_TRUE(all_identical(filled, Values(filled.size(), rounded_to(dst, 1.2345))));
          }
}

TEST_P(KernelConformance, CopyAndFillWholeNumbers) {
  compare("i32", [&](Bed& bed) {
    const Operand out = bed.unset(DType::i32, {5}), filled = bed.unset(DType::i32, {5});
    bed.backend.copy(bed.ctx, {.src = bed.ints({5}, {-1, 0, 16777217, 2147483647, -2147483648}), .dst = out});
    bed.backend.fill(bed.ctx, {filled, -1});
    bed.expect_equal("copy", out);
    bed.expect_equal("fill", filled);
  });
}

TEST_P(KernelConformance,
       FillNormal) {  // the definition is in double; another log or cos may differ in its last digits
  for (DType dtype : {DType::f32, DType::bf16})
    for (int64_t n : kSizes)
      compare(fmt::format("n {} {}", n, name_of(dtype)), [&](Bed& bed) {
        const Operand out = bed.unset(dtype, {n});
        bed.backend.fill_normal(bed.ctx, {.dst = out, .key = RngKey{5, 6}.at("x"), .stddev = 0.02});
        bed.expect_near("out", out, {1e-9, 2 * kU32});
      });
}

// A product, rounded once after the scale was; what is dropped is 0 exactly, at any place of a row in the mask.
TEST_P(KernelConformance, Dropout) {
  for (DType dtype : {DType::f32, DType::bf16})
    for (int64_t N : {0, 1, 7})
      for (int64_t D : {1, 7, 8, 16, 33, 65, 150, 1000})
        for (int64_t first_row : {int64_t(0), int64_t(3), int64_t(1) << 40})
          for (double rate : {0.0, 0.1, 0.9})
            compare(fmt::format("N {} D {} {} first row {} rate {}", N, D, name_of(dtype), first_row, rate),
                    [&](Bed& bed) {
                      const Operand x = bed.floats(dtype, {N, D}, bed.random({N, D}), Layout::padded);
                      bed.backend.dropout(bed.ctx, {.x = x,
                                                    .key = RngKey{uint64_t(5) << 40 | 9, uint64_t(6) << 50 | 2}.at("x"),
                                                    .first_row = first_row,
                                                    .rate = rate});
                      bed.expect_near("x", x, {0, 2 * kU32});
                    });
}

// One mask whatever the cut into micro-batches and threads.
TEST_P(KernelConformance, DropoutOfAPart) {
  constexpr int64_t N = 300, D = 257;
  const Values x = normals(RngKey{51, 0}, N * D);
  const auto rows = [&](int64_t begin, int64_t end, int threads) {
    return run_tested(
        [&](Bed& bed) {
          const Operand part = bed.floats(DType::f32, {N, D}, x).slice(0, begin, end);
          const Operand out = bed.unset(DType::f32, {end - begin, D});
          bed.backend.copy(bed.ctx, {.src = part, .dst = out});
          bed.backend.dropout(bed.ctx, {.x = out, .key = RngKey{8, 3}, .first_row = 11 + begin, .rate = 0.2});
          bed.expect_equal("out", out);
        },
        threads);
  };
  const Values whole = rows(0, N, 1);
  for (int threads : {1, 3})
    for (auto [begin, end] : {std::pair<int64_t, int64_t>{0, N}, {0, 1}, {5, 6}, {30, 200}})
      EXPECT_TRUE(all_identical(rows(begin, end, threads), Values(whole.begin() + begin * D, whole.begin() + end * D)));
}

// m = β1 m + (1−β1) g may cancel: its error is 4u of the terms made positive; v is a sum of squares; so the step is off
// by 12u of its positive form, and p adds a rounding.
TEST_P(KernelConformance, AdamW) {
  for (DType moments : {DType::f32, DType::bf16})
    for (int64_t step : {1, 2, 1000})
      compare(fmt::format("moments {} step {}", name_of(moments), step), [&](Bed& bed) {
        std::vector<AdamTensor> tensors;
        std::vector<Values> p_scale, m_scale;
        const double decays[] = {0.1, 0};
        const AdamWArgs settings{.lr = 0.01, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .step = step, .grad_scale = 0.5};
        for (int64_t n : kSizes) {
          const Values p = bed.random({n}), g = bed.random({n}), m = bed.random({n}, 0.1),
                       v = absolute(bed.random({n}, 0.1));
          AdamTensor t{.weight_decay = decays[tensors.size() % 2]};
          t.param = bed.floats(DType::f32, {n}, p), t.grad = bed.floats(DType::f32, {n}, g);
          t.m = bed.floats(moments, {n}, m), t.v = bed.floats(moments, {n}, v);
          tensors.push_back(t);
          p_scale.push_back(absolute(p)), m_scale.push_back({});
          for (size_t i = 0; i < p.size(); ++i) {
            const double positive = 0.9 * std::abs(m[i]) + 0.1 * std::abs(0.5 * g[i]),
                         second = 0.95 * v[i] + 0.05 * 0.25 * g[i] * g[i];
            m_scale.back().push_back(positive);
            p_scale.back()[i] += 6 * 0.01 * positive / (1 - std::pow(0.9, double(step))) /
                                 (std::sqrt(second / (1 - std::pow(0.95, double(step)))) + 1e-8);
          }
        }
        AdamWArgs args = settings;
        args.tensors = tensors.data(), args.num_tensors = int64_t(tensors.size());
        bed.backend.adamw(bed.ctx, args);
        for (size_t t = 0; t < tensors.size(); ++t) {
          bed.expect_near("param", tensors[t].param, {0, 3 * kU32}, p_scale[t]);
          bed.expect_near("m", tensors[t].m, {0, 4 * kU32}, m_scale[t]);
          bed.expect_near("v", tensors[t].v, {0, 6 * kU32});
          bed.expect_equal("grad", tensors[t].grad);
        }
      });
}

TEST_P(KernelConformance, Ema) {  // two products and a sum, each rounded once
  for (int64_t n : kSizes)
    compare(fmt::format("n {}", n), [&](Bed& bed) {
      const Values old = bed.random({n}), value = bed.random({n});
      const Operand average = bed.floats(DType::f32, {n}, old);
      bed.backend.ema(bed.ctx, {.average = average, .value = bed.floats(DType::f32, {n}, value), .decay = 0.75});
      Values scale(size_t(n), 0);
      for (size_t i = 0; i < scale.size(); ++i) scale[i] = std::abs(old[i]) + std::abs(value[i]);
      bed.expect_near("average", average, {1e-37, 3 * kU32}, scale);
    });
}

TEST_P(KernelConformance, SumSquares) {  // in f64: n·2^-53 of a sum of squares
  for (DType dtype : {DType::f32, DType::bf16}) {
    const auto run = [&](Bed& bed) {
      std::vector<Operand> tensors;
      for (int64_t n : kSizes) tensors.push_back(bed.floats(dtype, {n}, bed.random({n})));
      tensors.push_back(bed.floats(dtype, {300, 301}, bed.random({300, 301})));
      const Operand out = bed.unset(DType::f64, {int64_t(tensors.size())});
      bed.backend.sum_squares(bed.ctx, {.tensors = tensors.data(), .num_tensors = int64_t(tensors.size()), .out = out});
      bed.expect_near("out", out, {0, 100000 * 0x1p-53});
    };
    compare(name_of(dtype), run);
    EXPECT_TRUE(all_identical(run_tested(run, 3), run_tested(run, 1)));
  }
}

TEST_P(KernelConformance, UploadDownloadEvents) {
  compare("bytes", [&](Bed& bed) {
    const Operand device = bed.unset(DType::i32, {3});
    const int32_t sent[] = {1, -2, 3};
    int32_t received[3] = {};
    bed.backend.upload(bed.ctx, {sent, device});
    Event event;
    bed.backend.record(bed.ctx, event);
    bed.backend.wait(bed.ctx, event);
    bed.backend.synchronize(bed.ctx);
    bed.backend.download(bed.ctx, {device, received});
    EXPECT_EQ(std::memcmp(sent, received, sizeof sent), 0);
    bed.expect_equal("device", device);
  });
}

}  // namespace
}  // namespace minke::test
