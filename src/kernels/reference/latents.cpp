// MLA's FP8 cache (core/latent_row.h).
#include <cmath>
#include <cstring>

#include "blocks/fp8.h"
#include "kernels/reference/access.h"

namespace minke::reference {
namespace {

// Row `slot` of the cache: u8 [slots,bytes] or [slots,1,bytes].
uint8_t* row_at(const Operand& cache, int64_t slot, const LatentRow& layout) {
  check(cache.dtype == DType::u8 && cache.rank >= 2 && row_length(cache) == layout.bytes() &&
            cache.stride[size_t(cache.rank) - 1] == 1,
        "an FP8 cache is u8 [slots,bytes of a row], its last axis dense");
  return static_cast<uint8_t*>(cache.data) + bounded(slot, cache.shape[0], "FP8 cache: slot") * cache.stride[0];
}

LatentRow layout_of(const Operand& latent, const Operand& rope, const Operand& index, const char* what) {
  check(latent.rank == 2 && rope.rank == 2 && rope.shape[0] == latent.shape[0], what);
  expect_shape(index, {latent.shape[0]}, what);
  return {row_length(latent), row_length(rope)};
}

}  // namespace

std::vector<float> latent_and_rope(const Operand& cache, int64_t slot, const LatentRow& layout) {
  const uint8_t* row = row_at(cache, slot, layout);
  std::vector<float> values;
  for (int64_t i = 0; i < layout.channels; ++i) {
    float scale = 0;
    std::memcpy(&scale, row + layout.scales_at() + 4 * (i / LatentRow::kGroup), sizeof scale);
    f8_e4m3 code;
    code.bits = row[i];
    values.push_back(float(code) * scale);
  }
  for (int64_t i = 0; i < layout.rotary; ++i) {
    bf16 x;
    std::memcpy(&x, row + layout.rotary_at() + 2 * i, sizeof x);
    values.push_back(x);
  }
  return values;
}

void store_latents(const Context&, const StoreLatentsArgs& args) {
  const LatentRow layout = layout_of(args.latent, args.rope, args.index, "store_latents: shapes");
  for (int64_t n = 0; n < args.latent.shape[0]; ++n) {
    const int64_t slot = load_index(args.index, n);
    if (slot < 0) continue;
    uint8_t* row = row_at(args.cache, slot, layout);
    const auto latent = load_row<float>(args.latent, n), rope = load_row<float>(args.rope, n);
    for (int64_t g = 0; g < layout.groups(); ++g) {
      const int64_t begin = g * LatentRow::kGroup, end = std::min(layout.channels, begin + LatentRow::kGroup);
      float scale = LatentRow::kLeast;
      bool finite = true;
      for (int64_t i = begin; i < end; ++i) {
        scale = std::max(scale, std::fabs(latent[size_t(i)]));
        finite = finite && std::isfinite(latent[size_t(i)]);
      }
      scale = finite ? scale / LatentRow::kLargestCode : std::nanf("");
      std::memcpy(row + layout.scales_at() + 4 * g, &scale, sizeof scale);
      for (int64_t i = begin; i < end; ++i)
        row[i] = finite ? to_f8_e4m3(latent[size_t(i)] / scale).bits : uint8_t(0x7f);
    }
    for (int64_t i = 0; i < layout.rotary; ++i) {
      const bf16 x(rope[size_t(i)]);
      std::memcpy(row + layout.rotary_at() + 2 * i, &x, sizeof x);
    }
  }
}

void load_latents(const Context&, const LoadLatentsArgs& args) {
  const LatentRow layout = layout_of(args.latent, args.rope, args.index, "load_latents: shapes");
  for (int64_t n = 0; n < args.latent.shape[0]; ++n) {
    const int64_t slot = load_index(args.index, n);
    if (slot < 0) continue;
    const std::vector<float> row = latent_and_rope(args.cache, slot, layout);
    store_row(args.latent, n, std::vector<float>(row.begin(), row.begin() + layout.channels));
    store_row(args.rope, n, std::vector<float>(row.begin() + layout.channels, row.end()));
  }
}

}  // namespace minke::reference
