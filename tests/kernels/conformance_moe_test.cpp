// Router, balance losses, sort by expert, gather, combine, bias update. Which experts are chosen is compared exactly:
// logits without bias come from few levels, so that ties are exact and test the rule of the lower index; with a bias
// they are continuous and the chance of two candidates within rounding is about 1e-4 for these seeds.
#include <fmt/core.h>

#include <cmath>
#include <limits>

#include "kernels/conformance.h"

namespace minke::test {
namespace {

constexpr double kFunction = 24;  // units of 2^-24 for exp, division and an argument below 8

struct RouteCase {
  int64_t N, E, K, num_groups, top_groups;
  AffinityFunc affinity_func;
  GroupAffinity group_affinity;
  bool biased, normalise;
  Layout layout;

  std::string label() const {
    return fmt::format("N {} E {} K {} groups {} of {} affinity {} of a group {}{}{} layout {}", N, E, K, top_groups,
                       num_groups, int(affinity_func), int(group_affinity), biased ? " biased" : "",
                       normalise ? " normalised" : "", int(layout));
  }
};

std::vector<RouteCase> route_cases() {
  struct Shape {
    int64_t N, E, K, num_groups, top_groups;
  };
  std::vector<RouteCase> result;
  for (const Shape s :
       {Shape{0, 4, 2, 2, 1}, Shape{1, 1, 1, 1, 1}, Shape{7, 8, 3, 4, 2}, Shape{9, 8, 8, 8, 8}, Shape{33, 16, 4, 4, 2},
        Shape{17, 33, 6, 3, 2}, Shape{20, 64, 6, 8, 3}, Shape{5, 256, 8, 8, 4}, Shape{6, 63, 7, 7, 3}})
    for (AffinityFunc affinity_func : {AffinityFunc::softmax, AffinityFunc::sigmoid})
      for (GroupAffinity group_affinity : {GroupAffinity::none, GroupAffinity::max, GroupAffinity::top2_sum})
        for (bool biased : {false, true})
          for (bool normalise : {false, true})
            result.push_back({s.N, s.E, s.K, s.num_groups, s.top_groups, affinity_func, group_affinity, biased,
                              normalise, result.size() % 3 ? Layout::contiguous : Layout::padded});
  return result;
}

RouteArgs route_args(Bed& bed, const RouteCase& c) {
  Values logits = bed.random({c.N, c.E}, 1.5);
  if (!c.biased)
    for (double& x : logits) x = std::round(x * 2) / 2;
  RouteArgs args{.affinity_func = c.affinity_func,
                 .group_affinity = c.group_affinity,
                 .num_groups = c.num_groups,
                 .top_groups = c.top_groups,
                 .normalise = c.normalise,
                 .scale = 2.5};
  args.logits = bed.floats(DType::f32, {c.N, c.E}, logits, c.layout);
  if (c.biased) args.bias = bed.floats(DType::f32, {c.E}, bed.random({c.E}, 0.1));
  args.affinity = bed.unset(DType::f32, {c.N, c.E}, c.layout);
  args.expert = bed.unset(DType::i32, {c.N, c.K});
  args.weight = bed.unset(DType::f32, {c.N, c.K});
  return args;
}

Indices two_of_three(int64_t n) {  // 0 = padding
  Indices valid;
  for (int64_t i = 0; i < n; ++i) valid.push_back(i % 3 == 1 ? 0 : 1);
  return valid;
}

TEST_P(KernelConformance, Route) {
  for (const RouteCase& c : route_cases())
    compare(c.label(), [&](Bed& bed) {
      RouteArgs args = route_args(bed, c);
      if (c.layout == Layout::padded) args.valid = bed.ints({c.N}, two_of_three(c.N));
      bed.backend.route(bed.ctx, args);
      bed.expect_near("affinity", args.affinity, {0, (double(c.E) + kFunction) * kU32});
      bed.expect_equal("expert", args.expert);
      bed.expect_near("weight", args.weight, {0, (double(2 * c.E) + 2 * kFunction) * kU32});
    });
}

TEST_P(KernelConformance, RouteReplaysRecordedExperts) {
  for (const RouteCase& c : route_cases())
    compare(c.label(), [&](Bed& bed) {
      RouteArgs args = route_args(bed, c);
      Indices experts;  // none that top-k would choose, in no order
      for (int64_t n = 0; n < c.N; ++n)
        for (int64_t k = 0; k < c.K; ++k) experts.push_back((n + k * 5 + (c.E % 5 == 0 ? k : 0)) % c.E);
      args.expert = bed.ints({c.N, c.K}, experts);
      args.replay = true;
      Indices flips;  // what they are added to
      for (int64_t n = 0; n < c.N; ++n) flips.push_back(n);
      args.flips = bed.ints({c.N}, flips);
      if (c.layout == Layout::padded) args.valid = bed.ints({c.N}, two_of_three(c.N));
      bed.backend.route(bed.ctx, args);
      bed.expect_equal("expert", args.expert);
      bed.expect_equal("flips", args.flips);
      bed.expect_near("weight", args.weight, {0, (double(2 * c.E) + 2 * kFunction) * kU32});
    });
}

// A diverged router must still give experts that exist: the loss shows the NaN, memory does not.
TEST_P(KernelConformance, RouteOfNaNStaysInBounds) {
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  for (AffinityFunc affinity_func : {AffinityFunc::softmax, AffinityFunc::sigmoid})
    for (GroupAffinity group_affinity : {GroupAffinity::none, GroupAffinity::max, GroupAffinity::top2_sum})
      for (bool biased : {false, true}) {
        const Values experts = run_tested([&](Bed& bed) {
          constexpr int64_t N = 6, E = 40, K = 5;
          Values logits = bed.random({N, E});
          for (int64_t e = 0; e < E; ++e) {
            logits[size_t(e)] = nan;
            if (e % 3) logits[size_t(E + e)] = nan;
            logits[size_t(2 * E + e)] = e % 2 ? inf : -inf;
            logits[size_t(3 * E + e)] = -inf;
            logits[size_t(4 * E + e)] = inf;
          }
          RouteArgs args{
              .affinity_func = affinity_func, .group_affinity = group_affinity, .num_groups = 8, .top_groups = 3};
          args.logits = bed.floats(DType::f32, {N, E}, logits);
          if (biased) args.bias = bed.floats(DType::f32, {E}, Values(size_t(E), nan));
          args.affinity = bed.unset(DType::f32, {N, E});
          args.expert = bed.unset(DType::i32, {N, K});
          args.weight = bed.unset(DType::f32, {N, K});
          bed.backend.route(bed.ctx, args);
          bed.expect_equal("expert", args.expert);
        });
        for (size_t n = 0; n < 6; ++n)
          for (size_t k = 0; k < 5; ++k) {
            const double e = experts[n * 5 + k];
            EXPECT_TRUE(e >= 0 && e < 40) << n;
            for (size_t j = 0; j < k; ++j) EXPECT_NE(e, experts[n * 5 + j]) << n;
          }
      }
}

TEST_P(KernelConformance, RouteBackward) {
  for (const RouteCase& c : route_cases())
    for (bool with_affinity : {false, true})
      compare(c.label(), [&](Bed& bed) {
        Values affinity = bed.random({c.N, c.E});
        for (int64_t n = 0; n < c.N; ++n) {  // a distribution for softmax, numbers in (0,1) for sigmoid
          double sum = 0;
          for (int64_t e = 0; e < c.E; ++e) {
            double& s = affinity[size_t(n * c.E + e)];
            s = c.affinity_func == AffinityFunc::sigmoid ? 1 / (1 + std::exp(-s)) : std::exp(s);
            sum += s;
          }
          for (int64_t e = 0; e < c.E && c.affinity_func == AffinityFunc::softmax; ++e)
            affinity[size_t(n * c.E + e)] /= sum;
        }
        Indices experts;
        for (int64_t n = 0; n < c.N; ++n)
          for (int64_t k = 0; k < c.K; ++k) experts.push_back(n % 4 == 2 && k != 1 ? -1 : (n + k) % c.E);
        const Values d_weight = bed.random({c.N, c.K}), d_affinity = bed.random({c.N, c.E});
        RouteBackwardArgs b;
        b.forward = {.affinity_func = c.affinity_func, .normalise = c.normalise, .scale = 2.5};
        b.forward.affinity = bed.floats(DType::f32, {c.N, c.E}, affinity, c.layout);
        b.forward.expert = bed.ints({c.N, c.K}, experts);
        b.d_weight = bed.floats(DType::f32, {c.N, c.K}, d_weight);
        if (with_affinity) b.d_affinity = bed.floats(DType::f32, {c.N, c.E}, d_affinity, c.layout);
        b.d_logits = bed.unset(DType::f32, {c.N, c.E}, c.layout);
        bed.backend.route_backward(bed.ctx, b);
        // ds and its sum with every term made positive
        Values scale(affinity.size());
        for (size_t n = 0; n < size_t(c.N); ++n) {
          const size_t row = n * size_t(c.E), slot = n * size_t(c.K);
          double sum = 0, weighted = 0, total = 0;
          for (size_t k = 0; k < size_t(c.K); ++k) {
            if (experts[slot + k] < 0) continue;
            sum += affinity[row + size_t(experts[slot + k])];
            weighted += std::abs(d_weight[slot + k]) * affinity[row + size_t(experts[slot + k])];
          }
          Values ds(size_t(c.E), 0.0);
          for (size_t e = 0; e < ds.size(); ++e) ds[e] = with_affinity ? std::abs(d_affinity[row + e]) : 0;
          for (size_t k = 0; k < size_t(c.K); ++k)
            if (experts[slot + k] >= 0)
              ds[size_t(experts[slot + k])] +=
                  2.5 *
                  (c.normalise ? (std::abs(d_weight[slot + k]) + weighted / sum) / sum : std::abs(d_weight[slot + k]));
          for (size_t e = 0; e < ds.size(); ++e) total += ds[e] * affinity[row + e];
          for (size_t e = 0; e < ds.size(); ++e)
            scale[row + e] = affinity[row + e] * (ds[e] + (c.affinity_func == AffinityFunc::softmax ? total : 0));
        }
        bed.expect_near("d_logits", b.d_logits, {0, (double(c.E + 2 * c.K) + kFunction) * kU32}, scale);
      });
}

TEST_P(KernelConformance, Balance) {
  struct Shape {
    Indices offsets;
    int64_t E, K, devices, top_devices;
  };
  const Shape shapes[] = {{{0, 1}, 1, 1, 1, 1},        {{0, 7}, 8, 3, 4, 2},         {{0, 16, 33}, 16, 4, 2, 1},
                          {{0, 1, 2, 8}, 16, 4, 2, 1}, {{0, 5, 5, 64}, 33, 6, 3, 2}, {{0, 65, 66}, 64, 6, 8, 3}};
  for (const Shape& s : shapes)
    for (int which = 0; which < 16; ++which)
      for (bool normalise : {false, true})
        for (bool unbiased : {false, true})
          compare(fmt::format("N {} E {} K {} which {} normalise {} unbiased {}", s.offsets.back(), s.E, s.K, which,
                              normalise, unbiased),
                  [&](Bed& bed) {
                    const int64_t N = s.offsets.back();
                    Values affinity = bed.random({N, s.E}), old = bed.random({N, s.E}, 0.01);
                    for (double& x : affinity) x = 1 / (1 + std::exp(-x));
                    Indices experts;
                    for (int64_t n = 0; n < N; ++n)
                      for (int64_t k = 0; k < s.K; ++k)
                        experts.push_back(n % 5 == 1 && k == 0 ? -1 : (n * n + k) % s.E);  // −1: dropped
                    BalanceArgs args{.sequence_offsets = s.offsets.data(),
                                     .num_sequences = int64_t(s.offsets.size()) - 1,
                                     .terms = {.alpha_expert = which & 1 ? 0.3 : 0,
                                               .alpha_device = which & 2 ? 0.5 : 0,
                                               .alpha_comm = which & 4 ? 0.2 : 0,
                                               .num_devices = s.devices,
                                               .top_devices = s.top_devices,
                                               .normalise_affinity = normalise,
                                               .count_unbiased = unbiased},
                                     .grad_scale = 3};
                    const bool padded = which & 8;  // the second sequence of {0, 1, 2, 8} is nothing else
                    if (padded) args.valid = bed.ints({N}, two_of_three(N));
                    args.affinity = bed.floats(DType::f32, {N, s.E}, affinity, Layout::padded);
                    args.expert = bed.ints({N, s.K}, experts);
                    args.d_affinity = bed.floats(DType::f32, {N, s.E}, old);
                    args.loss = bed.floats(DType::f32, {1}, {0.25});
                    bed.backend.balance(bed.ctx, args);
                    // Everything in the loss is positive: relative to it, N terms of sums over E. In the gradient w −
                    // value cancels: w ≤ E/K·(α's), value ≤ w·Σs, so 3·share·2·w/σ bounds the terms.
                    const double terms = double(N + 3 * s.E + 40) * kU32;
                    bed.expect_near("loss", args.loss, {0, terms});
                    Values scale = absolute(old);
                    const double w =
                        double(s.E) / double(s.K) * double(s.K) + double(s.devices);  // f ≤ E/K·K with repeated experts
                    for (size_t i = 0; i < scale.size(); ++i) {
                      int64_t sequence = 0;
                      while (int64_t(i) / s.E >= s.offsets[size_t(sequence) + 1]) ++sequence;
                      double T = double(s.offsets[size_t(sequence) + 1] - s.offsets[size_t(sequence)]);
                      if (padded) T = std::max(1.0, std::floor(T / 3) * 2);  // at least so many are tokens
                      double sigma = normalise ? 0 : 1;
                      for (int64_t e = 0; e < s.E && normalise; ++e)
                        sigma += affinity[i / size_t(s.E) * size_t(s.E) + size_t(e)];
                      scale[i] += which ? 3 / T / double(args.num_sequences) * 2 * w / sigma : 0;
                    }
                    bed.expect_near("d_affinity", args.d_affinity, {0, terms}, scale);
                  });
}

TEST_P(KernelConformance, DropTokens) {
  for (int64_t N : {1, 9, 130, 131})
    for (const std::array<int64_t, 3>& shape : {std::array<int64_t, 3>{8, 3, 4}, {32, 4, 8}, {6, 2, 6}, {4, 2, 1}})
      for (double capacity : {0.3, 1.0, 1.5})
        compare(fmt::format("N {} E {} K {} devices {} capacity {}", N, shape[0], shape[1], shape[2], capacity),
                [&](Bed& bed) {
                  const auto [E, K, devices] = shape;
                  Values affinity = bed.random({N, E});
                  for (double& s : affinity) s = std::round(4 * s) / 4;  // many are equal: the order must be total
                  if (N > 100) affinity[7] = std::nan("");
                  Indices experts;
                  for (int64_t slot = 0; slot < N * K; ++slot)
                    experts.push_back(N == 131 && slot / K % 4 == 1 ? -1 : (slot % 3 ? slot % K : slot * slot) % E);
                  const Indices offsets{0, N / 3, N / 3, N};
                  const std::vector<uint8_t> is_protected{1, 0, 0};
                  DropTokensArgs args{.sequence_offsets = offsets.data(),
                                      .is_protected = is_protected.data(),
                                      .num_sequences = 3,
                                      .capacity = capacity,
                                      .num_devices = devices};
                  args.affinity = bed.floats(DType::f32, {N, E}, affinity, Layout::padded);
                  args.expert = bed.ints({N, K}, experts);
                  args.kept = bed.unset(DType::i32, {N, K});
                  args.load = bed.ints({E}, Indices(size_t(E), 10));
                  args.dropped = bed.ints({1}, {3});
                  bed.backend.drop_tokens(bed.ctx, args);
                  bed.expect_equal("kept", args.kept);
                  bed.expect_equal("load", args.load);
                  bed.expect_equal("dropped", args.dropped);
                });
}

TEST_P(KernelConformance, PermutePlanGatherCombine) {
  for (int64_t N : {0, 1, 7, 33, 130})
    for (const std::pair<int64_t, int64_t>& shape : {std::pair<int64_t, int64_t>{1, 1}, {8, 3}, {33, 6}, {256, 8}})
      for (bool dropping : {false, true})
        for (DType dtype : {DType::f32, DType::bf16})
          for (int64_t D : {1, 7, 16, 33})
            compare(fmt::format("N {} E {} K {} D {} {}{}", N, shape.first, shape.second, D, name_of(dtype),
                                dropping ? " dropping" : ""),
                    [&](Bed& bed) {
                      const int64_t E = shape.first, K = shape.second;
                      Indices experts;
                      int64_t kept = 0;
                      for (int64_t slot = 0; slot < N * K;
                           ++slot) {  // the first token's experts get most, many get none
                        const int64_t e = slot % 3 ? slot % K : (slot * slot * 7 + 3) % E;
                        experts.push_back(dropping && slot % 4 == 1 ? -1 : e % E);
                        kept += experts.back() >= 0;
                      }
                      PermutePlanArgs plan{.expert = bed.ints({N, K}, experts)};
                      plan.offsets = bed.unset(DType::i32, {E + 1});
                      plan.row_of_slot = bed.unset(DType::i32, {N * K});
                      plan.slot_of_row =
                          bed.ints({N * K}, Indices(size_t(N * K), -7));  // beyond the kept rows nothing is written
                      plan.load = bed.ints({E}, Indices(size_t(E), 10));
                      bed.backend.permute_plan(bed.ctx, plan);
                      bed.expect_equal("offsets", plan.offsets);
                      bed.expect_equal("row_of_slot", plan.row_of_slot);
                      if (kept == N * K) bed.expect_equal("slot_of_row", plan.slot_of_row);
                      bed.expect_equal("load", plan.load);

                      const Values x = bed.random({N, D}), y = bed.random({N * K, D}), w = bed.random({N * K});
                      const Operand rows = bed.floats(dtype, {N * K, D}, y, Layout::padded);
                      Operand count = plan.offsets.slice(0, E, E + 1);
                      bed.backend.gather(bed.ctx, {.src = bed.floats(dtype, {N, D}, x, Layout::padded),
                                                   .index = plan.slot_of_row,
                                                   .dst = rows,
                                                   .divisor = K,
                                                   .num_rows = count});
                      bed.expect_equal("rows", rows);
                      const Operand back = bed.unset(DType::f32, {N * K});
                      bed.backend.gather(
                          bed.ctx, {.src = bed.floats(DType::f32, {N * K}, w), .index = plan.row_of_slot, .dst = back});
                      bed.expect_equal("scalars", back);
                      for (bool accumulate : {false, true}) {
                        const Values old = bed.random({N, D});
                        const Operand dst =
                            accumulate ? bed.floats(dtype, {N, D}, old, Layout::padded) : bed.unset(dtype, {N, D});
                        bed.backend.combine(bed.ctx, {.src = bed.floats(dtype, {N * K, D}, y),
                                                      .row_of_slot = plan.row_of_slot,
                                                      .dst = dst,
                                                      .accumulate = accumulate});
                        Values scale(x.size(), accumulate ? 4 : 0);  // old values are below 5
                        const Values row_of_slot = bed.values_of(plan.row_of_slot);
                        for (size_t slot = 0; slot < row_of_slot.size(); ++slot)
                          for (size_t d = 0; d < size_t(D) && row_of_slot[slot] >= 0; ++d)
                            scale[slot / size_t(K) * size_t(D) + d] +=
                                std::abs(y[size_t(row_of_slot[slot]) * size_t(D) + d]);
                        bed.expect_near("combined", dst, {0, double(K + 3) * kU32}, scale);
                      }
                    });
}

// An embedding that is the head, too: its rows are the columns of the packed right-hand side.
TEST_P(KernelConformance, RowsOfAPackedRightHandSide) {
  for (const DType packed : {DType::f32, DType::bf16})
    for (const DType dtype : {DType::f32, DType::bf16})
      for (const int64_t width : {1, 6, 33})
        compare(fmt::format("{} in {}, rows of {}", name_of(packed), name_of(dtype), width), [&](Bed& bed) {
          constexpr int64_t V = 70;
          const Operand plain = bed.floats(packed, {V, width}, bed.random({V, width}));
          const Operand rows = bed.unset(dtype, {7, width}, Layout::padded);
          bed.backend.gather(bed.ctx, {.src = bed.packed(plain.transposed(), packed),
                                       .index = bed.ints({7}, {69, 0, 31, -1, 32, 63, 31}),
                                       .dst = rows});
          bed.expect_equal("rows", rows);
        });
}

TEST_P(KernelConformance, BiasUpdate) {
  compare("bias", [&](Bed& bed) {
    const Operand bias = bed.floats(DType::f32, {9}, bed.random({9}, 0.1));
    // Mean 7.0 is met exactly by two experts, which stay.
    bed.backend.bias_update(bed.ctx,
                            {.bias = bias, .load = bed.ints({9}, {7, 0, 14, 7, 6, 8, 1, 20, 0}), .speed = 0.01});
    bed.expect_near("bias", bias, {0.011 * kU32, kU32});
    const Operand large = bed.floats(DType::f32, {3}, {0, 0, 0});  // sums beyond 32 bits
    bed.backend.bias_update(bed.ctx,
                            {.bias = large, .load = bed.ints({3}, {2147483647, 2147483647, 2147483646}), .speed = 0.5});
    bed.expect_near("large", large, {0, kU32});
  });
}

}  // namespace
}  // namespace minke::test
