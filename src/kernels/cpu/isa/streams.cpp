// Work on long streams of elements: copies, sums of rows, the optimizer. Equations in kernels/ops.h.
#include "kernels/cpu/isa/kernels.h"
#include "kernels/cpu/isa/simd.h"

namespace minke::cpu {
namespace {

template <class F> MINKE_INLINE void each(int64_t begin, int64_t end, F&& f) {
  int64_t i = begin;
  for (; i + kWidth <= end; i += kWidth) f(i, int64_t(kWidth));
  if (i < end) f(i, end - i);
}

MINKE_INLINE const char* row_at(const Rows& r, int64_t i) {
  return static_cast<const char*>(r.data) + (i / r.inner * r.outer_stride + i % r.inner * r.stride) * (r.half ? 2 : 4);
}

void add_row(void* y, bool y_half, const void* x, bool x_half, int64_t width) {
  each(0, width, [&](int64_t i, int64_t n) { store(y, y_half, i, n, load(y, y_half, i, n) + load(x, x_half, i, n)); });
}

void copy_row(void* y, bool y_half, const void* x, bool x_half, int64_t width) {
  if (y_half == x_half) __builtin_memmove(y, x, size_t(width) * (x_half ? 2 : 4));
  else each(0, width, [&](int64_t i, int64_t n) { store(y, y_half, i, n, load(x, x_half, i, n)); });
}

void fill_row(void* y, bool y_half, float value, int64_t width) {
  each(0, width, [&](int64_t i, int64_t n) { store(y, y_half, i, n, splat(value)); });
}

// Philox4x32-10 (core/rng.h) of as many blocks as a vector has 64-bit lanes, from block `first` on: 8 pieces each.
typedef uint64_t vq __attribute__((vector_size(kWidth * 4)));
constexpr int kBlocks = kWidth / 2;

MINKE_INLINE void random_pieces(const DropoutJob& job, uint64_t first, uint16_t* pieces) {
  constexpr uint64_t kLow = 0xffffffff, kM0 = 0xD2511F53, kM1 = 0xCD9E8D57;
  vq c0 = {}, c1, c2 = (job.stream & kLow) - vq{}, c3 = (job.stream >> 32) - vq{};
  for (int i = 0; i < kBlocks; ++i) c0[i] = first + uint64_t(i);
  c1 = c0 >> 32, c0 &= kLow;
  uint64_t k0 = job.seed & kLow, k1 = job.seed >> 32;
  for (int round = 0; round < 10; ++round) {
    const vq p0 = c0 * kM0, p1 = c2 * kM1;
    c0 = p1 >> 32 ^ c1 ^ k0, c1 = p1 & kLow;
    c2 = p0 >> 32 ^ c3 ^ k1, c3 = p0 & kLow;
    k0 = (k0 + 0x9E3779B9u) & kLow, k1 = (k1 + 0xBB67AE85u) & kLow;
  }
  const vq low = c0 | c1 << 32, high = c2 | c3 << 32;
  for (int i = 0; i < kBlocks; ++i)
    for (int j = 0; j < 8; ++j) pieces[8 * i + j] = uint16_t((j < 4 ? low[i] : high[i]) >> j % 4 * 16);
}

void dropout_row(const DropoutJob& job, void* x, bool x_half, uint64_t first, int64_t width) {
  uint16_t pieces[8 * kBlocks + kWidth] = {};  // loads run over the end
  const vi scale = vi(splat(job.scale));
  for (int64_t done = 0; done < width;) {
    const uint64_t at = first + uint64_t(done), skip = at % 8;
    random_pieces(job, at / 8, pieces);
    const int64_t end = smaller(width, done + 8 * kBlocks - int64_t(skip));
    each(done, end, [&](int64_t i, int64_t n) {
      const vi piece = __builtin_convertvector(load_as<vh>(pieces + skip + (i - done)), vi);
      store(x, x_half, i, n, load(x, x_half, i, n) * vf((piece >= int32_t(job.below)) & scale));
    });
    done = end;
  }
}

void sum_rows(void* y, bool y_half, bool accumulate, const Rows& x, const int32_t* rows, int64_t count, int64_t width) {
  each(0, width, [&](int64_t i, int64_t n) {
    vf total = {};
    for (int64_t k = 0; k < count; ++k)
      if (rows[k] >= 0) total += load(row_at(x, rows[k]), x.half, i, n);
    store(y, y_half, i, n, accumulate ? load(y, y_half, i, n) + total : total);
  });
}

void column_sums(float* y, const Rows& x, int64_t num_rows, int64_t begin, int64_t end) {
  each(begin, end, [&](int64_t i, int64_t n) {
    vf total = {};
    for (int64_t r = 0; r < num_rows; ++r) total += load(row_at(x, r), x.half, i, n);
    store(y, false, i, n, load(y, false, i, n) + total);
  });
}

void adamw(const AdamJob& job, int64_t begin, int64_t end) {
  each(begin, end, [&](int64_t i, int64_t n) {
    const vf g = load(job.grad, false, i, n) * job.grad_scale, p = load(job.param, false, i, n);
    const vf m = fma(load(job.m, job.m_half, i, n), splat(job.beta1), g * job.rest1);
    const vf v = fma(load(job.v, job.v_half, i, n), splat(job.beta2), g * g * job.rest2);
    store(job.m, job.m_half, i, n, m);
    store(job.v, job.v_half, i, n, v);
    const vf step = m * job.step_size / (sqrt(v * job.v_correction) + job.eps);
    store(job.param, false, i, n, p - step - p * job.decay);
  });
}

typedef float vf_half __attribute__((vector_size(kWidth * 2)));

double sum_squares(const void* x, bool half, int64_t width) {
  vd low = {}, high = {};
  each(0, width, [&](int64_t i, int64_t n) {
    float t[kWidth];
    store_as(t, load(x, half, i, n));
    const vd a = __builtin_convertvector(load_as<vf_half>(t), vd);
    const vd b = __builtin_convertvector(load_as<vf_half>(t + kWidth / 2), vd);
    low += a * a;
    high += b * b;
  });
  low += high;
  double t[kWidth / 2], total = 0;
  store_as(t, low);
  for (double v : t) total += v;
  return total;
}

}  // namespace

namespace MINKE_ISA {
void fill_streams(Kernels& kernels) {
  kernels.add_row = add_row;
  kernels.copy_row = copy_row;
  kernels.fill_row = fill_row;
  kernels.dropout_row = dropout_row;
  kernels.sum_rows = sum_rows;
  kernels.column_sums = column_sums;
  kernels.adamw = adamw;
  kernels.sum_squares = sum_squares;
}
}  // namespace MINKE_ISA

}  // namespace minke::cpu
