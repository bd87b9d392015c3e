#include "model/block_weights.h"

#include <algorithm>
#include <cmath>

#include "blocks/blocks.h"
#include "blocks/fp8.h"
#include "blocks/quantise.h"
#include "blocks/strips.h"
#include "core/divided_up.h"

namespace minke {
namespace {

bool is_plain(BlockFormat format) {
  return format == BlockFormat::f32 || format == BlockFormat::f16 || format == BlockFormat::bf16;
}

// nullopt: in the format of the products.
std::optional<BlockFormat> wanted(const Parameter& p, const std::optional<StoredRows>& stored, WeightFormat format,
                                  DType compute) {
  const bool in_rows = p.part == Part::embedding || p.part == Part::head;
  switch (format) {
    case WeightFormat::keep: return stored ? std::optional(stored->format) : std::nullopt;
    case WeightFormat::bf16: return compute == DType::bf16 ? std::nullopt : std::optional(BlockFormat::bf16);
    case WeightFormat::fp8: return BlockFormat::f8_e4m3;
    case WeightFormat::int8: return BlockFormat::q8_0;
    case WeightFormat::int4: return in_rows ? BlockFormat::q8_0 : BlockFormat::q4_0;
  }
  return std::nullopt;
}

bool may_be_in_blocks(const Parameter& p) {
  return p.shape.size() == 2 && p.part != Part::router && !is_multiplied_both_ways(p.storage) && !p.optional_duplicate;
}

struct Planned {
  std::vector<HeldRows> parts;
  bool quantised = false, fits = true;
  size_t in_file = 0;
};

}  // namespace

BlockWeights plan_block_weights(const Config& config, const WeightFiles& files, WeightFormat format, DType compute,
                                Strips strips) {
  std::unordered_map<std::string, Planned> planned;
  const std::vector<Parameter> all = parameters(config);
  for (const Parameter& p : all) {
    if (!may_be_in_blocks(p)) continue;
    Planned& s = planned[p.storage];
    const std::optional<StoredRows> stored = files.stored_rows(p.name);
    const std::optional<BlockFormat> block = wanted(p, stored, format, compute);
    if (!block || p.shape[1] % info_of(*block).block_elements != 0) {
      s.fits = false;
      continue;
    }
    const bool as_stored = stored && stored->format == *block;
    const bool in_file = as_stored && stored->in_order;
    s.parts.push_back(
        {.format = *block,
         .rows = p.shape[0],
         .in_file = in_file,
         .scale_block = *block != BlockFormat::f8_e4m3 ? 0 : int32_t(as_stored ? config.scale_block() : kFp8Block)});
    s.quantised = s.quantised || format != WeightFormat::keep || !is_plain(*block);
    if (in_file) s.in_file += stored->bytes.size();
  }
  BlockWeights result;
  int64_t left_out = 0;
  for (const Storage& s : storages(config)) {
    const auto at = planned.find(s.name);
    if (at == planned.end()) continue;
    Planned& p = at->second;
    if (!p.fits && format != WeightFormat::keep && format != WeightFormat::bf16) ++left_out;
    if (!p.fits || !p.quantised) continue;
    // An embedding is only read row by row, unless it is the head, too.
    const bool multiplied = s.part != Part::embedding || config.tie_word_embeddings;
    const bool integers = std::ranges::all_of(p.parts, [](const HeldRows&h) { return is_integers(h.format); }),
               codes = std::ranges::all_of(p.parts, [](const HeldRows&h) { return h.format == BlockFormat::f8_e4m3; });
    const int32_t strip = integers ? strips.integers : codes ? strips.codes : 0;
    if (strip > 0 && multiplied) {
      for (HeldRows& part : p.parts) part.in_file = false, part.strip = strip;
      p.in_file = 0;
    }
    result.in_file += p.in_file;
    if (s.part == Part::routed_expert) result.experts_in_file += p.in_file;
    result.storages.emplace(s.name, std::move(p.parts));
  }
  if (left_out > 0)
    result.note =
        fmt::format("note: --weights {}: {} matrices stay in {}, because their rows are no whole groups of 32",
                    name_of(format), left_out, name_of(compute));
  return result;
}

Precision hold_in_blocks(Precision precision, BlockWeights& blocks, const Config& config, const WeightFiles& files,
                         WeightFormat format, ActivationFormat activations, Strips strips) {
  if (activations != ActivationFormat::int8) strips.integers = 0;
  blocks = plan_block_weights(config, files, format, precision.compute, strips);
  precision.blocks = &blocks;
  precision.integer_products = activations == ActivationFormat::int8;
  return precision;
}

namespace {

class Loader {
 public:
  Loader(const Context& ctx, const WeightFiles& files, int64_t scale_block)
      : ctx_(ctx), files_(files), scale_block_(scale_block) {}

  void load(const Parameter& p, Weight& w, size_t part) {
    const std::optional<StoredRows> stored = files_.stored_rows(p.name);
    const BlockFormat format = w.parts()[part].format;
    const Operand bytes = w.bytes_of(part);
    if (stored && stored->format == format) {
      if (!bytes) w.use_file(part, stored->bytes.data());
      else copy(p, *stored, w.parts()[part].strip, bytes);
      if (const Operand scales = w.scales_of(part)) upload(scales_of(p, *stored, !bytes), scales);
    } else if (format == BlockFormat::f8_e4m3) {
      to_blocks_of_fp8(p, w.parts()[part].strip, bytes, w.scales_of(part));
    } else {
      to_blocks(p, format, w.parts()[part].strip, bytes);
    }
  }

 private:
  template <class T> void upload(const std::vector<T>& host, const Operand& to) {
    check_equal(host.size() * sizeof(T), to.bytes(), "load_block_weights: bytes");
    ctx_.backend->upload(ctx_, {.host = host.data(), .device = to});
    ctx_.backend->synchronize(ctx_);
  }

  const std::vector<float>& values(const Parameter& p, int64_t first, int64_t count) {
    values_.resize(size_t(count * p.shape[1]));
    files_.read_rows_as_f32(p.name, first, count, values_.data(), scale_block_);
    return values_;
  }

  // Pieces of whole strips.
  template <class F> void in_pieces(const Parameter& p, int strip, F f) {
    const int64_t unit = std::max(strip, 1), at_once = divided_up((int64_t(1) << 20) / p.shape[1] + 1, unit) * unit;
    for (int64_t first = 0; first < p.shape[0]; first += at_once) f(first, std::min(at_once, p.shape[0] - first));
  }
  void upload_rows(std::vector<std::byte> rows, BlockFormat format, int64_t first, int64_t bytes, int strip,
                   const Operand& to) {
    if (strip > 0) {
      const int64_t count = int64_t(rows.size()) / bytes, strips = divided_up(count, strip);
      std::vector<std::byte> interleaved(size_t(strips * strip * bytes));
      ctx_.threads->for_each(strips, [&](int64_t i, int) {
        interleave(info_of(format), strip, rows.data() + i * strip * bytes, bytes,
                   int(std::min<int64_t>(strip, count - i * strip)), interleaved.data() + i * strip * bytes);
      });
      rows.swap(interleaved);
    }
    upload(rows, to.slice(0, first * bytes, first * bytes + int64_t(rows.size())));
  }

  void copy(const Parameter& p, const StoredRows& stored, int strip, const Operand& to) {
    const auto bytes = int64_t(stored.row_bytes);
    in_pieces(p, strip, [&](int64_t first, int64_t count) {
      std::vector<std::byte> rows;
      rows.reserve(size_t(count * bytes));
      for (int64_t r = first; r < first + count; ++r) {
        const std::span<const std::byte> row = stored.row(r);
        rows.insert(rows.end(), row.begin(), row.end());
      }
      upload_rows(std::move(rows), stored.format, first, bytes, strip, to);
    });
  }

  void to_blocks(const Parameter& p, BlockFormat format, int strip, const Operand& to) {
    const int64_t bytes = row_bytes(format, p.shape[1]);
    in_pieces(p, strip, [&](int64_t first, int64_t count) {
      std::vector<std::byte> rows(size_t(count * bytes));
      quantise(format, values(p, first, count), rows, p.name);
      upload_rows(std::move(rows), format, first, bytes, strip, to);
    });
  }

  // A block with a code of NaN is NaN as a whole, because kernels do not look for them in strips.
  std::vector<float> scales_of(const Parameter& p, const StoredRows& stored, bool in_file) {
    std::vector<float> scales = files_.fp8_scales(p.name, scale_block_);
    const int64_t across = divided_up(p.shape[1], scale_block_);
    for (int64_t r = 0; r < p.shape[0] && !in_file; ++r) {
      const std::span<const std::byte> row = stored.row(r);
      for (int64_t block = 0; block < across; ++block)
        if (has_nan(row.subspan(size_t(block * scale_block_),
                                size_t(std::min(scale_block_, p.shape[1] - block * scale_block_)))))
          scales[size_t(r / scale_block_ * across + block)] = std::nanf("");
    }
    return scales;
  }

  // Row by row of blocks.
  void to_blocks_of_fp8(const Parameter& p, int strip, const Operand& to, const Operand& scales_to) {
    const int64_t columns = p.shape[1], grid_columns = divided_up(columns, kFp8Block);
    std::vector<float> scales(static_cast<size_t>(grid_columns));
    for (int64_t first = 0; first < p.shape[0]; first += kFp8Block) {
      const int64_t count = std::min(kFp8Block, p.shape[0] - first), grid_row = first / kFp8Block;
      const std::vector<float>& x = values(p, first, count);
      std::vector<std::byte> rows(x.size());
      fp8_scales(x, columns, scales, p.name);
      to_fp8(x, columns, scales, {reinterpret_cast<f8_e4m3*>(rows.data()), rows.size()});
      upload_rows(std::move(rows), BlockFormat::f8_e4m3, first, columns, strip, to);
      upload(scales, scales_to.slice(0, grid_row * grid_columns, (grid_row + 1) * grid_columns));
    }
  }

  const Context& ctx_;
  const WeightFiles& files_;
  int64_t scale_block_;
  std::vector<float> values_;
};

}  // namespace

void load_block_weights(const Context& ctx, Model& model, const WeightFiles& files) {
  Loader loader(ctx, files, model.config().scale_block());
  std::unordered_map<std::string, size_t> next;  // part of each storage: parameters come in its order
  for (const Parameter& p : parameters(model.config())) {
    Weight* w = model.weights().find(p.storage);  // null: the head that a reward model does without
    if (!w || !w->in_blocks() || p.optional_duplicate) continue;
    loader.load(p, *w, next[p.storage]++);
  }
  for (Weight& w : model.weights().all())
    if (w.in_blocks()) w.ready(ctx);
}

}  // namespace minke
