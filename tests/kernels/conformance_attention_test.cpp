// Attention against the reference. With u = 2^-24 and e the error of a score, e ≤ (dk+dr+4)·u·scale·Σ|q||k|:
//   a probability is off by a factor of at most 2e + (T + 32)u (exp of a difference below 32, sum of T terms),
//   plus 2^-8 for compute = bf16, which rounds it on both sides, each relative to its own running maximum;
//   out is off by that and (T + 4)u of Σ P|v|; a gradient by twice that (dS is a product of two such factors) and the
//   lengths of its sums, relative to the same sum with every term made positive (Envelope below).
// e is taken from the largest scale·Σ|q||k| of the operands.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/conformance.h"

namespace minke::test {
namespace {

struct AttentionCase {
  Indices lengths;  // of the sequences
  int64_t H = 1, Hkv = 1, dk = 1, dr = 0, dv = 1;
  bool limited = false;  // first_visible given
  DType dtype = DType::f32, compute = DType::f32;
  Layout layout = Layout::contiguous;

  int64_t N() const {
    int64_t n = 0;
    for (int64_t l : lengths) n += l;
    return n;
  }
  std::string label() const {
    std::string text = fmt::format("H {} Hkv {} dk {} dr {} dv {}{} {} compute {} layout {} lengths", H, Hkv, dk, dr,
                                   dv, limited ? " limited" : "", name_of(dtype), name_of(compute), int(layout));
    for (int64_t l : lengths) text += fmt::format(" {}", l);
    return text;
  }
};

struct Inputs {
  Indices offsets{0}, first;
  Values q, k, k_rope, v, dout;
  double scale = 1;

  explicit Inputs(const AttentionCase& c) {
    for (int64_t l : c.lengths) {
      for (int64_t t = 0; t < l; ++t) {
        // Documents inside the sequence: starts at 0, 5, 10 … of it.
        first.push_back(c.limited ? offsets.back() + t / 5 * 5 : offsets.back());
      }
      offsets.push_back(offsets.back() + l);
    }
    const int64_t N = c.N();
    const RngKey key{11, 0};
    q = rounded_to(c.dtype, normals(key.at(1), N * c.H * (c.dk + c.dr)));
    k = rounded_to(c.dtype, normals(key.at(2), N * c.Hkv * c.dk));
    k_rope = rounded_to(c.dtype, normals(key.at(3), N * c.dr));
    v = rounded_to(c.dtype, normals(key.at(4), N * c.Hkv * c.dv));
    dout = rounded_to(c.dtype, normals(key.at(5), N * c.H * c.dv));
    scale = 1.2 / std::sqrt(double(c.dk + c.dr));
  }
};

struct Operands {
  AttentionArgs args;
  Operands(Bed& bed, const AttentionCase& c, const Inputs& in) {
    const int64_t N = c.N();
    args.q = bed.floats(c.dtype, {N, c.H, c.dk + c.dr}, in.q, c.layout);
    args.k = bed.floats(c.dtype, {N, c.Hkv, c.dk}, in.k, c.layout);
    if (c.dr) args.k_rope = bed.floats(c.dtype, {N, c.dr}, in.k_rope, c.layout);
    args.v = bed.floats(c.dtype, {N, c.Hkv, c.dv}, in.v, c.layout);
    args.scale = in.scale;
    args.sequence_offsets = in.offsets.data();
    args.num_sequences = int64_t(c.lengths.size());
    if (c.limited) args.first_visible = bed.ints({N}, in.first);
    args.compute = c.compute;
  }
};

// The gradients with every term made positive, from P as the definition has it. Plain loops, independent of the
// kernels.
struct Envelope {
  Values out, out_exact, lse, dq, dk, dk_rope, dv;  // out: Σ P|v|
  double score_size = 0;                            // largest scale·Σ|q||k|

  Envelope(const AttentionCase& c, const Inputs& in) {
    const int64_t N = c.N(), dq_width = c.dk + c.dr, per = c.H / c.Hkv;
    out.resize(in.dout.size()), out_exact.resize(in.dout.size());
    lse.resize(size_t(N * c.H));
    dq.resize(in.q.size()), dk.resize(in.k.size()), dk_rope.resize(in.k_rope.size()), dv.resize(in.v.size());
    for (int64_t t = 0; t < N; ++t)
      for (int64_t h = 0; h < c.H; ++h) {
        const double* q = in.q.data() + (t * c.H + h) * dq_width;
        const int64_t first = in.first[size_t(t)], kv = h / per;
        Values p;
        for (int64_t j = first; j <= t; ++j) {
          double s = 0, size = 0;
          for (int64_t d = 0; d < dq_width; ++d) {
            const double k =
                d < c.dk ? in.k[size_t((j * c.Hkv + kv) * c.dk + d)] : in.k_rope[size_t(j * c.dr + d - c.dk)];
            s += in.scale * q[d] * k, size += in.scale * std::abs(q[d] * k);
          }
          p.push_back(s);
          score_size = std::max(score_size, size);
        }
        const double max = *std::max_element(p.begin(), p.end());
        double sum = 0;
        for (double s : p) sum += std::exp(s - max);
        lse[size_t(t * c.H + h)] = max + std::log(sum);
        for (double& s : p) s = std::exp(s - max) / sum;
        double delta = 0;
        for (int64_t d = 0; d < c.dv; ++d) {
          const size_t at = size_t((t * c.H + h) * c.dv + d);
          for (int64_t j = first; j <= t; ++j) {
            const double v = in.v[size_t((j * c.Hkv + kv) * c.dv + d)];
            out[at] += p[size_t(j - first)] * std::abs(v), out_exact[at] += p[size_t(j - first)] * v;
          }
          delta += std::abs(in.dout[at]) * out[at];
        }
        for (int64_t j = first; j <= t; ++j) {
          double dp = 0;
          for (int64_t d = 0; d < c.dv; ++d) {
            const size_t at = size_t((t * c.H + h) * c.dv + d), key = size_t((j * c.Hkv + kv) * c.dv + d);
            dp += std::abs(in.dout[at] * in.v[key]);
            dv[key] += p[size_t(j - first)] * std::abs(in.dout[at]);
          }
          const double ds = in.scale * p[size_t(j - first)] * (dp + delta);
          for (int64_t d = 0; d < dq_width; ++d) {
            const bool rope = d >= c.dk;
            const size_t key = rope ? size_t(j * c.dr + d - c.dk) : size_t((j * c.Hkv + kv) * c.dk + d);
            dq[size_t((t * c.H + h) * dq_width + d)] += ds * std::abs(rope ? in.k_rope[key] : in.k[key]);
            (rope ? dk_rope : dk)[key] += ds * std::abs(q[d]);
          }
        }
      }
  }
};

struct Bounds {
  double probability, out, gradient, lse;
  Bounds(const AttentionCase& c, double score_size) {
    const double T = double(c.N()), e = double(c.dk + c.dr + 4) * kU32 * score_size;
    probability = 2 * e + (T + 32) * kU32 + (c.compute == DType::bf16 ? 0x1p-8 : 0);
    out = probability + (T + 4) * kU32;
    gradient = 2 * probability + (T * double(c.H) + double(c.dv) + 8) * kU32 + (c.compute == DType::bf16 ? 0x1p-8 : 0);
    lse = e + (T + 8) * kU32;
  }
};

void check_forward(Bed& bed, const AttentionCase& c, const Inputs& in, const Envelope& envelope) {
  const Bounds bounds(c, envelope.score_size);
  Operands o(bed, c, in);
  o.args.out = bed.unset(c.dtype, {c.N(), c.H, c.dv}, c.layout);
  o.args.lse = bed.unset(DType::f32, {c.N(), c.H});
  bed.backend.attention(bed.ctx, o.args);
  bed.expect_near("out", o.args.out, {0, bounds.out}, envelope.out);
  bed.expect_near("lse", o.args.lse, {bounds.lse, 2 * kU32});
}

void check_backward(Bed& bed, const AttentionCase& c, const Inputs& in, const Envelope& envelope) {
  const Bounds bounds(c, envelope.score_size);
  Operands o(bed, c, in);
  o.args.out = bed.floats(c.dtype, {c.N(), c.H, c.dv}, envelope.out_exact, c.layout);
  o.args.lse = bed.floats(DType::f32, {c.N(), c.H}, envelope.lse);
  AttentionBackwardArgs b{.forward = o.args, .dout = bed.floats(c.dtype, {c.N(), c.H, c.dv}, in.dout, c.layout)};
  b.dq = bed.unset(c.dtype, {c.N(), c.H, c.dk + c.dr}, c.layout);
  b.dk = bed.unset(c.dtype, {c.N(), c.Hkv, c.dk}, c.layout);
  if (c.dr) b.dk_rope = bed.unset(c.dtype, {c.N(), c.dr}, c.layout);
  b.dv = bed.unset(c.dtype, {c.N(), c.Hkv, c.dv}, c.layout);
  bed.backend.attention_backward(bed.ctx, b);
  bed.expect_near("dq", b.dq, {0, bounds.gradient}, envelope.dq);
  bed.expect_near("dk", b.dk, {0, bounds.gradient}, envelope.dk);
  if (c.dr) bed.expect_near("dk_rope", b.dk_rope, {0, bounds.gradient}, envelope.dk_rope);
  bed.expect_near("dv", b.dv, {0, bounds.gradient}, envelope.dv);
}

std::vector<AttentionCase> cases() {
  std::vector<AttentionCase> result;
  const AttentionCase shapes[] = {
      {.lengths = {}},
      {.lengths = {1}, .dk = 4, .dv = 4},
      {.lengths = {7, 1, 12}, .H = 2, .Hkv = 2, .dk = 8, .dv = 8},
      {.lengths = {33}, .H = 4, .Hkv = 2, .dk = 16, .dv = 16},
      {.lengths = {31, 32}, .H = 3, .Hkv = 1, .dk = 32, .dv = 24},
      {.lengths = {65, 64, 63}, .H = 2, .Hkv = 1, .dk = 17, .dv = 15},
      {.lengths = {20, 45}, .H = 3, .Hkv = 3, .dk = 16, .dr = 8, .dv = 16},  // MLA
      {.lengths = {129}, .H = 2, .Hkv = 2, .dk = 32, .dr = 16, .dv = 32},
      {.lengths = {5, 0, 130}, .H = 2, .Hkv = 2, .dk = 9, .dr = 6, .dv = 11},
      {.lengths = {257}, .H = 1, .Hkv = 1, .dk = 64, .dr = 32, .dv = 64},
  };
  for (AttentionCase c : shapes)
    for (bool limited : {false, true})
      for (DType compute : {DType::f32, DType::bf16})
        for (DType dtype : {DType::f32, DType::bf16})
          for (Layout layout : {Layout::contiguous, Layout::padded}) {
            c.limited = limited, c.compute = compute, c.dtype = dtype, c.layout = layout;
            result.push_back(c);
          }
  return result;
}

TEST_P(KernelConformance, Attention) {
  for (const AttentionCase& c : cases()) {
    const Inputs in(c);
    const Envelope envelope(c, in);
    compare(c.label(), [&](Bed& bed) { check_forward(bed, c, in, envelope); });
  }
}

TEST_P(KernelConformance, AttentionBackward) {
  for (const AttentionCase& c : cases()) {
    const Inputs in(c);
    const Envelope envelope(c, in);
    compare(c.label(), [&](Bed& bed) { check_backward(bed, c, in, envelope); });
  }
}

// Scores far above and below the others must not overflow: softmax is of the differences.
TEST_P(KernelConformance, AttentionWithLargeScores) {
  const AttentionCase c{.lengths = {40}, .H = 2, .Hkv = 1, .dk = 8, .dv = 8};
  Inputs in(c);
  in.scale = 40;
  const Envelope envelope(c, in);
  compare(c.label(), [&](Bed& bed) { check_forward(bed, c, in, envelope); });
}

// Sequences with so many rows and keys in a pool of pages that lie in no order.
struct Paged {
  struct Sequence {
    int64_t rows, keys;
  };
  std::vector<Sequence> sequences;
  int64_t page = 16;

  int64_t rows() const {
    int64_t n = 0;
    for (const Sequence& s : sequences) n += s.rows;
    return n;
  }
  int64_t longest() const {
    int64_t n = 0;
    for (const Sequence& s : sequences) n = std::max(n, s.keys);
    return n;
  }
  int64_t width() const { return (longest() + page - 1) / page + 1; }  // of the block table: one page more than is used
  int64_t num_pages() const { return width() * int64_t(sequences.size()) + 1; }
  int64_t slots() const { return num_pages() * page; }
  int64_t page_at(int64_t sequence, int64_t i) const {
    return num_pages() - 1 - (i * int64_t(sequences.size()) + sequence);
  }
  int64_t slot(int64_t sequence, int64_t key) const { return page_at(sequence, key / page) * page + key % page; }

  void add_to(CachedAttentionArgs& args, Bed& bed) const {
    Indices offsets{0}, lengths, table;
    for (size_t s = 0; s < sequences.size(); ++s) {
      offsets.push_back(offsets.back() + sequences[s].rows);
      lengths.push_back(sequences[s].keys);
      for (int64_t i = 0; i < width(); ++i)  // what is beyond the keys is never looked at
        table.push_back(i * page < sequences[s].keys ? page_at(int64_t(s), i) : -1);
    }
    const int64_t n = int64_t(sequences.size());
    args.row_offsets = bed.ints({n + 1}, offsets);
    args.length = bed.ints({n}, lengths);
    args.block_table = bed.ints({n, width()}, table);
    args.page = page;
    args.max_length = longest();
  }
};

TEST_P(KernelConformance, CachedAttention) {
  struct Cached {
    Paged paged;
    int64_t H, Hkv, dk, dv;
    bool latent;  // v is the first columns of k (absorbed MLA)
  };
  const Cached shapes[] = {{{{{1, 1}}}, 1, 1, 4, 4, false},
                           {{{{1, 1}}, 64}, 2, 1, 16, 16, false},
                           {{{{1, 64}}, 2}, 4, 2, 16, 16, false},
                           {{{{3, 33}}}, 2, 2, 17, 15, false},
                           {{{{5, 5}}, 32}, 2, 1, 8, 8, false},
                           {{{{1, 300}}, 128}, 8, 1, 40, 32, true},
                           {{{{4, 130}}, 64}, 16, 1, 72, 64, true},
                           {{{{2, 65}}, 8}, 5, 1, 24, 16, true},
                           {{{{0, 10}}}, 2, 1, 8, 8, false},
                           {{{}}, 2, 1, 8, 8, false},
                           {{{{1, 40}, {0, 3}, {1, 1}, {5, 161}, {2, 32}}}, 4, 2, 20, 12, false},
                           {{{{1, 129}, {1, 1}, {7, 70}, {1, 128}}, 32}, 9, 1, 24, 16, true}};
  for (const Cached& s : shapes)
    for (DType dtype : {DType::f32, DType::bf16})
      for (DType compute : {DType::f32, DType::bf16})
        compare(
            fmt::format("{} sequences {} rows, longest {}, page {} H {} Hkv {} dk {} dv {} {} compute {}",
                        s.paged.sequences.size(), s.paged.rows(), s.paged.longest(), s.paged.page, s.H, s.Hkv, s.dk,
                        s.dv, name_of(dtype), name_of(compute)),
            [&](Bed& bed) {
              const int64_t n = s.paged.rows(), slots = s.paged.slots();
              const double scale = 1.2 / std::sqrt(double(s.dk));
              const Values q = rounded_to(dtype, bed.random({n, s.H, s.dk})),
                           k = rounded_to(dtype, bed.random({slots, s.Hkv, s.dk}));
              const Values own_v = rounded_to(dtype, bed.random({slots, s.Hkv, s.dv}));
              CachedAttentionArgs args{.q = bed.floats(dtype, {n, s.H, s.dk}, q),
                                       .k = bed.floats(dtype, {slots, s.Hkv, s.dk}, k),
                                       .scale = scale,
                                       .compute = compute};
              args.v = s.latent ? args.k.slice(2, 0, s.dv) : bed.floats(dtype, {slots, s.Hkv, s.dv}, own_v);
              args.out = bed.unset(dtype, {n, s.H, s.dv});
              s.paged.add_to(args, bed);
              bed.backend.cached_attention(bed.ctx, args);
              double largest = 0;
              for (const Values* values : {&q, &k})
                for (double x : *values) largest = std::max(largest, std::abs(x));
              // Σ|q||k| ≤ dk·largest², and with thousands of normals a row is nowhere near half of that.
              const AttentionCase c{.lengths = {s.paged.longest()}, .dk = s.dk, .dv = s.dv, .compute = compute};
              Values v_size = absolute(own_v);
              if (s.latent) {
                v_size.clear();
                for (int64_t r = 0; r < slots * s.Hkv; ++r)
                  for (int64_t d = 0; d < s.dv; ++d) v_size.push_back(std::abs(k[size_t(r * s.dk + d)]));
              }
              Values size;
              if (bed.oracle) {  // Σ P|v|: the same op over |v|
                CachedAttentionArgs positive = args;
                positive.v = bed.floats(DType::f64, {slots, s.Hkv, s.dv}, v_size);
                positive.out = bed.unset(DType::f64, {n, s.H, s.dv});
                bed.backend.cached_attention(bed.ctx, positive);
                size = bed.values_of(positive.out);
              }
              bed.expect_near("out", args.out, {0, Bounds(c, scale * double(s.dk) * largest * largest / 2).out}, size);
            });
}

// Tokens after keys that came before: the rows of attention over the whole sequence, with the same bits.
TEST_P(KernelConformance, AttentionAfterAPrefix) {
  for (DType compute : {DType::f32, DType::bf16}) {
    const AttentionCase c{.lengths = {37, 300, 64}, .H = 2, .Hkv = 1, .dk = 16, .dr = 8, .dv = 16, .compute = compute};
    const Inputs in(c);
    const Values whole = run_tested([&](Bed& bed) {
      AttentionArgs args = Operands(bed, c, in).args;
      args.out = bed.unset(DType::f32, {401, 2, 16});
      bed.backend.attention(bed.ctx, args);
      bed.expect_equal("out", args.out);
    });
    // Of each sequence the tokens from … to, with the keys up to there.
    const auto part = [&](const std::vector<std::array<int64_t, 2>>& ranges) {
      Values expected;
      const Values got = run_tested([&](Bed& bed) {
        AttentionArgs args = Operands(bed, c, in).args;
        const Operand q = args.q, k = args.k, k_rope = args.k_rope, v = args.v;
        Indices queries{0}, keys{0};
        for (const auto& r : ranges)
          queries.push_back(queries.back() + r[1] - r[0]), keys.push_back(keys.back() + r[1]);
        args.q = bed.unset(DType::f32, {queries.back(), 2, 24});
        args.k = bed.unset(DType::f32, {keys.back(), 1, 16});
        args.k_rope = bed.unset(DType::f32, {keys.back(), 8});
        args.v = bed.unset(DType::f32, {keys.back(), 1, 16});
        args.out = bed.unset(DType::f32, {queries.back(), 2, 16});
        for (size_t i = 0; i < ranges.size(); ++i) {
          const int64_t t = in.offsets[i], begin = t + ranges[i][0], end = t + ranges[i][1];
          bed.backend.copy(bed.ctx,
                           {.src = q.slice(0, begin, end), .dst = args.q.slice(0, queries[i], queries[i + 1])});
          for (const auto& [from, to] : {std::pair{k, args.k}, {k_rope, args.k_rope}, {v, args.v}})
            bed.backend.copy(bed.ctx, {.src = from.slice(0, t, end), .dst = to.slice(0, keys[i], keys[i + 1])});
        }
        args.sequence_offsets = queries.data();
        args.key_offsets = keys.data();
        args.num_sequences = int64_t(ranges.size());
        args.lse = {};
        bed.backend.attention(bed.ctx, args);
        bed.expect_equal("out", args.out);
      });
      for (size_t i = 0; i < ranges.size(); ++i)
        expected.insert(expected.end(), whole.begin() + (in.offsets[i] + ranges[i][0]) * 32,
                        whole.begin() + (in.offsets[i] + ranges[i][1]) * 32);
      EXPECT_TRUE(all_identical(got, expected)) << name_of(compute);
    };
    part({{0, 37}, {0, 300}, {0, 64}});
    part({{36, 37}, {299, 300}, {0, 1}});
    part({{5, 30}, {127, 130}, {60, 64}});
    part({{0, 0}, {128, 256}, {1, 2}});
    part({{17, 18}, {61, 200}});
  }
}

TEST_P(KernelConformance, AttentionAfterAPrefixIsTheReferences) {
  const AttentionCase c{.lengths = {50}, .H = 2, .Hkv = 2, .dk = 12, .dv = 10, .compute = DType::f32};
  const Inputs in(c);
  const Envelope envelope(c, in);
  compare("10 tokens after 40", [&](Bed& bed) {
    AttentionArgs args = Operands(bed, c, in).args;
    const Indices queries{0, 10}, keys{0, 50};
    args.q = args.q.slice(0, 40, 50);
    args.out = bed.unset(DType::f32, {10, 2, 10});
    args.lse = {};
    args.sequence_offsets = queries.data();
    args.key_offsets = keys.data();
    bed.backend.attention(bed.ctx, args);
    bed.expect_near("out", args.out, {1e-5, 0});  // weighted means of values of size 1, sums of 50 in f32
  });
}

// ---- the reduction rule
// ----------------------------------------------------------------------------------------------

TEST_P(KernelConformance, ReductionRuleOfAttention) {  // a sequence has the same bits alone and among others
  for (DType compute : {DType::f32, DType::bf16}) {
    const AttentionCase together{
        .lengths = {37, 70, 9}, .H = 2, .Hkv = 2, .dk = 16, .dr = 8, .dv = 16, .compute = compute};
    const Inputs in(together);
    const auto run = [&](int64_t begin, int64_t end, const Indices& offsets, int threads) {
      return run_tested(
          [&](Bed& bed) {
            AttentionArgs args = Operands(bed, together, in).args;
            for (Operand* o : {&args.q, &args.k, &args.k_rope, &args.v}) *o = o->slice(0, begin, end);
            args.out = bed.unset(DType::f32, {end - begin, 2, 16});
            args.sequence_offsets = offsets.data();
            args.num_sequences = int64_t(offsets.size()) - 1;
            bed.backend.attention(bed.ctx, args);
            bed.expect_equal("out", args.out);
          },
          threads);
    };
    const Values whole = run(0, 116, in.offsets, 1);
    const auto rows = [&](int64_t begin, int64_t end) {
      return Values(whole.begin() + begin * 32, whole.begin() + end * 32);
    };
    for (int threads : {1, 3}) {
      EXPECT_TRUE(all_identical(run(0, 116, in.offsets, threads), whole)) << name_of(compute) << " threads " << threads;
      EXPECT_TRUE(all_identical(run(37, 107, {0, 70}, threads), rows(37, 107))) << name_of(compute) << " alone";
      EXPECT_TRUE(all_identical(run(37, 60, {0, 23}, threads), rows(37, 60))) << name_of(compute) << " a shorter one";
      EXPECT_TRUE(all_identical(run(37, 116, {0, 70, 79}, threads), rows(37, 116)))
          << name_of(compute) << " two of them";
    }
  }
}

// A query has the same bits whatever others come with it, whichever pages its keys are in and however large they are.
TEST_P(KernelConformance, ReductionRuleOfCachedAttention) {
  constexpr int64_t T = 300, H = 4, dk = 40, dv = 32;
  const Values q = normals(RngKey{21, 0}, T * H * dk), k = normals(RngKey{22, 0}, T * dk);
  for (DType compute : {DType::f32, DType::bf16}) {
    // Queries from … to of the sequence, each against the keys up to itself.
    const auto run = [&](const std::vector<std::array<int64_t, 2>>& ranges, int64_t page, int threads) {
      return run_tested(
          [&](Bed& bed) {
            Paged paged{{}, page};
            Values rows, pool;
            for (const auto& r : ranges) {
              paged.sequences.push_back({r[1] - r[0], r[1]});
              rows.insert(rows.end(), q.begin() + r[0] * H * dk, q.begin() + r[1] * H * dk);
            }
            pool.resize(size_t(paged.slots() * dk), 7);
            for (size_t s = 0; s < ranges.size(); ++s)
              for (int64_t j = 0; j < ranges[s][1]; ++j)
                std::copy_n(k.begin() + j * dk, dk, pool.begin() + paged.slot(int64_t(s), j) * dk);
            const Operand cache = bed.floats(compute, {paged.slots(), 1, dk}, pool),
                          out = bed.unset(DType::f32, {paged.rows(), H, dv});
            CachedAttentionArgs args{.q = bed.floats(DType::f32, {paged.rows(), H, dk}, rows),
                                     .k = cache,
                                     .v = cache.slice(2, 0, dv),
                                     .out = out,
                                     .scale = 0.2,
                                     .compute = compute};
            paged.add_to(args, bed);
            bed.backend.cached_attention(bed.ctx, args);
            bed.expect_equal("out", out);
          },
          threads);
    };
    const Values whole = run({{0, T}}, 128, 1);
    const std::vector<std::vector<std::array<int64_t, 2>>> cuts{{{0, T}},
                                                                {{0, 1}},
                                                                {{T - 1, T}},
                                                                {{63, 64}, {63, 64}},
                                                                {{64, 65}},
                                                                {{60, 68}},
                                                                {{10, 90}},
                                                                {{97, 99}},
                                                                {{0, 1}, {128, 131}, {299, 300}, {5, 70}}};
    for (const int threads : {1, 3})
      for (const int64_t page : {2, 16, 64, 128})
        for (const auto& ranges : cuts) {
          Values expected;
          for (const auto& r : ranges)
            expected.insert(expected.end(), whole.begin() + r[0] * H * dv, whole.begin() + r[1] * H * dv);
          EXPECT_TRUE(all_identical(run(ranges, page, threads), expected))
              << name_of(compute) << " from " << ranges[0][0] << " page " << page << " threads " << threads;
        }
  }
}

}  // namespace
}  // namespace minke::test
