// Attention: forward and backward at the presets' MLA and at SmolLM2-135M's GQA, and absorbed over caches of latents.
#include <fmt/core.h>

#include <numeric>

#include "bench/suite.h"
#include "core/latent_row.h"

namespace minke {
namespace {

struct Shape {
  const char* name;
  int64_t batch, length, heads, kv_heads, dk, dr, dv;
};

void training(Suite& suite, DType compute, const Shape& s) {
  const std::string shape = fmt::format("{} {} {}x{} heads={}/{} {}/{}", name_of(compute), s.name, s.batch, s.length,
                                        s.heads, s.kv_heads, s.dk + s.dr, s.dv),
                    forward_name = shape + " forward", backward_name = shape + " backward";
  if (!suite.wants({forward_name, backward_name})) return;
  const Context& ctx = suite.ctx();
  const int64_t n = s.batch * s.length;
  Operands o(ctx);
  std::vector<int64_t> offsets;
  for (int64_t i = 0; i <= s.batch; ++i) offsets.push_back(i * s.length);
  const auto rope = [&] { return s.dr > 0 ? o.random(compute, {n, s.dr}) : Operand{}; };
  const AttentionArgs forward{.q = o.random(compute, {n, s.heads, s.dk + s.dr}),
                              .k = o.random(compute, {n, s.kv_heads, s.dk}),
                              .k_rope = rope(),
                              .v = o.random(compute, {n, s.kv_heads, s.dv}),
                              .out = o.empty(compute, {n, s.heads, s.dv}),
                              .lse = o.empty(DType::f32, {n, s.heads}),
                              .scale = 0.1,
                              .sequence_offsets = offsets.data(),
                              .num_sequences = s.batch,
                              .first_visible = {},
                              .compute = compute};
  const double pairs = double(s.batch * s.heads) * double(s.length) * double(s.length + 1) / 2,
               dqk = double(s.dk + s.dr), dv = double(s.dv);
  suite.operations(forward_name, compute, 2 * (dqk + dv) * pairs, [&] { ctx.backend->attention(ctx, forward); });
  const AttentionBackwardArgs backward{.forward = forward,
                                       .dout = o.random(compute, {n, s.heads, s.dv}),
                                       .dq = o.empty(compute, {n, s.heads, s.dk + s.dr}),
                                       .dk = o.empty(compute, {n, s.kv_heads, s.dk}),
                                       .dk_rope = rope(),
                                       .dv = o.empty(compute, {n, s.kv_heads, s.dv})};
  suite.operations(backward_name, compute, 2 * (3 * dqk + 2 * dv) * pairs,
                   [&] { ctx.backend->attention_backward(ctx, backward); });
}

// One token of an answer in absorbed form: in each of `layers` layers `queries` rows of `heads` heads against their own cache.
// What it does is counted in operations and in bytes of cache: the two bounds of the same work.
struct Cached {
  int64_t keys, heads, layers = 1, queries = 1;
  bool fp8 = false;
};
void absorbed(Suite& suite, DType compute, const Cached& s) {
  constexpr int64_t kPage = 64, kLatent = 512, kRotary = 64, kWidth = kLatent + kRotary;
  const std::string name =
      fmt::format("{} absorbed {} keys heads={} {}/{} queries={} layers={}", s.fp8 ? "fp8 cache" : name_of(compute),
                  s.keys, s.heads, kWidth, kLatent, s.queries, s.layers);
  if (!suite.wants({name + " products", name + " reading"})) return;
  const Context& ctx = suite.ctx();
  Operands o(ctx);
  std::vector<Operand> caches;
  const Operand values = o.random(compute, {s.keys, kWidth});
  std::vector<int32_t> pages(size_t(s.keys / kPage)), slots(static_cast<size_t>(s.keys));
  std::iota(pages.begin(), pages.end(), 0), std::iota(slots.begin(), slots.end(), 0);
  for (int64_t l = 0; l < s.layers; ++l) {
    if (s.fp8) {
      caches.push_back(o.empty(DType::u8, {s.keys, LatentRow{kLatent, kRotary}.bytes()}));
      ctx.backend->store_latents(ctx, {.latent = values.slice(1, 0, kLatent),
                                       .rope = values.slice(1, kLatent, kWidth),
                                       .index = o.indices(slots),
                                       .cache = caches.back()});
    } else {
      caches.push_back(o.empty(compute, {s.keys, kWidth}));
      ctx.backend->copy(ctx, {.src = values, .dst = caches.back()});
    }
  }
  const Operand q = o.random(compute, {s.queries, s.heads, kWidth}),
                out = o.empty(compute, {s.queries, s.heads, kLatent}), rows = o.indices({0, int32_t(s.queries)}),
                length = o.indices({int32_t(s.keys)}), table = o.indices(pages).split(0, s.keys / kPage);
  const auto run = [&] {
    for (const Operand& cache : caches) {
      const Operand keys = cache.split(1, cache.shape[1]);
      ctx.backend->cached_attention(ctx, {.q = q,
                                          .k = keys,
                                          .v = s.fp8 ? Operand{} : keys.slice(2, 0, kLatent),
                                          .out = out,
                                          .row_offsets = rows,
                                          .length = length,
                                          .block_table = table,
                                          .page = kPage,
                                          .max_length = s.keys,
                                          .scale = 0.04,
                                          .compute = compute});
    }
  };
  const double pairs = double(s.heads) * double(s.queries) * (double(s.keys) - double(s.queries - 1) / 2);
  suite.operations(name + " products", compute, double(s.layers) * 2 * double(kWidth + kLatent) * pairs, run);
  suite.bytes(name + " reading", double(s.layers) * double(caches[0].bytes()), run);
}

}  // namespace

void attention_bench(Suite& suite) {
  for (const DType compute : {DType::bf16, DType::f32}) {
    for (const char* preset : {"v3-82m", "v3-11m"}) {
      const auto [c, batch, length] = preset_shape(preset);
      training(suite, compute,
               {preset, batch, length, c.num_attention_heads, c.num_attention_heads, c.qk_nope_head_dim,
                c.qk_rope_head_dim, c.v_head_dim});
    }
    training(suite, compute, {"gqa", 4, 1024, 9, 3, 64, 0, 64});
    absorbed(suite, compute, {.keys = 4096, .heads = 16});
  }
  // V2-Lite's and V3's heads over 32K tokens, in layers that are together larger than the caches of the machine.
  for (const int64_t heads : {16, 128}) {
    absorbed(suite, DType::bf16, {.keys = 32768, .heads = heads, .layers = 10});
    absorbed(suite, DType::bf16, {.keys = 32768, .heads = heads, .layers = 10, .fp8 = true});
  }
}

}  // namespace minke
