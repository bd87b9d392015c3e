// Into MLA's FP8 cache and out of it: checks and the cut into tasks. The arithmetic is in isa/latents.cpp.
#include "core/latent_row.h"
#include "kernels/cpu/common.h"

namespace minke::cpu {

LatentRows latent_rows(const Operand& cache, int64_t channels, int64_t rotary) {
  const int last = cache.rank - 1;
  check(cache.dtype == DType::u8 && cache.packing == Packing::none && last >= 1 &&
            cache.shape[size_t(last)] == LatentRow{channels, rotary}.bytes() && cache.stride[size_t(last)] == 1,
        "an FP8 cache is u8 [slots,bytes of a row], its last axis dense");
  return {static_cast<uint8_t*>(cache.data), cache.stride[0], channels, rotary};
}

namespace {

// f(n, slot) for the rows of `index` that are not skipped.
template <class F>
void for_each_slot(const Context& ctx, const Operand& cache, const Operand& index, const Operand& latent,
                   const Operand& rope, const char* what, F&& f) {
  check(latent.rank == 2 && rope.rank == 2 && cache.rank == 2, what);
  const int64_t n = latent.shape[0];
  check(rope.shape[0] == n, what);
  expect_shape(index, {n}, what);
  const int32_t* slots = i32_data(index);
  in_chunks(ctx, n, 4 * row_length(cache), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      if (slots[i] >= 0) f(i, bounded(slots[i], cache.shape[0], what));
  });
}

}  // namespace

void store_latents(const Kernels& kernels, const Context& ctx, const StoreLatentsArgs& args) {
  const LatentRows cache = latent_rows(args.cache, row_length(args.latent), row_length(args.rope));
  const Rows latent = rows_of(args.latent), rope = rows_of(args.rope);
  for_each_slot(ctx, args.cache, args.index, args.latent, args.rope, "store_latents", [&](int64_t i, int64_t slot) {
    kernels.store_latent(cache, slot, row_data(latent, i), latent.half, row_data(rope, i), rope.half);
  });
}

void load_latents(const Kernels& kernels, const Context& ctx, const LoadLatentsArgs& args) {
  const LatentRows cache = latent_rows(args.cache, row_length(args.latent), row_length(args.rope));
  const Rows latent = rows_of(args.latent), rope = rows_of(args.rope);
  for_each_slot(ctx, args.cache, args.index, args.latent, args.rope, "load_latents", [&](int64_t i, int64_t slot) {
    kernels.load_latent(cache, slot, row_data(latent, i), latent.half, row_data(rope, i), rope.half);
  });
}

}  // namespace minke::cpu
