// Work row by row: norm, rotation, activation, loss. Equations in kernels/ops.h.
#include "kernels/cpu/isa/kernels.h"
#include "kernels/cpu/isa/simd.h"

namespace minke::cpu {
namespace {

MINKE_INLINE char* row_at(const Rows& r, int64_t i) {
  const int64_t offset = r.inner == 1 ? i * r.outer_stride : i / r.inner * r.outer_stride + i % r.inner * r.stride;
  return static_cast<char*>(r.data) + offset * (r.half ? 2 : 4);
}

// f(i, n) for the vectors of a row of `width`; n < kWidth in the last one only.
template <class F> MINKE_INLINE void each(int64_t begin, int64_t end, F&& f) {
  int64_t i = begin;
  for (; i + kWidth <= end; i += kWidth) f(i, int64_t(kWidth));
  if (i < end) f(i, end - i);
}

float* rstd_at(const NormJob& job, int64_t r) {
  return job.rstd + r / job.rstd_inner * job.rstd_outer_stride + r % job.rstd_inner * job.rstd_stride;
}

void rms_norm(const NormJob& job, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const char* x = row_at(job.x, r);
    char* y = row_at(job.y, r);
    vf squares = {};
    each(0, job.width, [&](int64_t i, int64_t n) {
      const vf v = load(x, job.x.half, i, n);
      squares = fma(v, v, squares);
    });
    const float rstd = 1 / __builtin_sqrtf(sum(squares) / float(job.width) + job.eps);
    each(0, job.width, [&](int64_t i, int64_t n) {
      store(y, job.y.half, i, n, load(x, job.x.half, i, n) * rstd * load(job.gain.data, job.gain.half, i, n));
    });
    if (job.rstd) *rstd_at(job, r) = rstd;
  }
}

void rms_norm_backward(const NormJob& job, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const char *x = row_at(job.x, r), *dy = row_at(job.dy, r);
    char* dx = row_at(job.dx, r);
    const float rstd = *rstd_at(job, r);
    vf products = {};
    each(0, job.width, [&](int64_t i, int64_t n) {
      const vf slope = load(dy, job.dy.half, i, n) * load(job.gain.data, job.gain.half, i, n);
      products = fma(slope, load(x, job.x.half, i, n), products);
    });
    const float along = rstd * rstd * (sum(products) / float(job.width));
    each(0, job.width, [&](int64_t i, int64_t n) {
      const vf slope = load(dy, job.dy.half, i, n) * load(job.gain.data, job.gain.half, i, n);
      vf d = (slope - load(x, job.x.half, i, n) * along) * rstd;
      if (job.accumulate) d += load(dx, job.dx.half, i, n);
      store(dx, job.dx.half, i, n, d);
    });
  }
}

// Sums over rows, `vectors` next to each other at a time: every row is another place in memory, and a visit should pay.
template <int vectors> MINKE_INLINE void norm_gain(const NormJob& job, int64_t i, int64_t n) {
  constexpr int64_t kRowsAhead = 8;
  vf total[vectors] = {};
  for (int64_t r = 0; r < job.num_rows; ++r) {
    const char *dy = row_at(job.dy, r), *x = row_at(job.x, r);
    const float rstd = *rstd_at(job, r);
    if (r + kRowsAhead < job.num_rows) {
      const char *next_dy = row_at(job.dy, r + kRowsAhead) + i * (job.dy.half ? 2 : 4),
                 *next_x = row_at(job.x, r + kRowsAhead) + i * (job.x.half ? 2 : 4);
#pragma GCC unroll 4
      for (int line = 0; line < vectors * kWidth * 4; line += 64) {
        if (line == 0 || !job.dy.half) __builtin_prefetch(next_dy + line);
        if (line == 0 || !job.x.half) __builtin_prefetch(next_x + line);
      }
    }
#pragma GCC unroll 16
    for (int v = 0; v < vectors; ++v)
      total[v] = fma(load(dy, job.dy.half, i + v * kWidth, n) * rstd, load(x, job.x.half, i + v * kWidth, n), total[v]);
  }
  for (int v = 0; v < vectors; ++v)
    store(job.dgain, false, i + v * kWidth, n, load(job.dgain, false, i + v * kWidth, n) + total[v]);
}
void rms_norm_gain(const NormJob& job, int64_t begin, int64_t end) {
  constexpr int kVectors = 64 / kWidth;
  for (; begin + 64 <= end; begin += 64) norm_gain<kVectors>(job, begin, kWidth);
  each(begin, end, [&](int64_t i, int64_t n) { norm_gain<1>(job, i, n); });
}

MINKE_INLINE vf swap_pairs(vf x) {
#if defined(__AVX512F__)
  return vf(_mm512_maskz_permute_ps(0xffff, __m512(x), 0xb1));
#elif defined(__AVX2__)
  return vf(_mm256_permute_ps(__m256(x), 0xb1));
#else
  return vf{x[1], x[0], x[3], x[2]};
#endif
}

constexpr int64_t kMaxRotary = 1024;

void rope(const RopeJob& job, int64_t begin, int64_t end) {
  const int64_t half = job.width / 2;
  alignas(64) float cosine[kMaxRotary], sine[kMaxRotary];
  for (int64_t t = begin; t < end; ++t) {
    const float* angles = job.table + int64_t(job.positions[t]) * job.width;
    const float sign = job.inverse ? -1.0f : 1.0f;
    for (int64_t i = 0; i < half; ++i) {
      const float c = angles[i], s = angles[half + i] * sign;
      if (job.interleaved) cosine[2 * i] = cosine[2 * i + 1] = c, sine[2 * i] = -s, sine[2 * i + 1] = s;
      else cosine[i] = c, sine[i] = s;
    }
    for (int64_t h = 0; h < job.heads; ++h) {
      char* x = row_at(job.x, t * job.heads + h);
      if (job.interleaved) {
        each(0, job.width, [&](int64_t i, int64_t n) {
          const vf v = load(x, job.x.half, i, n);
          store(x, job.x.half, i, n, v * load(cosine, false, i, n) + swap_pairs(v) * load(sine, false, i, n));
        });
      } else {
        each(0, half, [&](int64_t i, int64_t n) {
          const vf c = load(cosine, false, i, n), s = load(sine, false, i, n);
          const vf a = load(x, job.x.half, i, n), b = load(x, job.x.half, half + i, n);
          store(x, job.x.half, i, n, a * c - b * s);
          store(x, job.x.half, half + i, n, b * c + a * s);
        });
      }
    }
  }
}

void swiglu(const SwigluJob& job, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const char* in = row_at(job.gate_up, r);
    char* y = row_at(job.y, r);
    const float weight = job.weight ? job.weight[r] : 1;
    each(0, job.width, [&](int64_t i, int64_t n) {
      const vf g = load(in, job.gate_up.half, i, n), u = load(in, job.gate_up.half, job.width + i, n);
      store(y, job.y.half, i, n, g * sigmoid(g) * u * weight);
    });
  }
}

void swiglu_backward(const SwigluJob& job, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const char *in = row_at(job.gate_up, r), *dy = row_at(job.y, r);
    char* out = row_at(job.d_gate_up, r);
    const float weight = job.weight ? job.weight[r] : 1;
    vf d_weight = {};
    each(0, job.width, [&](int64_t i, int64_t n) {
      const vf g = load(in, job.gate_up.half, i, n), u = load(in, job.gate_up.half, job.width + i, n);
      const vf d = load(dy, job.y.half, i, n), s = sigmoid(g), silu = g * s;
      d_weight += d * silu * u;
      const vf scaled = d * weight;
      store(out, job.d_gate_up.half, i, n, scaled * u * (s + silu * (1.0f - s)));
      store(out, job.d_gate_up.half, job.width + i, n, scaled * silu);
    });
    if (job.d_weight) job.d_weight[r] = sum(d_weight);
  }
}

void cross_entropy(const CrossEntropyJob& job, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    char* x = row_at(job.logits, r);
    const bool half = job.logits.half;
    const int64_t target = job.target[r];
    if (target < 0) {
      job.loss[r] = 0;
      if (job.entropy) job.entropy[r] = 0;
      if (job.gradient) each(0, job.width, [&](int64_t i, int64_t n) { store(x, half, i, n, vf{}); });
      continue;
    }
    vf top = splat(-kInfinity);
    each(0, job.width, [&](int64_t i, int64_t n) {
      vf v = load(x, half, i, n);
      if (n < kWidth) v = iota() < splat_i(int32_t(n)) ? v : splat(-kInfinity);
      top = max(top, v);
    });
    const float maximum = max_lane(top);
    const float tau = job.inverse_temperature, weight = job.grad_scale * tau * (job.weight ? job.weight[r] : 1);
    const auto centred = [&](int64_t i, int64_t n) { return (load(x, half, i, n) - maximum) * tau; };
    const auto in_row = [&](const vf& v, int64_t n) {
      return n < kWidth ? (iota() < splat_i(int32_t(n)) ? v : vf{}) : v;
    };
    vf total = {};
    each(0, job.width, [&](int64_t i, int64_t n) { total += in_row(exp(centred(i, n)), n); });
    const float all = sum(total), at_target = (load_scalar(x, half, target) - maximum) * tau;
    job.loss[r] = __builtin_logf(all) - at_target;
    if (job.entropy) {
      vf expected = {};
      each(0, job.width, [&](int64_t i, int64_t n) {
        const vf z = centred(i, n);
        expected += in_row(exp(z) * z, n);
      });
      job.entropy[r] = __builtin_logf(all) - sum(expected) / all;
    }
    if (!job.gradient) continue;
    const float scale = weight / all;
    each(0, job.width, [&](int64_t i, int64_t n) { store(x, half, i, n, exp(centred(i, n)) * scale); });
    const float p = exp(splat(at_target))[0] / all;
    store_scalar(x, half, target, (p - 1) * weight);
  }
}

// The listed tokens are taken out of the row, so that one sum over it, in its fixed order, is that of the others; what is left are a
// few numbers a row, which are computed in double.
void soft_cross_entropy(const SoftCrossEntropyJob& job, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    char* x = row_at(job.logits, r);
    const bool half = job.logits.half;
    const int64_t target = job.target[r];
    if (target < 0) {
      job.loss[r] = 0;
      if (job.gradient) each(0, job.width, [&](int64_t i, int64_t n) { store(x, half, i, n, vf{}); });
      continue;
    }
    const int32_t* tokens = job.soft_token + r * job.count;
    const char* probability = row_at(job.probability, r);
    float listed[kMaxListed];
    double p[kMaxListed], mass = 0, at_target = load_scalar(x, half, target);
    int64_t in_list = -1, count = 0;
    for (int64_t k = 0; k < job.count; ++k) {
      if (tokens[k] < 0) continue;
      if (tokens[k] == target) in_list = k;
      ++count;
      listed[k] = load_scalar(x, half, tokens[k]);
      mass += p[k] = load_scalar(probability, job.probability.half, k);
      store_scalar(x, half, tokens[k], -kInfinity);
    }
    vf top = splat(-kInfinity);
    each(0, job.width, [&](int64_t i, int64_t n) {
      vf v = load(x, half, i, n);
      if (n < kWidth) v = iota() < splat_i(int32_t(n)) ? v : splat(-kInfinity);
      top = max(top, v);
    });
    const bool others = count < job.width;
    const float maximum = others ? max_lane(top) : 0;
    const auto powers = [&](int64_t i, int64_t n) { return exp(load(x, half, i, n) - maximum); };
    vf total = {};
    each(0, job.width, [&](int64_t i, int64_t n) {
      const vf v = powers(i, n);
      total += n < kWidth ? (iota() < splat_i(int32_t(n)) ? v : vf{}) : v;
    });
    const double of_others = others ? double(sum(total)) : 0;
    const double rest = others && mass < 1 ? 1 - mass : 0, share = count > 0 ? job.share : 0;
    double largest = others ? double(maximum) : -__builtin_inf();
    for (int64_t k = 0; k < job.count; ++k)
      if (tokens[k] >= 0 && !(listed[k] <= largest)) largest = listed[k];
    const double others_scale = others ? __builtin_exp(maximum - largest) : 0;
    double z = others_scale * of_others;
    for (int64_t k = 0; k < job.count; ++k)
      if (tokens[k] >= 0) z += __builtin_exp(listed[k] - largest);
    const double log_z = largest + __builtin_log(z);
    double soft = rest > 0 ? rest * (log_z - (double(maximum) + __builtin_log(of_others))) : 0;
    for (int64_t k = 0; k < job.count; ++k)
      if (tokens[k] >= 0) soft += p[k] * (log_z - listed[k]);
    job.loss[r] = float(share < 1 ? (1 - share) * (log_z - at_target) + share * soft : soft);
    if (!job.gradient) {
      for (int64_t k = 0; k < job.count; ++k)
        if (tokens[k] >= 0) store_scalar(x, half, tokens[k], listed[k]);
      continue;
    }
    const double weight = job.grad_scale * (job.weight ? double(job.weight[r]) : 1);
    const double of_q = 1 - share + share * (mass + rest);  // what q counts in the gradient
    const double scale = others ? weight * (of_q * others_scale / z - share * rest / of_others) : 0;
    each(0, job.width, [&](int64_t i, int64_t n) { store(x, half, i, n, powers(i, n) * float(scale)); });
    for (int64_t k = 0; k < job.count; ++k) {
      if (tokens[k] < 0) continue;
      const double hard = k == in_list ? 1 - share : 0;
      store_scalar(x, half, tokens[k],
                   float(weight * (of_q * (__builtin_exp(listed[k] - largest) / z) - share * p[k] - hard)));
    }
    if (in_list < 0)
      store_scalar(x, half, target, float(scale * __builtin_exp(at_target - maximum) - weight * (1 - share)));
  }
}

}  // namespace

namespace MINKE_ISA {
void fill_rows(Kernels& kernels) {
  kernels.max_rotary = kMaxRotary;
  kernels.rms_norm = rms_norm;
  kernels.rms_norm_backward = rms_norm_backward;
  kernels.rms_norm_gain = rms_norm_gain;
  kernels.rope = rope;
  kernels.swiglu = swiglu;
  kernels.swiglu_backward = swiglu_backward;
  kernels.cross_entropy = cross_entropy;
  kernels.soft_cross_entropy = soft_cross_entropy;
}
}  // namespace MINKE_ISA

}  // namespace minke::cpu
