// Work on long streams of elements: copies, sums of rows, the optimizer. Equations in kernels/ops.h.
#include "kernels/cpu/isa/simd.h"
#include "kernels/cpu/isa/table.h"

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
void fill_streams(Table& table) {
  table.add_row = add_row;
  table.copy_row = copy_row;
  table.fill_row = fill_row;
  table.sum_rows = sum_rows;
  table.column_sums = column_sums;
  table.adamw = adamw;
  table.sum_squares = sum_squares;
}
}  // namespace MINKE_ISA

}  // namespace minke::cpu
