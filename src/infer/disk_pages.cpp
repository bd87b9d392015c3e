#include "infer/disk_pages.h"

#include <utility>

#include "kernels/backend.h"

namespace minke {

DiskPages::DiskPages(const PagePool& pool, DiskCache& disk) : pool_(pool), disk_(disk) {
  in_memory(0, [&](const Operand& o) { bytes_ += o.bytes(); });
  buffer_.resize(bytes_);
}

// f(slots of a page) in all layers.
template <class F> void DiskPages::in_memory(int32_t page, F&& f) const {
  for (const LayerCache& layer : pool_.layers())
    for (const Operand& o : {layer.latent, layer.k, layer.v})
      if (o) f(o.slice(0, page * pool_.page(), (page + 1) * pool_.page()));
}

// That the page at s.learned is known by.
std::span<const int32_t> DiskPages::tokens_of(const Sequence& s) const {
  return std::span(s.tokens).subspan(size_t(s.learned * pool_.page()), size_t(pool_.page() + pool_.ahead()));
}

void DiskPages::find(Sequence& s, std::span<const int32_t> tokens) const {
  const size_t page = size_t(pool_.page()), known = page + size_t(pool_.ahead());
  s.key = disk_.beginning();
  std::vector<PageKey> keys;
  for (PageKey key = s.key; tokens.size() >= known; tokens = tokens.subspan(page)) {
    key = key_after(key, tokens.first(known));
    if (int64_t(keys.size()) >= s.learned && !disk_.has(key)) break;
    keys.push_back(key);
  }
  if (s.learned > 0) s.key = keys[size_t(s.learned) - 1];
  s.restorable = int64_t(keys.size());
  disk_.touch(keys);
  disk_.expect(std::span(keys).subspan(size_t(s.learned)));
}

bool DiskPages::restore(const Context& ctx, const Sequence& s) {
  if (!disk_.read(key_after(s.key, tokens_of(s)), tokens_of(s), buffer_)) return false;
  const std::byte* from = buffer_.data();
  in_memory(s.pages[size_t(s.learned)], [&](const Operand& o) {
    ctx.backend->upload(ctx, {.host = from, .device = o});
    from += o.bytes();
  });
  ctx.backend->synchronize(ctx);  // the buffer is used again
  return true;
}

void DiskPages::keep(const Context& ctx, Sequence& s) {
  const PageKey before = std::exchange(s.key, key_after(s.key, tokens_of(s)));
  if (pool_.ahead() > 0 && !s.followed) return;  // without the MTP module's slots it is half a page
  if (!disk_.takes(s.key, bytes_)) return;
  std::vector<std::byte> bytes(bytes_);
  std::byte* to = bytes.data();
  in_memory(s.pages[size_t(s.learned)], [&](const Operand& o) {
    ctx.backend->download(ctx, {.device = o, .host = to});
    to += o.bytes();
  });
  disk_.write(s.key, before, tokens_of(s), std::move(bytes));
}

}  // namespace minke
