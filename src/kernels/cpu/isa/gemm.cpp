#include "kernels/cpu/isa/packing.h"
#if defined(MINKE_AMX)
#include "kernels/cpu/isa/tiles.h"
#endif

namespace minke::cpu {
namespace {

#if defined(MINKE_AMX)
constexpr double kMacsPerPacked = 28.0 * kWidth;
#else
constexpr double kMacsPerPacked = (kBf16 == Mode::pairs ? 3.5 : 1.75) * kWidth;
struct TileRegisters {};
#endif
template <Mode mode, bool streamed = false>
void multiply_rows(const Left& left, int64_t m, const char* panel, int64_t steps, int64_t n, const Out& out) {
#if defined(MINKE_AMX)
  if constexpr (kInTiles<mode>) return multiply_panel_tiles(left, m, panel, steps, n, out);
#endif
  multiply_panel<mode, streamed>(left, m, panel, steps, n, out);
}

// The same with a panel of a packed weight; of pairs where the mode is one of f32, and then `widened` has room for it.
template <Mode mode>
void multiply_packed(const Left& left, int64_t m, const char* panel, int64_t k, int64_t n, const Out& out,
                     char* widened) {
  if constexpr (mode != Mode::rounded) {
    multiply_rows<mode, true>(left, m, panel, whole_steps_of<mode>(k), n, out);
  } else if (m <= 4 * kTileRows) {
    multiply_rows<Mode::widened, true>(left, m, panel, k, n, out);
  } else {
    widen_panel(panel, k, widened);
    multiply_rows<mode>(left, m, widened, k, n, out);
  }
}

// The rows of `left` from step s on.
Left steps_from(const Left& left, int64_t s) {
  return {left.data + s * left.step_bytes, left.row_bytes, left.step_bytes, left.block_bytes};
}

// A panel of codes. Sums over k within a block of scales are multiplied with the scale: those of the first block go to `out`
// with what it adds, if k ends there, otherwise to `sums`, f32, to which those of the next are added.
struct Codes {
  const char* panel;
  CodeScales scales;  // from this panel's first column and k on
  int64_t n;
};
template <Mode mode>
void multiply_codes(const Left& left, int64_t m, const Codes& b, int64_t k, const Out& out, const Out& sums,
                    char* widened) {
  alignas(64) float scale[kPanel] = {};
  const CodeScales& of = b.scales;
  for (int64_t k0 = 0; k0 < k; k0 += of.block) {
    const int64_t count = smaller(of.block, k - k0);
    for (int64_t i = 0; i < b.n; ++i)
      scale[i] = of.scales[(of.first_row + i) / of.block * of.columns + k0 / of.block] * kCodeScale;
    Out to = k0 + count < k ? sums : out;
    to.add = out.add, to.add_row_bytes = out.add_row_bytes, to.add_half = out.add_half;
    if (k0 > 0) to.add = sums.data, to.add_row_bytes = sums.row_bytes, to.add_half = false;
    to.scale = scale;
    const Left part = steps_from(left, k0 / kPerStep<mode>);
    const char* panel = b.panel + k0 * kPanel;
#if defined(MINKE_AMX)
    if constexpr (kInTiles<mode>)
      if (m <= 4 && count % (2 * kTile) == 0) {
        constexpr void (*of_rows[])(const Left&, const char*, int64_t, int64_t, const Out&) = {
            multiply_codes_like_tiles<1>, multiply_codes_like_tiles<2>, multiply_codes_like_tiles<3>,
            multiply_codes_like_tiles<4>};
        of_rows[m - 1](part, panel, steps_of<mode>(count), b.n, to);
        continue;
      }
#endif
    if constexpr (mode != Mode::pairs)
      if (m <= kTileRows) {
        multiply_rows<Mode::codes, true>(part, m, panel, count, b.n, to);
        continue;
      }
    widen_panel_of_codes<mode>(panel, count, widened);
    multiply_rows<mode>(part, m, widened, whole_steps_of<mode>(count), b.n, to);
  }
}

// A b that comes plain is packed in pieces of kMaxTileN columns, each once for all rows of a task. So a task then may have
// more rows, and takes them in parts that leave a piece room in the second-level cache.
static_assert(kMaxTileN % kPanel == 0);
constexpr int64_t kMaxRows = 576, kPartRows = 192;
static_assert(kPartRows % kTileRows == 0 && kPartRows % kRowUnit<kBf16> == 0 && kMaxRows >= kMaxTileM);

// Per thread: packed left side, packed panels of a piece, a tile of sums.
constexpr int64_t kLeftBuffer = (kMaxRows + kTileRows) * (kBlockSteps + kWidth) * 4;
constexpr int64_t kPanelBuffer = kBlockSteps * kMaxTileN * 4;
constexpr int64_t kTileBuffer = kMaxRows * kMaxTileN * 4;
constexpr int64_t kScratchBytes = (kLeftBuffer + kPanelBuffer + kTileBuffer + 63) / 64 * 64;

struct Tile {
  Source a, b, c;
  const char* panels;  // first panel of the tile, k from 0; null when b is not packed
  int64_t panel_bytes;
  CodeScales codes;
  int64_t m, n, k;
};

// The part of c that does not take the kernel's own stores: sums are in `tile` f32 [m, kMaxTileN].
void store_sums(const float* tile, const Tile& t, bool add) {
  for (int64_t i = 0; i < t.m; ++i) {
    const float* row = tile + i * kMaxTileN;
    if (t.c.col_stride == 1) {
      char* out = static_cast<char*>(const_cast<void*>(address(t.c, i, 0)));
      for (int64_t j = 0; j < t.n; j += kWidth) {
        const int64_t count = smaller<int64_t>(kWidth, t.n - j);
        vf x = load(row, false, j, count);
        if (add) x += load(out, t.c.half, j, count);
        store(out, t.c.half, j, count, x);
      }
    } else {
      for (int64_t j = 0; j < t.n; ++j) {
        void* p = const_cast<void*>(address(t.c, i, j));
        store_scalar(p, t.c.half, 0, add ? load_scalar(p, t.c.half, 0) + row[j] : row[j]);
      }
    }
  }
}

template <Mode mode> void multiply_tile(const Tile& t, bool accumulate, char* scratch) {
  char* left_buffer = scratch;
  char* panel_buffer = left_buffer + kLeftBuffer;
  float* tile = reinterpret_cast<float*>(panel_buffer + kPanelBuffer);
  const Out c = {static_cast<char*>(const_cast<void*>(t.c.data)), t.c.row_stride * (t.c.half ? 2 : 4), t.c.half};
  // Sums of several blocks are f32 until the last one: in c if that is f32, too.
  const bool in_rows = t.c.col_stride == 1, in_c = in_rows && !t.c.half;
  const Out sums = in_c ? c : Out{reinterpret_cast<char*>(tile), kMaxTileN * 4, false};
  const int64_t block = t.codes.scales ? kBlock<mode> / t.codes.block * t.codes.block : block_length<mode>(t.k);
  const bool ends_in_c = in_c || (in_rows && (t.k <= block || !accumulate));
  int64_t k0 = 0;
  do {  // once even for k = 0: c becomes zeros
    const int64_t k = smaller(block, t.k - k0);
    const int64_t steps = whole_steps_of<mode>(k);
    const Left left = k ? pack_left<mode>(moved(t.a, 0, k0), t.m, k, left_buffer) : Left{};
    Out out = ends_in_c && k0 + k >= t.k ? c : sums;
    if (k0 > 0) out.add = sums.data, out.add_row_bytes = sums.row_bytes;
    else out = added_to(out, accumulate && out.data == c.data);
    if (t.codes.scales) {
      Codes codes = {t.panels + k0 * kPanel, t.codes, 0};
      codes.scales.scales += k0 / t.codes.block;
      for (int64_t j = 0; j < t.n; j += kPanel, codes.panel += t.panel_bytes, codes.scales.first_row += kPanel) {
        codes.n = smaller<int64_t>(kPanel, t.n - j);
        multiply_codes<mode>(left, t.m, codes, k, moved(out, 0, j), moved(sums, 0, j), panel_buffer);
      }
    } else if (t.panels) {
      const char* panel = t.panels + k0 / (mode == Mode::f32 ? 1 : 2) * kPanel * 4;
      for (int64_t j = 0; j < t.n; j += kPanel, panel += t.panel_bytes)
        multiply_packed<mode>(left, t.m, panel, k, smaller<int64_t>(kPanel, t.n - j), moved(out, 0, j), panel_buffer);
    } else {
      constexpr int64_t panel_bytes = kBlockSteps * kPanel * 4;
      for (int64_t piece = 0; piece < t.n; piece += kMaxTileN) {
        const int64_t end = smaller(piece + kMaxTileN, t.n);
        if (k) pack_panels<mode>(moved(t.b, k0, piece), k, end - piece, panel_buffer, panel_bytes);
        for (int64_t i = 0, rows; i < t.m; i += rows) {
          rows = t.m - i < kPartRows + kRowUnit<mode> ? t.m - i : kPartRows;  // no part of less than a register tile
          const Left part = rows_from(left, i);
          const char* panel = panel_buffer;
          for (int64_t j = piece; j < end; j += kPanel, panel += panel_bytes)
            multiply_rows<mode>(part, rows, panel, steps, smaller<int64_t>(kPanel, end - j), moved(out, i, j));
        }
      }
    }
    k0 += k;
  } while (k0 < t.k);
  if (!ends_in_c) store_sums(tile, t, accumulate);
}

// Of a weight: pairs of bf16 on every instruction set.
int64_t packed_steps(int64_t k, bool bf16) { return bf16 ? whole_steps_of<Mode::pairs>(k) : k; }

Source group_of(const Matrix& m, int64_t g) {
  const Source s{m.data, m.half, m.row_stride, m.col_stride};
  return {static_cast<const char*>(s.data) + g * m.group_stride * (m.half ? 2 : 4), s.half, s.row_stride, s.col_stride};
}

void gemm(const GemmJob& job, int64_t task, int thread) {
  int64_t low = 0, high = job.groups;  // the group: first_task[g] <= task < first_task[g + 1]
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    (job.first_task[middle] <= task ? low : high) = middle;
  }
  const int64_t g = low;
  int64_t m = job.m, k = job.k;
  Source a = group_of(job.a, g), b = group_of(job.b, g), c = group_of(job.c, g);
  if (job.split == Split::rows) {
    m = job.offsets[g + 1] - job.offsets[g];
    a = moved(a, job.offsets[g], 0), c = moved(c, job.offsets[g], 0);
  } else if (job.split == Split::inner) {
    k = job.offsets[g + 1] - job.offsets[g];
    a = moved(a, 0, job.offsets[g]), b = moved(b, job.offsets[g], 0);
  }
  // Even tiles of whole register tiles, rows first: neighbours in time share their part of b.
  const int64_t tiles_m = (m + job.tile_m - 1) / job.tile_m;
  const int64_t unit = kRowUnit<kBf16>, rows = ((m + tiles_m - 1) / tiles_m + unit - 1) / unit * unit;
  const int64_t at = task - job.first_task[g], i0 = at % tiles_m * rows, j0 = at / tiles_m * job.tile_n;
  if (i0 >= m) return;
  Tile t;
  t.m = smaller(rows, m - i0), t.n = smaller(job.tile_n, job.n - j0), t.k = k;
  t.a = moved(a, i0, 0), t.b = moved(b, 0, j0), t.c = moved(c, i0, j0);
  t.codes = job.codes, t.codes.first_row += j0;
  t.panel_bytes = t.codes.scales ? k * kPanel : packed_steps(k, job.bf16) * kPanel * 4;
  t.panels = job.panels ? job.panels + g * job.panels_group_bytes + j0 / kPanel * t.panel_bytes : nullptr;
  char* scratch = job.scratch + thread * kScratchBytes;
  [[maybe_unused]] const TileRegisters registers;
  if (job.bf16) multiply_tile<kBf16>(t, job.accumulate, scratch);
  else multiply_tile<Mode::f32>(t, job.accumulate, scratch);
}

void pack(const PackJob& job, int64_t group, int64_t panel) {
  const Source b = moved(group_of(job.b, group), 0, panel * kPanel);
  const int64_t n = smaller<int64_t>(kPanel, job.n - panel * kPanel);
  char* dst = job.panels + group * job.group_bytes + panel * packed_steps(job.k, job.bf16) * kPanel * 4;
  if (job.bf16) pack_panel<Mode::pairs>(b, job.k, n, dst);
  else pack_panel<Mode::f32>(b, job.k, n, dst);
}

}  // namespace

namespace MINKE_ISA {
void fill_gemm(Kernels& kernels) {
  kernels.panel_width = kPanel;
  kernels.tile_rows = kRowUnit<kBf16>;
  kernels.step_unit = kTileSteps;
  kernels.max_tile_m = kMaxTileM;
  kernels.max_rows_plain_b = kMaxRows;
  kernels.max_tile_n = kMaxTileN;
  kernels.gemm_scratch_bytes = kScratchBytes;
  kernels.block_k = kBlock<Mode::f32>;
  kernels.block_k_bf16 = kBlock<kBf16>;
  kernels.code_unit = 2 * kTileSteps, kernels.block_codes = kBlock<Mode::f32>;
  kernels.macs_per_packed = kMacsPerPacked;
  kernels.gemm = gemm;
  kernels.pack = pack;
}
}  // namespace MINKE_ISA

}  // namespace minke::cpu
