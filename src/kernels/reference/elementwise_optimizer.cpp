// Elementwise ops, AdamW (Loshchilov & Hutter 2019, with decay decoupled), sums of squares, host ↔ device.
#include <cmath>
#include <cstring>

#include "kernels/reference/access.h"

namespace minke::reference {

void add(const Context&, const AddArgs& args) {
  check(args.x.rank == args.y.rank && args.x.shape == args.y.shape, "add: shapes");
  with_scalar(args.y.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    for (int64_t i = 0; i < args.y.size(); ++i)
      store_flat(args.y, i, load_flat<S>(args.y, i) + load_flat<S>(args.x, i));
  });
}

void dropout(const Context&, const DropoutArgs& args) {
  check(args.x.rank == 2 && args.rate >= 0 && args.dropped_of_65536() < 65536, "dropout: x is [N,D], rate below 1");
  const int64_t N = args.x.shape[0], D = args.x.shape[1];
  for (int64_t n = 0; n < N; ++n)
    for (int64_t d = 0; d < D; ++d) {
      const auto i = uint64_t((args.first_row + n) * D + d);
      const uint32_t word = args.key.bits(i / 8)[i % 8 / 2], piece = i % 2 ? word >> 16 : word & 0xffff;
      const double factor = piece < args.dropped_of_65536() ? 0 : args.scale();
      with_scalar(args.x.dtype, [&](auto scalar) {
        using S = decltype(scalar);
        store(args.x, load<S>(args.x, n, d) * S(factor), n, d);
      });
    }
}

void ema(const Context&, const EmaArgs& args) {
  check(args.average.size() == args.value.size(), "ema: shapes");
  with_scalar(args.average.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    for (int64_t i = 0; i < args.average.size(); ++i)
      store_flat(args.average, i,
                 S(args.decay) * load_flat<S>(args.average, i) + S(1 - args.decay) * load_flat<S>(args.value, i));
  });
}

void copy(const Context&, const CopyArgs& args) {
  check(args.src.rank == args.dst.rank && args.src.shape == args.dst.shape, "copy: shapes");
  for (int64_t i = 0; i < args.dst.size(); ++i) store_flat(args.dst, i, load_flat<double>(args.src, i));
}

void fill(const Context&, const FillArgs& args) {
  for (int64_t i = 0; i < args.dst.size(); ++i) store_flat(args.dst, i, args.value);
}

void fill_normal(const Context&, const FillNormalArgs& args) {
  check(args.dst.is_contiguous(), "fill_normal: contiguous");
  for (int64_t i = 0; i < args.dst.size(); ++i) store_flat(args.dst, i, args.stddev * args.key.normal(uint64_t(i)));
}

void bias_grad(const Context&, const BiasGradArgs& args) {
  check(args.dy.rank == 2, "bias_grad: dy is [N,D]");
  const int64_t N = args.dy.shape[0], D = args.dy.shape[1];
  expect_shape(args.dbias, {D}, "bias_grad: dbias is [D]");
  with_scalar(args.dbias.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    for (int64_t d = 0; d < D; ++d) {
      S sum = 0;
      for (int64_t n = 0; n < N; ++n) sum += load<S>(args.dy, n, d);
      store(args.dbias, load<S>(args.dbias, d) + sum, d);
    }
  });
}

void add_bias(const Context&, const AddBiasArgs& args) {
  check(args.y.rank == 2, "add_bias: y is [N,D]");
  const int64_t N = args.y.shape[0], D = args.y.shape[1];
  expect_shape(args.bias, {D}, "add_bias: bias is [D]");
  with_scalar(args.y.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    for (int64_t n = 0; n < N; ++n)
      for (int64_t d = 0; d < D; ++d) store(args.y, load<S>(args.y, n, d) + load<S>(args.bias, d), n, d);
  });
}

// The update uses the new moments before they are rounded for storage.
void adamw(const Context&, const AdamWArgs& args) {
  const double correction1 = 1 - std::pow(args.beta1, double(args.step));
  const double correction2 = 1 - std::pow(args.beta2, double(args.step));
  for (int64_t t = 0; t < args.num_tensors; ++t) {
    const AdamTensor& tensor = args.tensors[t];
    const int64_t n = tensor.param.size();
    check(tensor.grad.size() == n && tensor.m.size() == n && tensor.v.size() == n, "adamw: shapes");
    with_scalar(tensor.param.dtype, [&](auto scalar) {
      using S = decltype(scalar);
      for (int64_t i = 0; i < n; ++i) {
        const S g = load_flat<S>(tensor.grad, i) * S(args.grad_scale), p = load_flat<S>(tensor.param, i);
        const S m = S(args.beta1) * load_flat<S>(tensor.m, i) + S(1 - args.beta1) * g;
        const S v = S(args.beta2) * load_flat<S>(tensor.v, i) + S(1 - args.beta2) * g * g;
        const S step = m / S(correction1) / (std::sqrt(v / S(correction2)) + S(args.eps));
        store_flat(tensor.m, i, m);
        store_flat(tensor.v, i, v);
        store_flat(tensor.param, i, p - S(args.lr) * (step + S(tensor.weight_decay) * p));
      }
    });
  }
}

void sum_squares(const Context&, const SumSquaresArgs& args) {
  expect_shape(args.out, {args.num_tensors}, "sum_squares: out is [num_tensors]");
  for (int64_t t = 0; t < args.num_tensors; ++t) {
    double sum = 0;
    for (int64_t i = 0; i < args.tensors[t].size(); ++i) {
      const double x = load_flat<double>(args.tensors[t], i);
      sum += x * x;
    }
    store(args.out, sum, t);
  }
}

void upload(const Context&, const UploadArgs& args) {
  check(args.device.is_contiguous(), "upload: contiguous");
  if (args.device.bytes()) std::memcpy(args.device.data, args.host, args.device.bytes());
}

void download(const Context&, const DownloadArgs& args) {
  check(args.device.is_contiguous(), "download: contiguous");
  if (args.device.bytes()) std::memcpy(args.host, args.device.data, args.device.bytes());
}

}  // namespace minke::reference
