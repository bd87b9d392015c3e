// What the code of one instruction set offers to the wrappers in src/kernels/cpu: functions over raw pointers, each
// doing one task of a job that the wrapper has validated, laid out and handed to the threads. Only plain structs here:
// this header is compiled for every instruction set (see simd.h). Strides count elements unless they say bytes.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/row_blocks.h"

namespace minke::cpu {

// f32 (half = false) or bf16 rows; row r starts at data + (r / inner)·outer_stride + (r % inner)·stride.
struct Rows {
  void* data = nullptr;
  bool half = false;
  int64_t inner = 1, outer_stride = 0, stride = 0;
};

struct Matrix {  // of a group g: data + g·group_stride
  void* data = nullptr;
  bool half = false;
  int64_t row_stride = 0, col_stride = 0, group_stride = 0;
};

enum class Split : uint8_t {
  none,
  rows,
  inner
};  // what the offsets cut: nothing (all groups alike), rows of a and c, or k

// The scales of E4M3 codes: one for each block × block, [⌈rows/block⌉, columns]. first_row: of the weight, in column 0 of c.
struct CodeScales {
  const float* scales = nullptr;
  int64_t columns = 0, block = 0, first_row = 0;
};

struct GemmJob {
  Matrix a, b, c;
  const char* panels = nullptr;  // instead of b
  int64_t panels_group_bytes = 0;
  CodeScales codes;             // with scales: `panels` are E4M3 codes (e4m3.h), [k][panel_width] bytes each
  int64_t m = 0, n = 0, k = 0;  // m (Split::rows) and k (Split::inner) are those of each group
  bool bf16 = false, accumulate = false;
  Split split = Split::none;
  const int32_t* offsets = nullptr;
  int64_t groups = 1;
  int64_t tile_m = 0, tile_n = 0;
  const int64_t* first_task = nullptr;  // [groups + 1]
  char* scratch = nullptr;              // gemm_scratch_bytes for every thread
};

struct PackJob {
  Matrix b;
  char* panels = nullptr;
  int64_t group_bytes = 0;
  int64_t k = 0, n = 0;
  bool bf16 = false;
};

// Rows of a weight in blocks of integers: n of them, row_bytes apart, or interleaved in strips (blocks/strips.h).
struct StripRows {
  const uint8_t* data = nullptr;
  int64_t row_bytes = 0, n = 0;
  BlockFormat format = BlockFormat::q8_0;
  int block_elements = 0, block_bytes = 0;
  int head = 0;  // of a block, StripLayout
  bool interleaved = false;
  const uint32_t* codes = nullptr;  // of a format with a grid (blocks/grids.h)
};
// 32 activations of a row in 8 bits, a line of the cache; Σ are the sums of the integers of the first 16, of the others, of all.
struct alignas(64) IntegerGroup {
  int8_t q[32];
  float scale;
  int32_t zero[3];  // −128 Σ: for weights that are integers plus 128
  float sum[3];     // scale · Σ
};
// Of a row of a, in memory: an odd number, so that the rows do not compete for the same places of the cache.
static inline int64_t row_groups(int64_t k) { return k / 32 | 1; }
struct IntegerJob {
  const IntegerGroup* a = nullptr;  // [m,k/32], rows row_groups(k) apart; one more row is read
  StripRows b;
  Matrix c;  // [m,b.n]
  int64_t m = 0, k = 0;
  bool accumulate = false;
  char* scratch = nullptr;  // integer_bytes(b.row_bytes)
};

struct AttentionJob {
  Rows q, k, k_rope, v, out;  // row (t, h) of q and out: inner = H; k, v: inner = Hkv
  float* lse = nullptr;       // row t, head h at t·lse_stride + h·lse_head_stride
  int64_t lse_stride = 0, lse_head_stride = 0;
  int64_t heads = 0, kv_heads = 0, dk = 0, dr = 0, dv = 0;
  float scale = 1;
  bool bf16 = false;
  const int64_t *sequence_offsets = nullptr, *key_offsets = nullptr;
  const int32_t* first_visible = nullptr;
  Rows dout, dq, d_k, dv_out;   // backward
  float* rope_parts = nullptr;  // [N, Hkv, dr]: the gradient of k_rope by head
  char* scratch = nullptr;
  int64_t thread_bytes = 0;
};

// Rows of MLA's FP8 cache (core/latent_row.h), row_bytes apart.
struct LatentRows {
  uint8_t* data = nullptr;
  int64_t row_bytes = 0, channels = 0, rotary = 0;
};

// Up to Table::row_block rows of one sequence, where a row is (query, head of the group).
struct CachedBlock {
  int32_t sequence, first_row;
};
struct CachedJob {
  Rows q, k, v, out;  // row (i, h) of q and out; row (slot, h') of k and v
  bool fp8 = false;   // latents instead of k and v
  LatentRows latents;
  const int32_t *row_offsets = nullptr, *length = nullptr, *block_table = nullptr;  // by sequence
  int64_t table_stride = 0, page = 0;
  int64_t heads = 0, kv_heads = 0, dk = 0, dv = 0;
  int64_t part_width = 0;  // dv up to whole panels, and a line of the cache for the rest of a row
  float scale = 1;
  bool bf16 = false;
  CachedBlock* blocks = nullptr;
  int64_t num_blocks = 0;
  int64_t segments = 0;    // of Kernels::segment keys, of the longest sequence
  bool split = false;      // a task is one segment; parts are merged afterwards
  float* parts = nullptr;  // [kv_heads, num_blocks, segments, row_block, part_width]
  char* scratch = nullptr;
  int64_t thread_bytes = 0;
};

struct NormJob {
  Rows x, gain, y;  // gain is one row
  float* rstd = nullptr;
  int64_t rstd_inner = 1, rstd_outer_stride = 0, rstd_stride = 0;
  int64_t width = 0, num_rows = 0;
  float eps = 0;
  Rows dy, dx;
  bool accumulate = false;
  float* dgain = nullptr;
};

struct RopeJob {
  Rows x;
  const int32_t* positions = nullptr;
  const float* table = nullptr;
  int64_t width = 0, heads = 0;
  bool interleaved = true, inverse = false;
};

struct SwigluJob {
  Rows gate_up, y;  // y is dy in the backward
  const float* weight = nullptr;
  int64_t width = 0;
  Rows d_gate_up;
  float* d_weight = nullptr;
};

struct CrossEntropyJob {
  Rows logits;
  const int32_t* target = nullptr;
  float* loss = nullptr;
  const float* weight = nullptr;
  float* entropy = nullptr;
  int64_t width = 0;
  float inverse_temperature = 1;
  bool gradient = false;
  float grad_scale = 1;
};

constexpr int64_t kMaxListed = 64;  // kMaxSoftTargets of ops.h
struct SoftCrossEntropyJob {
  Rows logits;
  const int32_t *target = nullptr, *soft_token = nullptr;  // soft_token [n,count]
  Rows probability;
  int64_t count = 0, width = 0;
  float* loss = nullptr;
  const float* weight = nullptr;
  double share = 1, grad_scale = 1;
  bool gradient = false;
};

struct AdamJob {
  float* param = nullptr;
  const float* grad = nullptr;
  void *m = nullptr, *v = nullptr;
  bool m_half = false, v_half = false;
  float beta1 = 0, beta2 = 0, rest1 = 1, rest2 = 1;  // rest = 1 − beta, rounded once
  float step_size = 0, v_correction = 0, eps = 0, decay = 0, grad_scale = 1;
};

// The mask of kernels/ops.h: element i of the row has the global index first + i.
struct DropoutJob {
  uint64_t seed = 0, stream = 0;
  uint32_t below = 0;
  float scale = 1;
};

struct Kernels {
  const char* name = "";
  int64_t panel_width = 0, tile_rows = 0, max_tile_m = 0, max_rows_plain_b = 0, max_tile_n = 0, gemm_scratch_bytes = 0;
  int64_t step_unit = 1;                  // packed bf16 weights have pairs of k up to a multiple of it
  int64_t block_k = 0, block_k_bf16 = 0;  // k of one block of sums
  int64_t block_codes = 0;                // CodeScales::block is a multiple of code_unit, and at most this
  int64_t code_unit = 0;
  double macs_per_packed = 0;  // multiply-adds in the time of packing one element
  void (*gemm)(const GemmJob&, int64_t task, int thread) = nullptr;
  void (*pack)(const PackJob&, int64_t group, int64_t panel) = nullptr;

  int64_t strip = 0, strips = 0;    // rows of a weight in a strip; strips that are taken at a time
  int64_t max_integer_columns = 0;  // IntegerJob::b.n
  int64_t (*integer_bytes)(int64_t row_bytes) = nullptr;
  void (*round_to_integers)(const Matrix& a, int64_t k, IntegerGroup* to, int64_t begin, int64_t end) = nullptr;
  void (*integer_gemm)(const IntegerJob&) = nullptr;

  int64_t (*attention_bytes)(const AttentionJob&, int64_t longest) = nullptr;  // scratch per thread
  int64_t (*attention_backward_bytes)(const AttentionJob&, int64_t longest) = nullptr;
  void (*attention)(const AttentionJob&, int64_t sequence, int64_t kv_head, int thread) = nullptr;
  void (*attention_backward)(const AttentionJob&, int64_t sequence, int64_t kv_head, int thread) = nullptr;
  int64_t chunk = 0, segment = 0, row_block = 0, merges = 0, max_rotary = 0;  // merges: tasks of a block
  int64_t (*cached_bytes)(const CachedJob&) = nullptr;                        // per thread
  void (*cached)(const CachedJob&, int64_t task, int thread) = nullptr;
  void (*cached_merge)(const CachedJob&, int64_t task) = nullptr;

  // Row `slot` of the cache; f32 (half = false) or bf16 outside of it.
  void (*store_latent)(const LatentRows& cache, int64_t slot, const void* latent, bool latent_half, const void* rope,
                       bool rope_half) = nullptr;
  void (*load_latent)(const LatentRows& cache, int64_t slot, void* latent, bool latent_half, void* rope,
                      bool rope_half) = nullptr;

  // Rows [begin, end).
  void (*rms_norm)(const NormJob&, int64_t begin, int64_t end) = nullptr;
  void (*rms_norm_backward)(const NormJob&, int64_t begin, int64_t end) = nullptr;
  void (*rms_norm_gain)(const NormJob&, int64_t begin, int64_t end) = nullptr;  // columns
  void (*rope)(const RopeJob&, int64_t begin, int64_t end) = nullptr;           // tokens
  void (*swiglu)(const SwigluJob&, int64_t begin, int64_t end) = nullptr;
  void (*swiglu_backward)(const SwigluJob&, int64_t begin, int64_t end) = nullptr;
  void (*cross_entropy)(const CrossEntropyJob&, int64_t begin, int64_t end) = nullptr;
  void (*soft_cross_entropy)(const SoftCrossEntropyJob&, int64_t begin, int64_t end) = nullptr;
  // One row of n elements.
  void (*add_row)(void* y, bool y_half, const void* x, bool x_half, int64_t n) = nullptr;
  void (*copy_row)(void* y, bool y_half, const void* x, bool x_half, int64_t n) = nullptr;
  void (*fill_row)(void* y, bool y_half, float value, int64_t n) = nullptr;
  void (*dropout_row)(const DropoutJob&, void* x, bool x_half, uint64_t first, int64_t n) = nullptr;
  // y[n] (+)= Σ of the given rows of x, in their order; a negative row adds nothing.
  void (*sum_rows)(void* y, bool y_half, bool accumulate, const Rows& x, const int32_t* rows, int64_t count,
                   int64_t n) = nullptr;
  // y[begin, end) += Σ_r x[r, begin … end), r ascending.
  void (*column_sums)(float* y, const Rows& x, int64_t num_rows, int64_t begin, int64_t end) = nullptr;
  void (*adamw)(const AdamJob&, int64_t begin, int64_t end) = nullptr;
  double (*sum_squares)(const void* x, bool half, int64_t n) = nullptr;

  // peak.cpp. Operations that were done (2 a multiply-add); bytes that were read, in 1, 2, 4 or 8 streams.
  double (*peak_f32)(int64_t rounds) = nullptr;
  double (*peak_bf16)(int64_t rounds) = nullptr;
  double (*peak_int8)(int64_t rounds) = nullptr;
  int64_t (*read)(const void* data, int64_t bytes, int streams, bool prefetch) = nullptr;
};

#define MINKE_DECLARE_FILL(isa)           \
  namespace isa {                         \
  void fill_gemm(Kernels&);               \
  void fill_integer_gemm(Kernels&);       \
  void fill_attention(Kernels&);          \
  void fill_attention_backward(Kernels&); \
  void fill_cached(Kernels&);             \
  void fill_latents(Kernels&);            \
  void fill_rows(Kernels&);               \
  void fill_streams(Kernels&);            \
  void fill_peak(Kernels&);               \
  }
MINKE_DECLARE_FILL(baseline)
// Not all of these are there: layer.cmake says which an instruction set has of its own.
MINKE_DECLARE_FILL(avx2)
MINKE_DECLARE_FILL(avx2_vnni)
MINKE_DECLARE_FILL(avx512)
MINKE_DECLARE_FILL(avx512_vnni)
MINKE_DECLARE_FILL(avx512_bf16)
MINKE_DECLARE_FILL(amx_bf16)
#undef MINKE_DECLARE_FILL

}  // namespace minke::cpu
