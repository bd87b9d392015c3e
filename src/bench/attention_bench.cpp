// Attention: forward and backward at the presets' MLA and at SmolLM2-135M's GQA, and one query over V2-Lite's latent
// cache.
#include <fmt/core.h>

#include <numeric>

#include "bench/suite.h"

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

void decoding(Suite& suite, DType compute, int64_t cached, int64_t heads, int64_t latent, int64_t dr) {
  const Context& ctx = suite.ctx();
  Operands o(ctx);
  const Operand cache = o.random(compute, {cached, 1, latent + dr}), q = o.random(compute, {1, heads, latent + dr}),
                out = o.empty(compute, {1, heads, latent});
  constexpr int64_t kPage = 64;
  std::vector<int32_t> pages(size_t(cached / kPage));
  std::iota(pages.begin(), pages.end(), 0);
  const Operand rows = o.indices({0, 1}), length = o.indices({int32_t(cached)}),
                table = o.indices(pages).split(0, cached / kPage);
  suite.bytes(
      fmt::format("{} latent cache {} keys heads={} {}/{}", name_of(compute), cached, heads, latent + dr, latent),
      double(cache.bytes()), [&] {
        ctx.backend->cached_attention(ctx, {.q = q,
                                            .k = cache,
                                            .v = cache.slice(2, 0, latent),
                                            .out = out,
                                            .row_offsets = rows,
                                            .length = length,
                                            .block_table = table,
                                            .page = kPage,
                                            .max_length = cached,
                                            .scale = 0.1,
                                            .compute = compute});
      });
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
    decoding(suite, compute, 4096, 16, 512, 64);
  }
}

}  // namespace minke
