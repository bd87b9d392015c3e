// Elementwise ops, optimizer, host ↔ device: checks and the cut into tasks. The arithmetic is in isa/streams.cpp.
#include <cmath>
#include <cstring>

#include "kernels/cpu/common.h"

namespace minke::cpu {
namespace {

constexpr int64_t kChunk = 32768;  // elements of a task; part of the order of additions of sum_squares

bool is_float(DType t) { return t == DType::f32 || t == DType::bf16; }

double load_any(const Operand& o, int64_t i) {
  switch (o.dtype) {
    case DType::f64: return static_cast<const double*>(o.data)[i];
    case DType::f32: return static_cast<const float*>(o.data)[i];
    case DType::bf16: return static_cast<const bf16*>(o.data)[i];
    case DType::f16: return static_cast<const f16*>(o.data)[i];
    case DType::i32: return static_cast<const int32_t*>(o.data)[i];
    default: bug("the cpu backend cannot read this dtype", SourceLocation::current());
  }
}
void store_any(const Operand& o, int64_t i, double x) {
  switch (o.dtype) {
    case DType::f64: static_cast<double*>(o.data)[i] = x; break;
    case DType::f32: static_cast<float*>(o.data)[i] = float(x); break;
    case DType::bf16: static_cast<bf16*>(o.data)[i] = bf16(float(x)); break;
    case DType::i32: static_cast<int32_t*>(o.data)[i] = int32_t(x); break;
    default: bug("the cpu backend cannot write this dtype", SourceLocation::current());
  }
}

// x and y as [outer, width] with dense rows where they allow it: f(x offset, y offset, elements, x step, y step).
// Offsets and steps count elements. Two contiguous operands are cut into long pieces.
template <class F> void for_runs(const Context& ctx, const Operand& x, const Operand& y, F&& f) {
  check(x.rank == y.rank && x.shape == y.shape && x.packing == Packing::none && y.packing == Packing::none,
        "shapes differ");
  const int64_t n = x.size();
  if (x.is_contiguous() && y.is_contiguous()) {
    in_chunks(ctx, divided_up(n, kChunk), kChunk, [&](int64_t begin, int64_t end) {
      f(begin * kChunk, begin * kChunk, std::min(n, end * kChunk) - begin * kChunk, int64_t(1), int64_t(1));
    });
    return;
  }
  const int last = x.rank - 1;
  const int64_t width = x.shape[last];
  in_chunks(ctx, width ? n / width : 0, width, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      int64_t rest = r, at_x = 0, at_y = 0;
      for (int d = last - 1; d >= 0; --d) {
        at_x += rest % x.shape[d] * x.stride[d];
        at_y += rest % x.shape[d] * y.stride[d];
        rest /= x.shape[d];
      }
      f(at_x, at_y, width, x.stride[last], y.stride[last]);
    }
  });
}

char* element(const Operand& o, int64_t i) { return static_cast<char*>(o.data) + i * int64_t(size_of(o.dtype)); }

}  // namespace

void add(const Kernels& kernels, const Context& ctx, const AddArgs& args) {
  const bool x_half = is_half(args.x), y_half = is_half(args.y);
  for_runs(ctx, args.x, args.y, [&](int64_t x, int64_t y, int64_t n, int64_t x_step, int64_t y_step) {
    if (n <= 1 || (x_step == 1 && y_step == 1))
      return kernels.add_row(element(args.y, y), y_half, element(args.x, x), x_half, n);
    for (int64_t i = 0; i < n; ++i)
      kernels.add_row(element(args.y, y + i * y_step), y_half, element(args.x, x + i * x_step), x_half, 1);
  });
}

void copy(const Kernels& kernels, const Context& ctx, const CopyArgs& args) {
  const Operand &src = args.src, &dst = args.dst;
  for_runs(ctx, src, dst, [&](int64_t x, int64_t y, int64_t n, int64_t x_step, int64_t y_step) {
    const bool dense = n <= 1 || (x_step == 1 && y_step == 1);
    if (dense && src.dtype == dst.dtype) std::memmove(element(dst, y), element(src, x), size_t(n) * size_of(src.dtype));
    else if (dense && is_float(src.dtype) && is_float(dst.dtype))
      kernels.copy_row(element(dst, y), dst.dtype == DType::bf16, element(src, x), src.dtype == DType::bf16, n);
    else
      for (int64_t i = 0; i < n; ++i) store_any(dst, y + i * y_step, load_any(src, x + i * x_step));
  });
}

void ema(const Kernels&, const Context& ctx, const EmaArgs& args) {
  check(args.average.is_contiguous() && args.value.is_contiguous() && args.average.size() == args.value.size(),
        "ema: contiguous, of one shape");
  float* average = f32_data(args.average);
  const float *value = f32_data(args.value), keep = float(args.decay), take = float(1 - args.decay);
  in_chunks(ctx, args.average.size(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) average[i] = keep * average[i] + take * value[i];
  });
}

void fill(const Kernels& kernels, const Context& ctx, const FillArgs& args) {
  const Operand& dst = args.dst;
  for_runs(ctx, dst, dst, [&](int64_t at, int64_t, int64_t n, int64_t step, int64_t) {
    if (is_float(dst.dtype) && (n <= 1 || step == 1))
      kernels.fill_row(element(dst, at), dst.dtype == DType::bf16, float(args.value), n);
    else
      for (int64_t i = 0; i < n; ++i) store_any(dst, at + i * step, args.value);
  });
}

void fill_normal(const Kernels&, const Context& ctx, const FillNormalArgs& args) {
  check(args.dst.is_contiguous(), "fill_normal: contiguous");
  in_chunks(ctx, args.dst.size(), 32, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) store_any(args.dst, i, args.stddev * args.key.normal(uint64_t(i)));
  });
}

void dropout(const Kernels& kernels, const Context& ctx, const DropoutArgs& args) {
  check(args.x.rank == 2 && args.rate >= 0 && args.dropped_of_65536() < 65536, "dropout: x is [N,D], rate below 1");
  const Rows x = rows_of(args.x);
  const int64_t width = args.x.shape[1];
  const DropoutJob job{args.key.seed, args.key.stream, args.dropped_of_65536(), float(args.scale())};
  in_chunks(ctx, args.x.shape[0], width * 4, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      kernels.dropout_row(job, row_data(x, r), x.half, uint64_t((args.first_row + r) * width), width);
  });
}

void bias_grad(const Kernels& kernels, const Context& ctx, const BiasGradArgs& args) {
  check(args.dy.rank == 2, "bias_grad: dy is [N,D]");
  expect_shape(args.dbias, {args.dy.shape[1]}, "bias_grad: dbias is [D]");
  const Rows dy = rows_of(args.dy);
  float* dbias = f32_data(args.dbias);
  in_columns(ctx, args.dy.shape[1],
             [&](int64_t begin, int64_t end) { kernels.column_sums(dbias, dy, args.dy.shape[0], begin, end); });
}

void add_bias(const Kernels& kernels, const Context& ctx, const AddBiasArgs& args) {
  check(args.y.rank == 2, "add_bias: y is [N,D]");
  expect_shape(args.bias, {args.y.shape[1]}, "add_bias: bias is [D]");
  const Rows y = rows_of(args.y), bias = rows_of(args.bias);
  in_chunks(ctx, args.y.shape[0], args.y.shape[1], [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      kernels.add_row(row_data(y, r), y.half, bias.data, bias.half, args.y.shape[1]);
  });
}

namespace {

// Chunks of many tensors as one list: starts[i] is the first chunk of tensor i.
template <class Size, class F>
void over_tensors(const Context& ctx, int64_t num_tensors, int64_t* starts, Size&& size_of_tensor, F&& f) {
  starts[0] = 0;
  for (int64_t i = 0; i < num_tensors; ++i) starts[i + 1] = starts[i] + divided_up(size_of_tensor(i), kChunk);
  ctx.threads->for_each(starts[num_tensors], [&](int64_t chunk, int) {
    const int64_t tensor = std::upper_bound(starts, starts + num_tensors + 1, chunk) - starts - 1;
    const int64_t begin = (chunk - starts[tensor]) * kChunk;
    f(tensor, chunk, begin, std::min(begin + kChunk, int64_t(size_of_tensor(tensor))));
  });
}

int64_t* take_starts(Arena& arena, int64_t num_tensors) { return take<int64_t>(arena, num_tensors + 1); }

struct SumScratch {
  double* partial;  // of every chunk
  int64_t* starts;
};
SumScratch take_scratch(Arena& arena, const SumSquaresArgs& args) {
  int64_t chunks = 0;
  for (int64_t i = 0; i < args.num_tensors; ++i) chunks += divided_up(args.tensors[i].size(), kChunk);
  return {take<double>(arena, chunks), take_starts(arena, args.num_tensors)};
}

}  // namespace

size_t scratch_of(const Kernels&, int, const AdamWArgs& args) {
  return measured([&](Arena& arena) { take_starts(arena, args.num_tensors); });
}
size_t scratch_of(const Kernels&, int, const SumSquaresArgs& args) {
  return measured([&](Arena& arena) { take_scratch(arena, args); });
}

void adamw(const Kernels& kernels, const Context& ctx, const AdamWArgs& args) {
  for (int64_t i = 0; i < args.num_tensors; ++i) {
    const AdamTensor& t = args.tensors[i];
    check(t.grad.size() == t.param.size() && t.m.size() == t.param.size() && t.v.size() == t.param.size(),
          "adamw: shapes");
    check(t.param.is_contiguous() && t.grad.is_contiguous() && t.m.is_contiguous() && t.v.is_contiguous(),
          "adamw: contiguous");
    check(!is_half(t.param) && !is_half(t.grad), "adamw: param and grad are f32");
    is_half(t.m), is_half(t.v);
  }
  const double correction1 = 1 - std::pow(args.beta1, double(args.step)),
               correction2 = 1 - std::pow(args.beta2, double(args.step));
  ArenaScope scope(*ctx.scratch);
  over_tensors(
      ctx, args.num_tensors, take_starts(*ctx.scratch, args.num_tensors),
      [&](int64_t i) { return args.tensors[i].param.size(); },
      [&](int64_t i, int64_t, int64_t begin, int64_t end) {
        const AdamTensor& t = args.tensors[i];
        AdamJob job;
        job.param = static_cast<float*>(t.param.data), job.grad = static_cast<const float*>(t.grad.data);
        job.m = t.m.data, job.m_half = is_half(t.m);
        job.v = t.v.data, job.v_half = is_half(t.v);
        job.step_size = float(args.lr / correction1), job.v_correction = float(1 / correction2);
        job.beta1 = float(args.beta1), job.beta2 = float(args.beta2);
        job.rest1 = float(1 - args.beta1), job.rest2 = float(1 - args.beta2);
        job.eps = float(args.eps), job.decay = float(args.lr * t.weight_decay), job.grad_scale = float(args.grad_scale);
        kernels.adamw(job, begin, end);
      });
}

void sum_squares(const Kernels& kernels, const Context& ctx, const SumSquaresArgs& args) {
  expect_shape(args.out, {args.num_tensors}, "sum_squares: out is [num_tensors]");
  check(args.out.dtype == DType::f64 && args.out.is_contiguous(), "sum_squares: out is contiguous f64");
  for (int64_t i = 0; i < args.num_tensors; ++i) {
    check(args.tensors[i].is_contiguous(), "sum_squares: contiguous");
    is_half(args.tensors[i]);
  }
  ArenaScope scope(*ctx.scratch);
  const auto [partial, starts] = take_scratch(*ctx.scratch, args);
  over_tensors(
      ctx, args.num_tensors, starts, [&](int64_t i) { return args.tensors[i].size(); },
      [&, partial = partial](int64_t i, int64_t chunk, int64_t begin, int64_t end) {
        partial[chunk] = kernels.sum_squares(element(args.tensors[i], begin), is_half(args.tensors[i]), end - begin);
      });
  auto* out = static_cast<double*>(args.out.data);
  for (int64_t i = 0; i < args.num_tensors; ++i) {
    out[i] = 0;
    for (int64_t c = starts[i]; c < starts[i + 1]; ++c) out[i] += partial[c];
  }
}

void upload(const Kernels&, const Context&, const UploadArgs& args) {
  check(args.device.is_contiguous(), "upload: contiguous");
  if (args.device.bytes()) std::memcpy(args.device.data, args.host, args.device.bytes());
}

void download(const Kernels&, const Context&, const DownloadArgs& args) {
  check(args.device.is_contiguous(), "download: contiguous");
  if (args.device.bytes()) std::memcpy(args.host, args.device.data, args.device.bytes());
}

}  // namespace minke::cpu
