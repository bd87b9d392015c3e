// What the conformance suite cannot know of the cpu backend: its block sizes (k blocks of up to 384 or 768, 256 columns,
// attention chunks of 128 keys, cache segments of 1024), and its fast paths.
#include <gtest/gtest.h>

#include <cmath>
#include <initializer_list>
#include <utility>

#include "kernels/cpu/backend.h"
#include "support/compare.h"
#include "support/emulated.h"
#include "support/random.h"

namespace minke::test {
namespace {

constexpr double kU32 = 0x1p-24;

class CpuBlocks : public ::testing::TestWithParam<std::string> {
 protected:
  Backend& backend() { return tested_backend(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Isa, CpuBlocks, ::testing::ValuesIn(tested_isas()),
                         [](const auto& info) { return info.param; });

Operand pack(const TestContext& ctx, const Operand& b, DType compute, Tensor& storage) {
  const size_t bytes = ctx.backend().packed_bytes(b.shape[0], b.shape[1], compute);
  storage = Tensor(host_memory(), DType::u8, {int64_t(bytes)});
  Operand packed = b;
  packed.data = storage.operand().data, packed.dtype = compute, packed.packing = Packing::panels;
  ctx.backend().pack_weight(ctx, {.b = b, .packed = packed, .compute = compute});
  return packed;
}

// Every way to give the same product: a and b in rows, in columns, b packed; c in f32 rows, f32 columns and bf16;
// tiles for 1, 2 and 3 threads. All have the bits of the first, which is held against f64.
TEST_P(CpuBlocks, EveryPathOfAProductHasTheSameBits) {
  for (const DType compute : {DType::f32, DType::bf16})
    for (const auto& [k, n] : std::initializer_list<std::pair<int64_t, int64_t>>{
             {1, 83}, {383, 83}, {384, 83}, {385, 83}, {769, 83}, {1291, 83}, {700, 531}}) {
      const int64_t m = 37;
      const Values av = rounded_to(DType::bf16, normals(RngKey{1, uint64_t(k)}, m * k)),
                   bv = rounded_to(DType::bf16, normals(RngKey{2, 5}, k * n));
      Values expected(size_t(m * n)), scale(size_t(m * n)), first;
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j)
          for (int64_t l = 0; l < k; ++l) {
            const double p = av[size_t(i * k + l)] * bv[size_t(l * n + j)];
            expected[size_t(i * n + j)] += p, scale[size_t(i * n + j)] += std::abs(p);
          }
      for (const int threads : {1, 2, 3}) {
        TestContext ctx(backend(), threads);
        for (const DType dtype : {DType::f32, DType::bf16})
          for (const Layout layout : {Layout::contiguous, Layout::transposed}) {
            Buffer a(ctx, dtype, {m, k}, layout), b(ctx, dtype, {k, n}, layout);
            a.set(av), b.set(bv);
            Tensor storage;
            const Operand packed = pack(ctx, b, compute, storage);
            for (const Operand& right : {b.operand(), packed})
              for (const Layout out : {Layout::contiguous, Layout::transposed}) {
                Buffer c(ctx, DType::f32, {m, n}, out), c_half(ctx, DType::bf16, {m, n}, out);
                ctx.backend().gemm(ctx, {.a = a, .b = right, .c = c, .compute = compute, .offsets = {}});
                ctx.backend().gemm(ctx, {.a = a, .b = right, .c = c_half, .compute = compute, .offsets = {}});
                if (first.empty()) {
                  first = c.get();
                  // k additions, each with one rounding of a partial sum (two without FMA)
                  EXPECT_TRUE(all_near(first, expected, {0, 2 * double(k + 1) * kU32}, scale)) << k;
                }
                ASSERT_TRUE(all_identical(c.get(), first))
                    << name_of(compute) << " " << name_of(dtype) << " k " << k << " threads " << threads;
                ASSERT_TRUE(all_identical(c_half.get(), rounded_to(DType::bf16, first))) << k;
              }
          }
      }
    }
}

// A plain b is packed once for all rows of a task, which takes them in parts; a packed b is not.
TEST_P(CpuBlocks, RowsInPartsHaveTheBitsOfRowsAtOnce) {
  const int64_t k = 401, n = 277;
  TestContext ctx(backend(), 1);
  for (const DType compute : {DType::f32, DType::bf16})
    for (const int64_t m : {193, 570, 601})
      for (const Layout layout : {Layout::contiguous, Layout::transposed}) {
        Buffer a(ctx, compute, {m, k}, layout), b(ctx, DType::f32, {k, n});
        a.set(normals(RngKey{3, uint64_t(m)}, m * k)), b.set(normals(RngKey{4, 1}, k * n));
        Tensor storage;
        const Operand packed = pack(ctx, b, compute, storage);
        for (const DType out : {DType::f32, DType::bf16}) {
          Buffer parts(ctx, out, {m, n}), whole(ctx, out, {m, n});
          ctx.backend().gemm(ctx, {.a = a, .b = b, .c = parts, .compute = compute, .offsets = {}});
          ctx.backend().gemm(ctx, {.a = a, .b = packed, .c = whole, .compute = compute, .offsets = {}});
          ASSERT_TRUE(all_identical(parts.get(), whole.get()))
              << name_of(compute) << " to " << name_of(out) << " " << m;
        }
      }
}

constexpr int64_t kPage = 64;
// One sequence with one row and so many keys, in pages in their order.
struct Pages {
  Buffer offsets, length, table;
  Pages(const TestContext& ctx, int64_t keys)
      : offsets(ctx, DType::i32, {2}),
        length(ctx, DType::i32, {1}),
        table(ctx, DType::i32, {1, (keys + kPage - 1) / kPage}) {
    Values pages;
    for (int64_t i = 0; i * kPage < keys; ++i) pages.push_back(double(i));
    offsets.set(Values{0, 1}), length.set(Values{double(keys)}), table.set(pages);
  }
};

// One query against caches around the chunk and segment sizes: one thread walks the segments, several share them.
TEST_P(CpuBlocks, CachedAttentionOverSegments) {
  const int64_t heads = 3, dk = 20, dv = 12;
  for (const DType compute : {DType::f32, DType::bf16})
    for (const int64_t cached : {127, 128, 129, 1024, 1025, 2500}) {
      Values first;
      const int64_t slots = (cached + kPage - 1) / kPage * kPage;
      const Values kv = normals(RngKey{3, 1}, slots * dk), qv = normals(RngKey{3, 2}, heads * dk);
      for (const int threads : {1, 3}) {
        TestContext ctx(backend(), threads);
        Buffer q(ctx, compute, {1, heads, dk}), k(ctx, compute, {slots, 1, dk}), out(ctx, DType::f32, {1, heads, dv});
        q.set(qv), k.set(kv);
        const Pages pages(ctx, cached);
        ctx.backend().cached_attention(ctx, {.q = q,
                                             .k = k,
                                             .v = k.operand().slice(2, 0, dv),
                                             .out = out,
                                             .row_offsets = pages.offsets,
                                             .length = pages.length,
                                             .block_table = pages.table,
                                             .page = kPage,
                                             .max_length = cached,
                                             .scale = 0.3,
                                             .compute = compute});
        if (first.empty()) {
          first = out.get();
          TestContext reference;
          Buffer rq(reference, DType::f64, {1, heads, dk}), rk(reference, DType::f64, {slots, 1, dk}),
              ro(reference, DType::f64, {1, heads, dv});
          rq.set(rounded_to(compute, qv)), rk.set(rounded_to(compute, kv));
          reference_backend().cached_attention(reference, {.q = rq,
                                                           .k = rk,
                                                           .v = rk.operand().slice(2, 0, dv),
                                                           .out = ro,
                                                           .row_offsets = pages.offsets,
                                                           .length = pages.length,
                                                           .block_table = pages.table,
                                                           .page = kPage,
                                                           .max_length = cached,
                                                           .scale = 0.3,
                                                           .compute = DType::f64});
          // Weighted means of values of size 1: bf16 probabilities are off by 2^-9 each, f32 sums by far less.
          EXPECT_TRUE(all_near(first, ro.get(), {compute == DType::bf16 ? 0x1p-8 : 1e-5, 0})) << cached;
        } else {
          EXPECT_TRUE(all_identical(out.get(), first)) << cached;
        }
      }
    }
}

// Training attention at a length of several chunks and query blocks gives each token the bits it has when the sequence
// ends with it, for any number of threads.
TEST_P(CpuBlocks, AttentionOverChunks) {
  const int64_t n = 300, heads = 4, kv_heads = 2, dk = 24, dr = 8, dv = 16;
  for (const DType compute : {DType::f32, DType::bf16}) {
    Values first_dq, first_rope;
    for (const int threads : {1, 3}) {
      TestContext ctx(backend(), threads);
      Buffer q(ctx, compute, {n, heads, dk + dr}), k(ctx, compute, {n, kv_heads, dk}), k_rope(ctx, compute, {n, dr}),
          v(ctx, compute, {n, kv_heads, dv});
      Buffer out(ctx, compute, {n, heads, dv}), lse(ctx, DType::f32, {n, heads}), dout(ctx, compute, {n, heads, dv});
      Buffer dq(ctx, DType::f32, {n, heads, dk + dr}), d_k(ctx, DType::f32, {n, kv_heads, dk}),
          d_rope(ctx, DType::f32, {n, dr}), d_v(ctx, DType::f32, {n, kv_heads, dv});
      uint64_t draw = 0;
      for (Buffer* b : {&q, &k, &k_rope, &v, &dout}) b->set(normals(RngKey{4, ++draw}, b->operand().size()));
      const int64_t whole[] = {0, n};
      AttentionArgs args{.q = q,
                         .k = k,
                         .k_rope = k_rope,
                         .v = v,
                         .out = out,
                         .lse = lse,
                         .scale = 0.2,
                         .sequence_offsets = whole,
                         .num_sequences = 1,
                         .first_visible = {},
                         .compute = compute};
      ctx.backend().attention(ctx, args);
      const Values all = out.get();
      for (const int64_t part : {1, 59, 60, 61, 127, 128, 129, 299}) {
        const int64_t offsets[] = {0, part};
        Buffer short_out(ctx, compute, {part, heads, dv});
        const auto head = [&](const Buffer& b) { return b.operand().slice(0, 0, part); };
        ctx.backend().attention(ctx, {.q = head(q),
                                      .k = head(k),
                                      .k_rope = head(k_rope),
                                      .v = head(v),
                                      .out = short_out,
                                      .lse = {},
                                      .scale = 0.2,
                                      .sequence_offsets = offsets,
                                      .num_sequences = 1,
                                      .first_visible = {},
                                      .compute = compute});
        EXPECT_TRUE(all_identical(short_out.get(), std::span(all).first(size_t(part * heads * dv)))) << part;
      }
      ctx.backend().attention_backward(
          ctx, {.forward = args, .dout = dout, .dq = dq, .dk = d_k, .dk_rope = d_rope, .dv = d_v});
      if (first_dq.empty()) first_dq = dq.get(), first_rope = d_rope.get();
      EXPECT_TRUE(all_identical(dq.get(), first_dq));
      EXPECT_TRUE(all_identical(d_rope.get(), first_rope));
    }
  }
}

// exp through silu(z) = z/(1 + e^-z) in f32 over the whole range, and its ends.
TEST_P(CpuBlocks, ExpIsAccurate) {
  TestContext ctx(backend());
  const int64_t n = 40001;
  Buffer gate_up(ctx, DType::f32, {1, 2 * n}), y(ctx, DType::f32, {1, n});
  Values in(size_t(2 * n), 1), expected(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    in[size_t(i)] = rounded_to(DType::f32, -100 + 200 * double(i) / double(n - 1));
    expected[size_t(i)] = in[size_t(i)] / (1 + std::exp(-in[size_t(i)]));
  }
  gate_up.set(in);
  ctx.backend().swiglu(ctx, {.gate_up = gate_up, .y = y, .row_weight = {}, .num_rows = {}});
  // e^z within 2 units in the last place, then a sum, a quotient and a product: 5 roundings. Below z = -87 the result
  // is e^z·z with e^-z overflowing to inf at z < -88.7: there 0 is right to 1e-36.
  EXPECT_TRUE(all_near(y.get(), expected, {1e-36, 6 * kU32}));
}

}  // namespace
}  // namespace minke::test
