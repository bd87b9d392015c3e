// What the wrappers of the cpu backend share. A wrapper checks operands, lays out a job, and hands tasks of the chosen
// instruction set's Kernels to the threads. Results never depend on which thread runs a task, nor on how many there are.
// Tests: tests/kernels/.
#pragma once
#include <algorithm>
#include <initializer_list>
#include <source_location>

#include "core/divided_up.h"
#include "core/error.h"
#include "core/operand.h"
#include "kernels/cpu/backend.h"
#include "kernels/cpu/isa/kernels.h"

namespace minke::cpu {

constexpr int64_t kMaxExperts = 1024;  // of a router

#define MINKE_DECLARE_CPU(op, Args) void op(const Kernels& kernels, const Context& ctx, const Args& args);
MINKE_OPS(MINKE_DECLARE_CPU)
#undef MINKE_DECLARE_CPU
size_t packed_bytes(const Kernels& kernels, int64_t k, int64_t n, DType compute);
// Multiply-adds of bf16 on registers of this thread, operations per second, with each of these in turn: the best of several
// tries, a few milliseconds in all. By the clock of this thread, which other programs do not slow.
std::vector<double> bf16_rates(const std::vector<const Kernels*>& candidates);
// What the op takes from the scratch arena, by the function with which it does so: CpuBackend::scratch_of.
#define MINKE_CPU_SCRATCH_OPS(X) \
  X(GemmArgs)                    \
  X(AttentionArgs)               \
  X(AttentionBackwardArgs)       \
  X(CachedAttentionArgs)         \
  X(GatherArgs) X(BalanceArgs) X(DropTokensArgs) X(PermutePlanArgs) X(AdamWArgs) X(SumSquaresArgs)
#define MINKE_DECLARE_SCRATCH(Args) size_t scratch_of(const Kernels& kernels, int threads, const Args& args);
MINKE_CPU_SCRATCH_OPS(MINKE_DECLARE_SCRATCH)
#undef MINKE_DECLARE_SCRATCH
template <class Take> size_t measured(Take take) {
  Arena measure;
  take(measure);
  return measure.high_water();
}
template <class T> T* take(Arena& arena, int64_t count) {
  return static_cast<T*>(arena.take_bytes(size_t(count) * sizeof(T)));
}

inline void expect_shape(const Operand& o, std::initializer_list<int64_t> shape, const char* what,
                         SourceLocation where = SourceLocation::current()) {
  check(o.rank == int8_t(shape.size()) && std::equal(shape.begin(), shape.end(), o.shape.begin()) &&
            o.packing == Packing::none,
        what, where);
}

// bf16 (true) or f32 (false); the cpu backend computes with no other floating type.
inline bool is_half(const Operand& o, SourceLocation where = SourceLocation::current()) {
  check(o.dtype == DType::f32 || o.dtype == DType::bf16, "the cpu backend takes f32 and bf16 only", where);
  return o.dtype == DType::bf16;
}
inline bool is_bf16_compute(DType compute, SourceLocation where = SourceLocation::current()) {
  check(compute == DType::f32 || compute == DType::bf16, "the cpu backend computes in f32 and bf16 only", where);
  return compute == DType::bf16;
}

// f32 with the elements of the last axis next to each other.
inline float* f32_data(const Operand& o, SourceLocation where = SourceLocation::current()) {
  check(o.dtype == DType::f32 && (o.rank == 0 || o.shape[o.rank - 1] <= 1 || o.stride[o.rank - 1] == 1),
        "the cpu backend takes this operand in f32, its last axis dense", where);
  return static_cast<float*>(o.data);
}
inline int32_t* i32_data(const Operand& o, SourceLocation where = SourceLocation::current()) {
  check(o.dtype == DType::i32 && o.is_contiguous(), "an index operand is contiguous i32", where);
  return static_cast<int32_t*>(o.data);
}

// [N,D] or [N,H,D], or [D] as one row, the last axis dense.
inline Rows rows_of(const Operand& o, SourceLocation where = SourceLocation::current()) {
  check(1 <= o.rank && o.rank <= 3 && o.packing == Packing::none &&
            (o.shape[o.rank - 1] <= 1 || o.stride[o.rank - 1] == 1),
        "rows are [N,D] or [N,H,D] with a dense last axis", where);
  Rows r{o.data, is_half(o, where), 1, 0, 0};
  if (o.rank >= 2) r.outer_stride = o.stride[0];
  if (o.rank == 3) r.inner = std::max<int64_t>(o.shape[1], 1), r.stride = o.stride[1];
  return r;
}
inline int64_t num_rows(const Operand& o) {
  int64_t n = 1;
  for (int d = 0; d + 1 < o.rank; ++d) n *= o.shape[d];
  return n;
}
inline int64_t row_length(const Operand& o) { return o.shape[o.rank - 1]; }
inline char* row_data(const Rows& r, int64_t i) {
  return static_cast<char*>(r.data) + (i / r.inner * r.outer_stride + i % r.inner * r.stride) * (r.half ? 2 : 4);
}
// u8 [slots,bytes] or [slots,1,bytes]. In latents.cpp.
LatentRows latent_rows(const Operand& cache, int64_t channels, int64_t rotary);
inline Matrix matrix_of(const Operand& o, SourceLocation where = SourceLocation::current()) {
  check((o.rank == 2 || o.rank == 3) && o.packing == Packing::none, "a matrix has rank 2, or 3 with groups", where);
  const int r = o.rank - 2;
  return {o.data, is_half(o, where), o.stride[r], o.stride[r + 1], r ? o.stride[0] : 0};
}

// An index in [0, n), checked: a wrong one must not reach memory.
inline int64_t bounded(int64_t index, int64_t n, const char* what) {
  if (!(0 <= index && index < n))
    bug(fmt::format("{}: index {} outside [0, {})", what, index, n), SourceLocation::current());
  return index;
}

// f(begin, end) over [0, n) in tasks of about 32 thousand element operations.
template <class F> void in_chunks(const Context& ctx, int64_t n, int64_t work_per_item, F&& f) {
  if (n <= 0) return;
  const int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(work_per_item, 1));
  const int64_t tasks = divided_up(n, grain);
  if (tasks == 1) return f(int64_t(0), n);
  ctx.threads->for_each(tasks, [&](int64_t task, int) { f(task * grain, std::min(n, (task + 1) * grain)); });
}

// f(begin, end) over the columns of a sum over rows, in blocks of whole cache lines.
template <class F> void in_columns(const Context& ctx, int64_t width, F&& f) {
  constexpr int64_t kColumns = 64;
  ctx.threads->for_each(divided_up(width, kColumns),
                        [&](int64_t task, int) { f(task * kColumns, std::min(width, (task + 1) * kColumns)); });
}

inline int64_t limited_rows(const Operand& count, int64_t rows) {
  return count ? std::clamp<int64_t>(i32_data(count)[0], 0, rows) : rows;
}

}  // namespace minke::cpu
