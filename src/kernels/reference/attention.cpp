// Causal attention with the scores of one query row held whole: scores, softmax, weighted sum (V2 report eq. 44–46 for
// MLA with its shared rotary key; V2 App. C for absorbed MLA, which is cached_attention over the latent).
//
// compute = bf16 rounds the factors of every product: q, k, k_rope, v and dout, the probabilities p = exp(s − max) in
// p·v, P = exp(s − lse) in Pᵀ·dout, and dS = P·(dP − Σ dout·out) in dS·k and dSᵀ·q. Scores, Σp, lse, dP and all sums
// stay in the scalar, and 1/Σp and scale are applied after the sums.
#include <cmath>

#include "kernels/reference/access.h"

namespace minke::reference {
namespace {

// Softmax without its division; returns max and sum.
template <class S> std::pair<S, S> exponentials(std::vector<S>& s) {
  S max = s[0], sum = 0;
  for (S x : s) max = std::max(max, x);
  for (S& x : s) sum += x = std::exp(x - max);
  return {max, sum};
}

// All the rows of one operand [N,H,D], rounded.
template <class S> struct Heads {
  int64_t heads = 0, width = 0;
  std::vector<S> values;
  Heads(const Operand& o, DType compute) : heads(o.shape[1]), width(o.shape[2]) {
    for (int64_t r = 0; r < num_rows(o); ++r)
      for (S x : load_row<S>(o, r)) values.push_back(rounded(x, compute));
  }
  // Keys (`rope` too) or values of an FP8 cache.
  Heads(const Operand& cache, const LatentRow& layout, bool rope, DType compute)
      : heads(1), width(layout.channels + (rope ? layout.rotary : 0)) {
    for (int64_t slot = 0; slot < cache.shape[0]; ++slot) {
      const std::vector<float> row = latent_and_rope(cache, slot, layout);
      for (int64_t i = 0; i < width; ++i) values.push_back(rounded(S(row[size_t(i)]), compute));
    }
  }
  const S* at(int64_t n, int64_t h) const { return values.data() + (n * heads + h) * width; }
};

struct Shape {
  int64_t N, H, Hkv, dk, dr, dv;
  std::vector<int64_t> first;  // first visible key of each token
  std::vector<int64_t> last;   // … and the last, its own
};

Shape shape_of(const AttentionArgs& a) {
  check(a.q.rank == 3 && a.k.rank == 3 && a.v.rank == 3, "attention: ranks");
  Shape s{
      a.q.shape[0], a.q.shape[1], a.k.shape[1], a.k.shape[2], a.k_rope ? a.k_rope.shape[1] : 0, a.v.shape[2], {}, {}};
  const int64_t* keys = a.key_offsets ? a.key_offsets : a.sequence_offsets;
  const int64_t num_keys = a.num_sequences ? keys[a.num_sequences] : 0;
  check(s.Hkv > 0 && s.H % s.Hkv == 0, "attention: heads");
  expect_shape(a.q, {s.N, s.H, s.dk + s.dr}, "attention: q is [N,H,dk+dr]");
  expect_shape(a.k, {num_keys, s.Hkv, s.dk}, "attention: k is [N,Hkv,dk]");
  expect_shape(a.v, {num_keys, s.Hkv, s.dv}, "attention: v is [N,Hkv,dv]");
  expect_shape(a.out, {s.N, s.H, s.dv}, "attention: out is [N,H,dv]");
  if (a.k_rope) expect_shape(a.k_rope, {num_keys, s.dr}, "attention: k_rope is [N,dr]");
  check(!a.key_offsets || !a.first_visible, "attention: first_visible goes without key_offsets");
  if (a.lse) expect_shape(a.lse, {s.N, s.H}, "attention: lse is [N,H]");
  check(a.num_sequences == 0 ? s.N == 0 : a.sequence_offsets[0] == 0 && a.sequence_offsets[a.num_sequences] == s.N,
        "attention: the sequences cover all tokens");
  for (int64_t i = 0; i < a.num_sequences; ++i) {
    const int64_t end = a.sequence_offsets[i + 1];
    check(keys[i] <= keys[i + 1] && end - a.sequence_offsets[i] <= keys[i + 1] - keys[i],
          "attention: the tokens are among the keys");
    for (int64_t t = a.sequence_offsets[i]; t < end; ++t) {
      const int64_t own = keys[i + 1] - (end - t), first = a.first_visible ? load_index(a.first_visible, t) : keys[i];
      check(keys[i] <= first && first <= own, "attention: first_visible lies in the sequence, up to the token");
      s.first.push_back(first), s.last.push_back(own);
    }
  }
  check(int64_t(s.first.size()) == s.N, "attention: sequence offsets ascend");
  return s;
}

template <class S> struct Keys {
  Heads<S> q, k;
  std::vector<S> k_rope;
  explicit Keys(const AttentionArgs& a) : q(a.q, a.compute), k(a.k, a.compute) {
    for (int64_t n = 0; a.k_rope && n < a.k_rope.shape[0]; ++n)
      for (S x : load_row<S>(a.k_rope, n)) k_rope.push_back(rounded(x, a.compute));
  }
  S score(const Shape& s, int64_t t, int64_t j, int64_t h, double scale) const {
    const S* query = q.at(t, h);
    return S(scale) *
           (dot(query, k.at(j, h / (s.H / s.Hkv)), s.dk) + dot(query + s.dk, k_rope.data() + j * s.dr, s.dr));
  }
};

template <class S> void forward(const AttentionArgs& a) {
  const Shape s = shape_of(a);
  const Keys<S> keys(a);
  const Heads<S> v(a.v, a.compute);
  for (int64_t t = 0; t < s.N; ++t)
    for (int64_t h = 0; h < s.H; ++h) {
      std::vector<S> p;
      for (int64_t j = s.first[size_t(t)]; j <= s.last[size_t(t)]; ++j) p.push_back(keys.score(s, t, j, h, a.scale));
      const auto [max, sum] = exponentials(p);
      for (int64_t d = 0; d < s.dv; ++d) {
        S out = 0;
        for (int64_t j = s.first[size_t(t)]; j <= s.last[size_t(t)]; ++j)
          out += rounded(p[size_t(j - s.first[size_t(t)])], a.compute) * v.at(j, h / (s.H / s.Hkv))[d];
        store(a.out, out / sum, t, h, d);
      }
      if (a.lse) store(a.lse, max + std::log(sum), t, h);
    }
}

// P = exp(s − lse); dP = dout·v; δ = Σ_d dout·out; dS = P(dP − δ); dq = scale Σ_j dS k, dk = scale Σ_t dS q, dv = Σ_t P
// dout.
template <class S> void backward(const AttentionBackwardArgs& args) {
  const AttentionArgs& a = args.forward;
  check(!a.key_offsets, "attention_backward: the tokens are all the keys");
  const Shape s = shape_of(a);
  check(bool(a.lse), "attention_backward: lse of the forward pass");
  const Keys<S> keys(a);
  const Heads<S> v(a.v, a.compute), dout(args.dout, a.compute), dout_exact(args.dout, DType::f64),
      out(a.out, DType::f64);
  std::vector<S> dq(keys.q.values.size()), dk(keys.k.values.size()), dk_rope(keys.k_rope.size()), dv(v.values.size());
  for (int64_t t = 0; t < s.N; ++t)
    for (int64_t h = 0; h < s.H; ++h) {
      const int64_t kv = h / (s.H / s.Hkv);
      const S lse = load<S>(a.lse, t, h), delta = dot(dout_exact.at(t, h), out.at(t, h), s.dv);
      S* dq_row = dq.data() + (t * s.H + h) * (s.dk + s.dr);
      for (int64_t j = s.first[size_t(t)]; j <= t; ++j) {
        const S p = std::exp(keys.score(s, t, j, h, a.scale) - lse);
        const S dp = dot(dout.at(t, h), v.at(j, kv), s.dv);
        const S ds = rounded(p * (dp - delta), a.compute), p_rounded = rounded(p, a.compute);
        const S *q = keys.q.at(t, h), *k = keys.k.at(j, kv), *k_rope = keys.k_rope.data() + j * s.dr;
        for (int64_t d = 0; d < s.dk; ++d) {
          dq_row[d] += ds * k[d];
          dk[size_t((j * s.Hkv + kv) * s.dk + d)] += ds * q[d];
        }
        for (int64_t d = 0; d < s.dr; ++d) {
          dq_row[s.dk + d] += ds * k_rope[d];
          dk_rope[size_t(j * s.dr + d)] += ds * q[s.dk + d];
        }
        for (int64_t d = 0; d < s.dv; ++d) dv[size_t((j * s.Hkv + kv) * s.dv + d)] += p_rounded * dout.at(t, h)[d];
      }
    }
  const auto write = [](const Operand& o, const std::vector<S>& values, S factor) {
    check(o.size() == int64_t(values.size()), "attention_backward: shapes of the gradients");
    for (size_t i = 0; i < values.size(); ++i) store_flat(o, int64_t(i), values[i] * factor);
  };
  write(args.dq, dq, S(a.scale));
  write(args.dk, dk, S(a.scale));
  write(args.dv, dv, S(1));
  if (a.k_rope) write(args.dk_rope, dk_rope, S(a.scale));
}

}  // namespace

void attention(const Context&, const AttentionArgs& args) {
  with_scalar(args.q.dtype, [&](auto scalar) { forward<decltype(scalar)>(args); });
}

void attention_backward(const Context&, const AttentionBackwardArgs& args) {
  with_scalar(args.forward.q.dtype, [&](auto scalar) { backward<decltype(scalar)>(args); });
}

void cached_attention(const Context&, const CachedAttentionArgs& args) {
  const bool fp8 = args.k.dtype == DType::u8;
  check(args.q.rank == 3 && args.k.rank == 3 && args.out.rank == 3, "cached_attention: ranks");
  const int64_t n = args.q.shape[0], H = args.q.shape[1], dk = args.q.shape[2], dv = args.out.shape[2];
  const int64_t Hkv = args.k.shape[1], slots = args.k.shape[0], sequences = args.length.shape[0];
  check(Hkv > 0 && H % Hkv == 0 && (fp8 ? Hkv == 1 && dv <= dk : args.k.shape[2] == dk), "cached_attention: heads");
  if (!fp8) expect_shape(args.v, {slots, Hkv, dv}, "cached_attention: v is [slots,Hkv,dv]");
  expect_shape(args.out, {n, H, dv}, "cached_attention: out is [N,H,dv]");
  expect_shape(args.row_offsets, {sequences + 1}, "cached_attention: row_offsets is [S+1]");
  check(args.block_table.rank == 2 && args.block_table.shape[0] == sequences,
        "cached_attention: block_table is [S,pages]");
  check(args.page > 0 && args.page % 2 == 0 && kAttentionChunk % args.page == 0, "cached_attention: page");
  check(load_index(args.row_offsets, 0) == 0 && load_index(args.row_offsets, sequences) == n,
        "cached_attention: row_offsets cover the rows");
  with_scalar(args.q.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    const LatentRow layout{dv, dk - dv};
    const auto all = [&](const Operand& o, bool rope) {
      return fp8 ? Heads<S>(args.k, layout, rope, args.compute) : Heads<S>(o, args.compute);
    };
    const Heads<S> q(args.q, args.compute), k = all(args.k, true), v = all(args.v, false);
    for (int64_t s = 0; s < sequences; ++s) {
      const int64_t begin = load_index(args.row_offsets, s), end = load_index(args.row_offsets, s + 1),
                    length = load_index(args.length, s);
      check(begin <= end && end - begin <= length && length <= args.max_length &&
                length <= args.block_table.shape[1] * args.page,
            "cached_attention: keys");
      const Operand table = args.block_table.at(0, s);
      const auto slot = [&](int64_t j) {
        const int64_t at = int64_t(load_index(table, j / args.page)) * args.page + j % args.page;
        check(0 <= at && at < slots, "cached_attention: block_table");
        return at;
      };
      for (int64_t i = begin; i < end; ++i)
        for (int64_t h = 0; h < H; ++h) {
          const int64_t visible = length - (end - i) + 1, head = h / (H / Hkv);
          std::vector<S> p;
          for (int64_t j = 0; j < visible; ++j) p.push_back(S(args.scale) * dot(q.at(i, h), k.at(slot(j), head), dk));
          const S sum = exponentials(p).second;
          for (int64_t d = 0; d < dv; ++d) {
            S out = 0;
            for (int64_t j = 0; j < visible; ++j) out += rounded(p[size_t(j)], args.compute) * v.at(slot(j), head)[d];
            store(args.out, out / sum, i, h, d);
          }
        }
    }
  });
}

}  // namespace minke::reference
