// Every backward of the reference against central differences of its forward, in double, with a random upstream
// gradient.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/compare.h"
#include "support/gradcheck.h"
#include "support/random.h"

namespace minke::test {
namespace {

class Gradients : public ::testing::Test {
 protected:
  const TestContext ctx;
  Backend& backend = ctx.backend();
  uint64_t draws = 0;

  Values random(int64_t n, double stddev = 1) { return normals(RngKey{77, 0}.at(draws++), n, stddev); }
  Buffer floats(const Indices& shape, const Values& values) const {
    Buffer buffer(ctx, DType::f64, shape);
    buffer.set(values);
    return buffer;
  }
  Buffer ints(const Indices& shape, const Indices& values) const {
    Buffer buffer(ctx, DType::i32, shape);
    buffer.set(values);
    return buffer;
  }
  static double inner(const Values& a, const Values& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  }
};

TEST_F(Gradients, Gemm) {  // da = dc·bᵀ, db = aᵀ·dc: the two products that every linear layer uses, as strides
  constexpr int64_t M = 4, N = 3, K = 5;
  const Values a = random(M * K), b = random(K * N), dc = random(M * N);
  const auto forward = [&](const Values& a_values, const Values& b_values) {
    const Buffer x = floats({M, K}, a_values), w = floats({K, N}, b_values), y(ctx, DType::f64, {M, N});
    backend.gemm(ctx, {.a = x, .b = w, .c = y, .compute = DType::f64});
    return inner(y.get(), dc);
  };
  const Buffer x = floats({M, K}, a), w = floats({K, N}, b), dy = floats({M, N}, dc), dx(ctx, DType::f64, {M, K}),
               dw = floats({K, N}, Values(K * N, 1.0));
  backend.gemm(ctx, {.a = dy, .b = w.operand().transposed(), .c = dx, .compute = DType::f64});
  backend.gemm(ctx, {.a = x.operand().transposed(), .b = dy, .c = dw, .compute = DType::f64, .accumulate = true});
  EXPECT_TRUE(gradient_matches([&](const Values& v) { return forward(v, b); }, a, dx.get()));
  Values db = dw.get();
  for (double& g : db) g -= 1;  // accumulated on top of ones
  EXPECT_TRUE(gradient_matches([&](const Values& v) { return forward(a, v); }, b, db));
}

TEST_F(Gradients,
       GemmGroupedByRows) {  // dx by rows with transposed weights, dw by inner indices: the experts' products
  constexpr int64_t R = 7, G = 3, N = 4, K = 3;
  const Buffer offsets = ints({G + 1}, {0, 3, 3, 6});  // an empty expert, a row of none
  const Values x = random(R * K), w = random(G * K * N), dy = random(R * N);
  const auto forward = [&](const Values& x_values, const Values& w_values) {
    const Buffer y = floats({R, N}, Values(R * N, 0.0));
    backend.gemm(ctx, {.a = floats({R, K}, x_values),
                       .b = floats({G, K, N}, w_values),
                       .c = y,
                       .compute = DType::f64,
                       .grouping = Grouping::rows,
                       .offsets = offsets});
    return inner(y.get(), dy);
  };
  const Buffer dx = floats({R, K}, Values(R * K, 0.0)), dw(ctx, DType::f64, {G, K, N});
  const Buffer x_in = floats({R, K}, x), w_in = floats({G, K, N}, w), dy_in = floats({R, N}, dy);
  backend.gemm(ctx, {.a = dy_in,
                     .b = w_in.operand().transposed(1, 2),
                     .c = dx,
                     .compute = DType::f64,
                     .grouping = Grouping::rows,
                     .offsets = offsets});
  backend.gemm(ctx, {.a = x_in.operand().transposed(),
                     .b = dy_in,
                     .c = dw,
                     .compute = DType::f64,
                     .grouping = Grouping::inner,
                     .offsets = offsets});
  EXPECT_TRUE(gradient_matches([&](const Values& v) { return forward(v, w); }, x, dx.get()));
  EXPECT_TRUE(gradient_matches([&](const Values& v) { return forward(x, v); }, w, dw.get()));
}

TEST_F(Gradients, RmsNorm) {
  constexpr int64_t N = 4, D = 6;
  const Values x = random(N * D), gain = random(D), dy = random(N * D), residual = random(N * D);
  const auto forward = [&](const Values& x_values, const Values& gain_values) {
    const Buffer y(ctx, DType::f64, {N, D});
    backend.rms_norm(ctx, {.x = floats({N, D}, x_values), .gain = floats({D}, gain_values), .y = y, .eps = 0.01});
    return inner(y.get(), dy);
  };
  const Buffer x_in = floats({N, D}, x), gain_in = floats({D}, gain), dy_in = floats({N, D}, dy);
  const Buffer y(ctx, DType::f64, {N, D}), rstd(ctx, DType::f64, {N}), dx(ctx, DType::f64, {N, D}),
      dx_sum = floats({N, D}, residual), dgain = floats({D}, Values(D, 0.0));
  backend.rms_norm(ctx, {.x = x_in, .gain = gain_in, .y = y, .rstd = rstd, .eps = 0.01});
  backend.rms_norm_backward(ctx, {.x = x_in, .gain = gain_in, .rstd = rstd, .dy = dy_in, .dx = dx});
  backend.rms_norm_backward(ctx,
                            {.x = x_in, .gain = gain_in, .rstd = rstd, .dy = dy_in, .dx = dx_sum, .accumulate = true});
  backend.rms_norm_gain(ctx, {.x = x_in, .rstd = rstd, .dy = dy_in, .dgain = dgain});
  EXPECT_TRUE(gradient_matches([&](const Values& v) { return forward(v, gain); }, x, dx.get()));
  EXPECT_TRUE(
      gradient_matches([&](const Values& v) { return forward(v, gain) + inner(v, residual); }, x, dx_sum.get()));
  EXPECT_TRUE(gradient_matches([&](const Values& v) { return forward(x, v); }, gain, dgain.get()));
}

TEST_F(Gradients, RopeBackwardIsItsInverseAndItsTranspose) {
  constexpr int64_t N = 5, H = 2, D = 8, P = 20;
  Values angles;
  for (int64_t p = 0; p < P; ++p)
    for (int64_t i = 0; i < D; ++i)
      angles.push_back(i < D / 2 ? std::cos(0.3 * double(p * (i + 1))) : std::sin(0.3 * double(p * (i + 1 - D / 2))));
  const Buffer table = floats({P, D}, angles), positions = ints({N}, {0, 3, 3, 19, 7});
  for (bool interleaved : {false, true}) {
    const Values x = random(N * H * D), dy = random(N * H * D);
    const auto rotated = [&](const Values& values, bool inverse) {
      const Buffer y = floats({N, H, D}, values);
      backend.rope(ctx,
                   {.x = y, .positions = positions, .table = table, .interleaved = interleaved, .inverse = inverse});
      return y.get();
    };
    EXPECT_TRUE(all_near(rotated(rotated(x, false), true), x, {1e-14, 0}));
    EXPECT_TRUE(gradient_matches([&](const Values& v) { return inner(rotated(v, false), dy); }, x, rotated(dy, true)));
    EXPECT_FALSE(all_near(rotated(x, false), x, {0.1, 0}));
  }
}

TEST_F(Gradients, Swiglu) {
  constexpr int64_t R = 4, F = 5;
  const Values gate_up = random(R * 2 * F), weight = random(R), dy = random(R * F);
  for (bool weighted : {false, true}) {
    const auto forward = [&](const Values& x_values, const Values& w_values) {
      const Buffer w = floats({R}, w_values), y(ctx, DType::f64, {R, F});
      backend.swiglu(ctx, {.gate_up = floats({R, 2 * F}, x_values), .y = y, .row_weight = weighted ? w : Operand{}});
      return inner(y.get(), dy);
    };
    const Buffer w = floats({R}, weight), dx(ctx, DType::f64, {R, 2 * F}), dw(ctx, DType::f64, {R});
    backend.swiglu_backward(ctx, {.gate_up = floats({R, 2 * F}, gate_up),
                                  .row_weight = weighted ? w : Operand{},
                                  .dy = floats({R, F}, dy),
                                  .d_gate_up = dx,
                                  .d_row_weight = dw});
    EXPECT_TRUE(gradient_matches([&](const Values& v) { return forward(v, weight); }, gate_up, dx.get()));
    if (weighted) {
      EXPECT_TRUE(gradient_matches([&](const Values& v) { return forward(gate_up, v); }, weight, dw.get()));
    }
  }
}

TEST_F(Gradients, Attention) {
  struct Case {
    const char* name;
    int64_t H, Hkv, dk, dr, dv;
    Indices offsets, first;
  };
  const Case cases[] = {
      {"one head", 1, 1, 3, 0, 2, {0, 5}, {}},
      {"GQA, several sequences", 4, 2, 3, 0, 3, {0, 4, 5, 5, 9}, {}},
      {"MLA, several sequences", 3, 3, 4, 2, 3, {0, 3, 8}, {}},
      {"MLA with documents inside a sequence", 2, 2, 3, 2, 4, {0, 4, 10}, {0, 0, 2, 2, 4, 4, 4, 7, 7, 9}}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const int64_t N = c.offsets.back(), D = c.dk + c.dr;
    Values inputs[] = {random(N * c.H * D), random(N * c.Hkv * c.dk), random(N * c.dr),
                       random(N * c.Hkv * c.dv)};  // q, k, k_rope, v
    const Values dout = random(N * c.H * c.dv);
    const auto run = [&](const Values(&in)[4], auto use) {
      const Buffer q = floats({N, c.H, D}, in[0]), k = floats({N, c.Hkv, c.dk}, in[1]),
                   k_rope = floats({N, c.dr}, in[2]), v = floats({N, c.Hkv, c.dv}, in[3]);
      const Buffer out(ctx, DType::f64, {N, c.H, c.dv}), lse(ctx, DType::f64, {N, c.H}),
          first = ints({int64_t(c.first.size())}, c.first);
      const AttentionArgs args{.q = q,
                               .k = k,
                               .k_rope = c.dr ? k_rope : Operand{},
                               .v = v,
                               .out = out,
                               .lse = lse,
                               .scale = 0.7,
                               .sequence_offsets = c.offsets.data(),
                               .num_sequences = int64_t(c.offsets.size()) - 1,
                               .first_visible = c.first.empty() ? Operand{} : first,
                               .compute = DType::f64};
      backend.attention(ctx, args);
      return use(args, out);
    };
    Values gradients[4];
    run(inputs, [&](const AttentionArgs& args, const Buffer&) {
      const Buffer dq(ctx, DType::f64, {N, c.H, D}), dk(ctx, DType::f64, {N, c.Hkv, c.dk}),
          dk_rope(ctx, DType::f64, {N, c.dr}), dv(ctx, DType::f64, {N, c.Hkv, c.dv});
      backend.attention_backward(ctx, {.forward = args,
                                       .dout = floats({N, c.H, c.dv}, dout),
                                       .dq = dq,
                                       .dk = dk,
                                       .dk_rope = c.dr ? dk_rope : Operand{},
                                       .dv = dv});
      gradients[0] = dq.get(), gradients[1] = dk.get(), gradients[2] = dk_rope.get(), gradients[3] = dv.get();
      if (!c.dr) gradients[2].clear();
      return 0.0;
    });
    for (size_t which = 0; which < 4; ++which) {
      const auto loss = [&](const Values& v) {
        Values moved[4] = {inputs[0], inputs[1], inputs[2], inputs[3]};
        moved[which] = v;
        return run(moved, [&](const AttentionArgs&, const Buffer& out) { return inner(out.get(), dout); });
      };
      EXPECT_TRUE(gradient_matches(loss, inputs[which], gradients[which])) << "input " << which;
    }
  }
}

TEST_F(Gradients, Route) {  // the chosen experts are held (replay): top-k itself has no gradient
  constexpr int64_t N = 5, E = 8, K = 3;
  const Values logits = random(N * E), bias = random(E, 0.1), dw = random(N * K), ds = random(N * E);
  for (AffinityFunc affinity_func : {AffinityFunc::softmax, AffinityFunc::sigmoid})
    for (GroupAffinity group_affinity : {GroupAffinity::none, GroupAffinity::max, GroupAffinity::top2_sum})
      for (bool normalise : {false, true})
        for (bool with_affinity : {false, true}) {
          const Buffer expert(ctx, DType::i32, {N, K}), affinity(ctx, DType::f64, {N, E}),
              weight(ctx, DType::f64, {N, K}), bias_in = floats({E}, bias);
          RouteArgs args{.bias = bias_in,
                         .affinity = affinity,
                         .expert = expert,
                         .weight = weight,
                         .affinity_func = affinity_func,
                         .group_affinity = group_affinity,
                         .num_groups = 4,
                         .top_groups = 2,
                         .normalise = normalise,
                         .scale = 2.5};
          const auto forward = [&](const Values& v) {
            const Buffer in = floats({N, E}, v);
            args.logits = in;
            backend.route(ctx, args);
            return inner(weight.get(), dw) + (with_affinity ? inner(affinity.get(), ds) : 0);
          };
          forward(logits);
          const Buffer d_logits(ctx, DType::f64, {N, E}), dw_in = floats({N, K}, dw), ds_in = floats({N, E}, ds);
          backend.route_backward(ctx, {.forward = args,
                                       .d_weight = dw_in,
                                       .d_affinity = with_affinity ? ds_in : Operand{},
                                       .d_logits = d_logits});
          args.replay = true;
          EXPECT_TRUE(gradient_matches(forward, logits, d_logits.get()))
              << int(affinity_func) << int(group_affinity) << normalise << with_affinity;
        }
}

TEST_F(Gradients, Balance) {
  constexpr int64_t N = 7, E = 6, K = 2;
  Values affinity = random(N * E);
  for (double& s : affinity) s = 1 / (1 + std::exp(-s));
  const Indices offsets{0, 3, 7};
  const Buffer expert = ints({N, K}, {0, 1, 1, 2, 5, 0, 0, 3, 0, 1, 4, 2, 0, 1});
  for (bool normalise : {false, true})
    for (bool unbiased : {false, true})
      for (int which : {0, 1, 2, 3}) {
        const int64_t sequences = which % 2 + 1;
        const Buffer valid = ints({N}, which / 2 ? Indices{1, 1, 0, 1, 1, 1, 0} : Indices(N, 1));
        const Indices whole{0, N};
        const Buffer d_affinity = floats({N, E}, Values(N * E, 0.0));
        BalanceArgs args{.expert = expert,
                         .valid = valid,
                         .sequence_offsets = sequences == 1 ? whole.data() : offsets.data(),
                         .num_sequences = sequences,
                         .terms = {.alpha_expert = 0.3,
                                   .alpha_device = 0.5,
                                   .alpha_comm = 0.2,
                                   .num_devices = 3,
                                   .top_devices = 2,
                                   .normalise_affinity = normalise,
                                   .count_unbiased = unbiased},
                         .grad_scale = 4};
        const auto loss = [&](const Values& v, const Operand& gradient) {
          const Buffer in = floats({N, E}, v), value = floats({1}, {0.0});
          args.affinity = in, args.loss = value, args.d_affinity = gradient;
          backend.balance(ctx, args);
          return value.get()[0];
        };
        loss(affinity, d_affinity);
        Values gradient = d_affinity.get();
        EXPECT_GT(*std::max_element(gradient.begin(), gradient.end()), 0.01);
        for (double& g : gradient) g /= 4;
        EXPECT_TRUE(gradient_matches([&](const Values& v) { return loss(v, {}); }, affinity, gradient))
            << normalise << unbiased << which;
      }
}

TEST_F(Gradients, CrossEntropy) {
  constexpr int64_t N = 4, V = 7;
  const Values logits = random(N * V, 2);
  const Buffer target = ints({N}, {3, -1, 0, 6});
  const auto run = [&](const Values& v, bool gradient) {
    const Buffer in = floats({N, V}, v), loss(ctx, DType::f64, {N});
    backend.cross_entropy(ctx, {.logits = in, .target = target, .loss = loss, .gradient = gradient, .grad_scale = 0.5});
    return gradient ? in.get() : loss.get();
  };
  const auto loss = [&](const Values& v) {
    double sum = 0;
    for (double l : run(v, false)) sum += 0.5 * l;
    return sum;
  };
  EXPECT_TRUE(gradient_matches(loss, logits, run(logits, true)));
  EXPECT_EQ(run(logits, false)[1], 0);
}

TEST_F(Gradients, CrossEntropyWithWeightsAtATemperature) {
  constexpr int64_t N = 4, V = 7;
  constexpr double kTau = 1 / 0.7;
  const Values logits = random(N * V, 2), weight{0.5, 3, 0, -2};
  const Indices targets{3, -1, 0, 6};
  const Buffer target = ints({N}, targets), weights = floats({N}, weight);
  const Buffer entropy(ctx, DType::f64, {N});
  const auto run = [&](const Values& v, bool gradient) {
    const Buffer in = floats({N, V}, v), loss(ctx, DType::f64, {N});
    backend.cross_entropy(ctx, {.logits = in,
                                .target = target,
                                .loss = loss,
                                .weight = weights,
                                .entropy = entropy,
                                .inverse_temperature = kTau,
                                .gradient = gradient,
                                .grad_scale = 0.5});
    return gradient ? in.get() : loss.get();
  };
  const auto weighted = [&](const Values& v) {
    const Values loss = run(v, false);
    double sum = 0;
    for (size_t i = 0; i < loss.size(); ++i) sum += 0.5 * weight[i] * loss[i];
    return sum;
  };
  EXPECT_TRUE(gradient_matches(weighted, logits, run(logits, true)));
  const Values loss = run(logits, false);
  for (int64_t n = 0; n < N; ++n) {
    double sum = 0, expected = 0;
    for (int64_t v = 0; v < V; ++v) sum += std::exp(logits[size_t(n * V + v)] * kTau);
    for (int64_t v = 0; v < V; ++v) {
      const double p = std::exp(logits[size_t(n * V + v)] * kTau) / sum;
      expected -= p * std::log(p);
      if (v == targets[size_t(n)]) {
        EXPECT_NEAR(loss[size_t(n)], -std::log(p), 1e-12);
      }
    }
    EXPECT_NEAR(entropy.get()[size_t(n)], n == 1 ? 0 : expected, 1e-12);
  }
}

TEST_F(Gradients, EmbeddingAndBias) {  // scatter_add is the transpose of gather, combine of gather with a divisor,
                                       // bias_grad of add_bias
  constexpr int64_t V = 5, N = 6, D = 3;
  const Values table = random(V * D), dy = random(N * D), bias = random(D);
  const Buffer index = ints({N}, {4, 0, -1, 4, 2, 4});
  const auto gathered = [&](const Values& v) {
    const Buffer out(ctx, DType::f64, {N, D});
    backend.gather(ctx, {.src = floats({V, D}, v), .index = index, .dst = out});
    return inner(out.get(), dy);
  };
  const Buffer dtable = floats({V, D}, Values(V * D, 0.0)), dbias = floats({D}, Values(D, 0.0)),
               dy_in = floats({N, D}, dy);
  backend.scatter_add(ctx, {.src = dy_in, .index = index, .dst = dtable});
  EXPECT_TRUE(gradient_matches(gathered, table, dtable.get()));

  backend.bias_grad(ctx, {.dy = dy_in, .dbias = dbias});
  const auto biased = [&](const Values& v) {
    const Buffer y = floats({N, D}, Values(N * D, 0.25));
    backend.add_bias(ctx, {.y = y, .bias = floats({D}, v)});
    return inner(y.get(), dy);
  };
  EXPECT_TRUE(gradient_matches(biased, bias, dbias.get()));

  const Buffer expert = ints({3, 2}, {1, 0, -1, 1, 0, 1}), offsets(ctx, DType::i32, {3}),
               row_of_slot(ctx, DType::i32, {6}), slot_of_row = ints({6}, Indices(6, -1));
  backend.permute_plan(ctx,
                       {.expert = expert, .offsets = offsets, .row_of_slot = row_of_slot, .slot_of_row = slot_of_row});
  const Values rows = random(6 * D), d_tokens = random(3 * D);
  const auto combined = [&](const Values& v) {
    const Buffer out(ctx, DType::f64, {3, D});
    backend.combine(ctx, {.src = floats({6, D}, v), .row_of_slot = row_of_slot, .dst = out});
    return inner(out.get(), d_tokens);
  };
  const Buffer d_rows(ctx, DType::f64, {6, D});
  backend.gather(ctx, {.src = floats({3, D}, d_tokens), .index = slot_of_row, .dst = d_rows, .divisor = 2});
  EXPECT_TRUE(gradient_matches(combined, rows, d_rows.get()));
}

}  // namespace
}  // namespace minke::test
