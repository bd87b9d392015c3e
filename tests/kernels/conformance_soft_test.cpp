// Cross-entropy with a teacher's distribution on every backend. Bounds stand beside the test.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/conformance.h"

namespace minke::test {
namespace {

// Rows of every sort, by their index modulo 6: a whole list; no target; an empty list; a list with gaps, in which nothing can be read;
// probabilities that were rounded up to more than 1; a student that gives almost everything to the list.
struct SoftRows {
  int64_t n, V, K;
  Values x, p;
  Indices target, token;

  SoftRows(const Values& logits, const Values& draws, int64_t rows, int64_t vocabulary, int64_t most)
      : n(rows), V(vocabulary), K(most), x(logits), p(size_t(n * K)), token(size_t(n * K), -1) {
    for (int64_t i = 0; i < n; ++i) {
      const int64_t kind = i % 6;
      target.push_back(kind == 1 ? -1 : (i * 37 + V - 1) % V);
      double sum = 0;
      for (int64_t k = 0; k < K; ++k) {
        const bool listed = k < V && kind != 2 && !(kind == 3 && k % 2 == 1);
        double& share = p[size_t(i * K + k)];
        share = listed ? std::abs(draws[size_t(i * K + k)]) : std::numeric_limits<double>::quiet_NaN();
        if (!listed) continue;
        token[size_t(i * K + k)] = (k * (V % 5 ? 5 : 1) + i) % V;  // 5 and V have no common factor then: different ones
        sum += share;
      }
      const double mass = kind == 4 ? 1.001 : kind == 5 ? 0.9999 : K >= V ? 1 : 0.8;
      for (int64_t k = 0; k < K; ++k) p[size_t(i * K + k)] *= sum > 0 ? mass / sum : 1;
      for (int64_t v = 0; v < V; ++v) x[size_t(i * V + v)] += i % 4 == 1 ? 500 : i % 4 == 3 ? -500 : 0;
      for (int64_t k = 0; k < K && kind == 5; ++k)
        if (token[size_t(i * K + k)] >= 0) x[size_t(i * V + token[size_t(i * K + k)])] += 60;
    }
  }
};

// Sums over V in f32: V + 32 units of 2^-24 in the logarithm of each of the two (as for plain cross-entropy; the arguments of exp are
// below 32 in each class), and the rounding of the loss itself. The rest is computed in double. An element of the gradient is a
// difference of its share of q, of its share of the teacher's, and of 1 for the target: each of them is off by as many units.
TEST_P(KernelConformance, SoftCrossEntropy) {
  for (DType dtype : {DType::f32, DType::bf16})
    for (Layout layout : {Layout::contiguous, Layout::padded})
      for (int64_t n : {0, 1, 13})
        for (int64_t V : {1, 2, 7, 33, 65, 1000})
          for (int64_t K : {1, 3, 64})
            for (double share : {0.0, 0.3, 1.0})
              for (bool gradient : {false, true})
                compare(fmt::format("n {} V {} K {} share {} {} layout {} gradient {}", n, V, K, share, name_of(dtype),
                                    int(layout), gradient),
                        [&](Bed& bed) {
                          const Values draws = bed.random({n, K});
                          const SoftRows rows(bed.random({n, V}, 3), draws, n, V, K);
                          Values weight;
                          for (int64_t i = 0; i < n; ++i) weight.push_back(double(i % 5) - 1);
                          const Operand logits = bed.floats(dtype, {n, V}, rows.x, layout),
                                        probability = bed.floats(DType::f32, {n, K}, rows.p, layout),
                                        loss = bed.unset(DType::f32, {n});
                          const Values x = bed.oracle ? bed.values_of(logits) : Values(),
                                       p = bed.oracle ? bed.values_of(probability) : Values();
                          bed.backend.soft_cross_entropy(bed.ctx, {.logits = logits,
                                                                   .target = bed.ints({n}, rows.target),
                                                                   .soft_token = bed.ints({n, K}, rows.token),
                                                                   .probability = probability,
                                                                   .share = share,
                                                                   .loss = loss,
                                                                   .weight = bed.floats(DType::f32, {n}, weight),
                                                                   .gradient = gradient,
                                                                   .grad_scale = 0.125});
                          const double units = double(V) + 64;
                          bed.expect_near("loss", loss, {2 * units * kU32, 4 * kU32});
                          if (!gradient) return bed.expect_equal("logits", logits);
                          Values scale(x.size());
                          for (int64_t i = 0; i < n && bed.oracle; ++i) {
                            if (rows.target[size_t(i)] < 0) continue;
                            const auto at = [&](int64_t v) { return x[size_t(i * V + v)]; };
                            std::vector<double> of_list(size_t(V), -1);
                            for (int64_t k = 0; k < K; ++k)
                              if (rows.token[size_t(i * K + k)] >= 0)
                                of_list[size_t(rows.token[size_t(i * K + k)])] = p[size_t(i * K + k)];
                            double all = 0, others = 0, top = at(0), top_other = -1e300;
                            for (int64_t v = 0; v < V; ++v) {
                              top = std::max(top, at(v));
                              if (of_list[size_t(v)] < 0) top_other = std::max(top_other, at(v));
                            }
                            for (int64_t v = 0; v < V; ++v) {
                              all += std::exp(at(v) - top);
                              if (of_list[size_t(v)] < 0) others += std::exp(at(v) - top_other);
                            }
                            for (int64_t v = 0; v < V; ++v) {
                              const double listed = of_list[size_t(v)];
                              const double teacher = listed >= 0 ? listed : std::exp(at(v) - top_other) / others;
                              scale[size_t(i * V + v)] =
                                  0.125 * std::abs(weight[size_t(i)]) *
                                  (std::exp(at(v) - top) / all + teacher + (v == rows.target[size_t(i)]));
                            }
                          }
                          bed.expect_near("logits", logits, {1e-30, units * kU32}, scale);
                        });
}

TEST_P(KernelConformance, ReductionRuleOfSoftCrossEntropy) {
  constexpr int64_t N = 13, V = 301, K = 5;
  const SoftRows all(normals(RngKey{31, 0}, N * V, 2), normals(RngKey{32, 0}, N * K, 1), N, V, K);
  const auto rows = [&](int64_t begin, int64_t end, int threads, bool want_loss) {
    return run_tested(
        [&](Bed& bed) {
          const Operand whole = bed.floats(DType::f32, {N, V}, all.x), loss = bed.unset(DType::f32, {end - begin});
          bed.backend.soft_cross_entropy(bed.ctx,
                                         {.logits = whole.slice(0, begin, end),
                                          .target = bed.ints({N}, all.target).slice(0, begin, end),
                                          .soft_token = bed.ints({N, K}, all.token).slice(0, begin, end),
                                          .probability = bed.floats(DType::f32, {N, K}, all.p).slice(0, begin, end),
                                          .share = 0.5,
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

}  // namespace
}  // namespace minke::test
