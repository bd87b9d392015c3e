#include "infer/page_pool.h"

#include <algorithm>

#include "core/latent_row.h"
#include "kernels/backend.h"

namespace minke {

PagePool::PagePool(const Context& ctx, const Config& c, DType dtype, int64_t num_pages, int64_t page,
                   int64_t mtp_modules)
    : pages_(size_t(num_pages)), page_(page), ahead_(mtp_modules) {
  check(page > 0 && page % 2 == 0 && kAttentionChunk % page == 0, "PagePool: page");
  const bool fp8 = dtype == DType::f8_e4m3;
  if (fp8 && c.attention != AttentionKind::mla)
    user_error(
        "--cache-type fp8 is a format of MLA's latents, but this model caches keys and values: choose bf16 or f32");
  const int64_t slots = num_pages * page;
  for (int64_t l = 0; l < c.num_hidden_layers + mtp_modules; ++l) {
    LayerCache layer;
    const auto add = [&](std::initializer_list<int64_t> shape) -> Operand {
      memory_.emplace_back(ctx.backend->memory(), fp8 ? DType::u8 : dtype, shape);
      return memory_.back();
    };
    if (c.attention == AttentionKind::mla) {
      const LatentRow row{c.kv_lora_rank, c.qk_rope_head_dim};
      layer.latent = add({slots, fp8 ? row.bytes() : row.channels + row.rotary});
    } else {
      layer.k = add({slots, c.num_key_value_heads, c.head_dim});
      layer.v = add({slots, c.num_key_value_heads, c.head_dim});
    }
    layers_.push_back(layer);
  }
  for (int32_t p = int32_t(num_pages); p-- > 0;) unknown_.push_back(p);
}

size_t PagePool::bytes() const {
  size_t bytes = 0;
  for (const Tensor& t : memory_) bytes += t.operand().bytes();
  return bytes;
}

int32_t PagePool::take() {
  check(num_free() > 0, "PagePool::take: no page is free");
  int32_t p;
  if (!unknown_.empty()) {
    p = unknown_.back();
    unknown_.pop_back();
  } else {
    p = kept_.front();
    kept_.pop_front();
    forget(p);
  }
  pages_[size_t(p)].holders = 1;
  return p;
}

void PagePool::hold(int32_t p) {
  Page& page = pages_[size_t(p)];
  if (page.holders++ == 0) {
    check(page.number != 0, "PagePool::hold: nobody holds the page and its tokens are not known");
    kept_.erase(page.kept);
  }
}

void PagePool::release(int32_t p) {
  Page& page = pages_[size_t(p)];
  check(page.holders > 0, "PagePool::release: nobody holds the page");
  if (--page.holders > 0) return;
  if (page.number != 0) page.kept = kept_.insert(kept_.end(), p);
  else unknown_.push_back(p);
}

void PagePool::copy(const Context& ctx, int32_t from, int32_t to, int64_t slots) {
  for (const LayerCache& layer : layers_)
    for (const Operand& o : {layer.latent, layer.k, layer.v})
      if (o)
        ctx.backend->copy(ctx, {.src = o.slice(0, from * page_, from * page_ + slots),
                                .dst = o.slice(0, to * page_, to * page_ + slots)});
}

PagePool::Match PagePool::find_after(uint64_t before, std::span<const int32_t> tokens) const {
  Match best;
  const auto after = after_.find(before);
  if (after == after_.end()) return best;
  for (const int32_t p : after->second) {
    const std::vector<int32_t>& known = pages_[size_t(p)].tokens;
    const size_t most = std::min(known.size(), tokens.size());
    const int64_t count =
        std::mismatch(known.begin(), known.begin() + ptrdiff_t(most), tokens.begin()).first - known.begin() - ahead_;
    if (count > best.count) best = {p, count};
  }
  return best;
}

uint64_t PagePool::learn(int32_t p, uint64_t before, std::span<const int32_t> tokens, bool modules) {
  Page& page = pages_[size_t(p)];
  const int64_t slots = int64_t(tokens.size()) - ahead_;
  check(page.holders > 0 && slots > 0 && slots <= page_, "PagePool::learn");
  if (page.number != 0 && page.tokens.size() >= tokens.size()) return page.number;
  if (const Match same = find_after(before, tokens); same.count == slots) return number_of(same.page);
  if (page.number == 0) {
    page.number = ++last_number_;
    page.before = before;
    page.modules = true;
    after_[page.before].push_back(p);
  }
  page.tokens.assign(tokens.begin(), tokens.end());
  page.modules = page.modules && modules;
  return page.number;
}

void PagePool::forget(int32_t p) {
  Page& page = pages_[size_t(p)];
  const auto after = after_.find(page.before);
  std::erase(after->second, p);
  if (after->second.empty()) after_.erase(after);
  page.number = 0;
}

void PagePool::forget_all() {
  for (int32_t p = 0; p < int32_t(pages_.size()); ++p)
    if (pages_[size_t(p)].number != 0) forget(p);
  unknown_.insert(unknown_.end(), kept_.begin(), kept_.end());
  kept_.clear();
}

}  // namespace minke
