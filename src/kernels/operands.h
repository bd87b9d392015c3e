// What an op is given: every operand of its arguments with its name, and what ops.h says of it: whether it is read or
// written, its format and its layout. For whoever must know without computing: a backend that is asked whether it
// supports the op, a dry run (dry_run.h), the tests' deferring backend.
// Tests: tests/kernels/supports_test.cpp, poison_test.cpp.
#pragma once
#include <algorithm>
#include <initializer_list>
#include <optional>

#include "kernels/ops.h"

namespace minke {

enum class Op : uint8_t {
#define MINKE_NAME_OP(op, Args) op,
  MINKE_OPS(MINKE_NAME_OP)
#undef MINKE_NAME_OP
};

#define MINKE_OP_OF(op, Args)                        \
  constexpr Op op_of(const Args&) { return Op::op; } \
  constexpr const char* name_of_op(const Args&) { return #op; }
MINKE_OPS(MINKE_OP_OF)
#undef MINKE_OP_OF

enum class Access : uint8_t { reads, writes, updates };
enum class Format : uint8_t {
  value,  // f32 or bf16: activations, weights, moments
  high,   // f32: statistics, the router, losses, gradients of weights
  sum,    // f64
  index,  // i32
  bytes,  // u8: rows of the FP8 cache
  any,    // moved, not computed with
};
enum class Layout : uint8_t {
  strided,
  rows,  // the last axis dense
  contiguous,
  packable,  // strided, Packing::panels or Packing::blocks
  panels,
  rows_or_packed,  // rows, or Packing::panels or Packing::blocks
};
struct OperandRule {
  const char* name;
  Access access;
  Format format = Format::value;
  Layout layout = Layout::rows;
};

// The format of a product's factors, where the op has one.
template <class Args> std::optional<DType> compute_of(const Args&) { return std::nullopt; }
inline std::optional<DType> compute_of(const GemmArgs& a) { return a.compute; }
inline std::optional<DType> compute_of(const PackWeightArgs& a) { return a.compute; }
inline std::optional<DType> compute_of(const AttentionArgs& a) { return a.compute; }
inline std::optional<DType> compute_of(const AttentionBackwardArgs& a) { return a.forward.compute; }
inline std::optional<DType> compute_of(const CachedAttentionArgs& a) { return a.compute; }

// f(operand, rule) for every operand that is there.
template <class F> class OperandVisitor {
 public:
  explicit OperandVisitor(F& f) : f_(f) {}

  void operator()(const GemmArgs& a) {
    see(a.a, {"a", reads, value, strided});
    see(a.b, {"b", reads, value, packable});
    see(a.c, {"c", a.accumulate ? updates : writes, value, strided});
    see(a.offsets, {"offsets", reads, index, contiguous});
  }
  void operator()(const PackWeightArgs& a) {
    see(a.b, {"b", reads, value, strided});
    see(a.packed, {"packed", writes, value, panels});
  }
  void operator()(const RmsNormArgs& a) {
    see(a.x, {"x", reads}), see(a.gain, {"gain", reads}), see(a.y, {"y", writes});
    see(a.rstd, {"rstd", writes, high, strided});
  }
  void operator()(const RmsNormBackwardArgs& a) {
    see(a.x, {"x", reads}), see(a.gain, {"gain", reads}), see(a.dy, {"dy", reads});
    see(a.rstd, {"rstd", reads, high, strided});
    see(a.dx, {"dx", a.accumulate ? updates : writes});
  }
  void operator()(const RmsNormGainArgs& a) {
    see(a.x, {"x", reads}), see(a.dy, {"dy", reads});
    see(a.rstd, {"rstd", reads, high, strided});
    see(a.dgain, {"dgain", updates, high});
  }
  void operator()(const RopeArgs& a) {
    see(a.x, {"x", updates});
    see(a.positions, {"positions", reads, index, contiguous});
    see(a.table, {"table", reads, high, contiguous});
  }
  void operator()(const SwigluArgs& a) {
    see(a.gate_up, {"gate_up", reads}), see(a.y, {"y", writes});
    see(a.row_weight, {"row_weight", reads, high});
    see(a.num_rows, {"num_rows", reads, index, contiguous});
  }
  void operator()(const SwigluBackwardArgs& a) {
    see(a.gate_up, {"gate_up", reads}), see(a.dy, {"dy", reads}), see(a.d_gate_up, {"d_gate_up", writes});
    see(a.row_weight, {"row_weight", reads, high}), see(a.d_row_weight, {"d_row_weight", writes, high});
    see(a.num_rows, {"num_rows", reads, index, contiguous});
  }
  void operator()(const AttentionArgs& a, bool backward = false) {
    const Access result = backward ? reads : writes;
    see(a.q, {"q", reads}), see(a.k, {"k", reads}), see(a.k_rope, {"k_rope", reads}), see(a.v, {"v", reads});
    see(a.out, {"out", result});
    see(a.lse, {"lse", result, high, strided});
    see(a.first_visible, {"first_visible", reads, index, contiguous});
  }
  void operator()(const AttentionBackwardArgs& a) {
    (*this)(a.forward, true);
    see(a.dout, {"dout", reads});
    see(a.dq, {"dq", writes}), see(a.dk, {"dk", writes}), see(a.dk_rope, {"dk_rope", writes}),
        see(a.dv, {"dv", writes});
  }
  void operator()(const CachedAttentionArgs& a) {
    see(a.q, {"q", reads}), see(a.v, {"v", reads}), see(a.out, {"out", writes});
    see(a.k, {"k", reads, a.k.dtype == DType::u8 ? bytes : value});
    see(a.row_offsets, {"row_offsets", reads, index, contiguous}), see(a.length, {"length", reads, index, contiguous});
    see(a.block_table, {"block_table", reads, index, rows});
  }
  void operator()(const StoreLatentsArgs& a) {
    see(a.latent, {"latent", reads}), see(a.rope, {"rope", reads}), see(a.index, {"index", reads, index, contiguous});
    see(a.cache, {"cache", updates, bytes});
  }
  void operator()(const LoadLatentsArgs& a) {
    see(a.cache, {"cache", reads, bytes}), see(a.index, {"index", reads, index, contiguous});
    see(a.latent, {"latent", writes}), see(a.rope, {"rope", writes});
  }
  void operator()(const RouteArgs& a, bool backward = false) {
    const Access result = backward ? reads : writes;
    see(a.logits, {"logits", reads, high}), see(a.bias, {"bias", reads, high});
    see(a.affinity, {"affinity", result, high}), see(a.weight, {"weight", result, high});
    // Chosen here, or given; padding among what is given becomes -1.
    const Access expert = backward || (a.replay && !a.valid) ? reads : a.replay ? updates : writes;
    see(a.expert, {"expert", expert, index, rows});
    see(a.flips, {"flips", updates, index, contiguous});
    see(a.valid, {"valid", reads, index, contiguous});
  }
  void operator()(const RouteBackwardArgs& a) {
    (*this)(a.forward, true);
    see(a.d_weight, {"d_weight", reads, high}), see(a.d_affinity, {"d_affinity", reads, high});
    see(a.d_logits, {"d_logits", writes, high});
  }
  void operator()(const BalanceArgs& a) {
    see(a.affinity, {"affinity", reads, high}), see(a.expert, {"expert", reads, index, rows});
    see(a.d_affinity, {"d_affinity", updates, high}), see(a.loss, {"loss", updates, high});
    see(a.valid, {"valid", reads, index, contiguous});
  }
  void operator()(const DropTokensArgs& a) {
    see(a.affinity, {"affinity", reads, high});
    see(a.expert, {"expert", reads, index, contiguous}), see(a.kept, {"kept", writes, index, contiguous});
    see(a.load, {"load", updates, index, contiguous}), see(a.dropped, {"dropped", updates, index, contiguous});
  }
  void operator()(const PermutePlanArgs& a) {
    see(a.expert, {"expert", reads, index, contiguous}), see(a.offsets, {"offsets", writes, index, contiguous});
    see(a.row_of_slot, {"row_of_slot", writes, index, contiguous});
    see(a.slot_of_row, {"slot_of_row", writes, index, contiguous}), see(a.load, {"load", updates, index, contiguous});
  }
  void operator()(const GatherArgs& a) {
    see(a.src, {"src", reads, value, rows_or_packed}), see(a.index, {"index", reads, index, contiguous});
    see(a.dst, {"dst", writes});
    see(a.num_rows, {"num_rows", reads, index, contiguous});
  }
  void operator()(const CombineArgs& a) {
    see(a.src, {"src", reads}), see(a.row_of_slot, {"row_of_slot", reads, index, contiguous});
    see(a.dst, {"dst", a.accumulate ? updates : writes});
  }
  void operator()(const BiasUpdateArgs& a) {
    see(a.bias, {"bias", updates, high}), see(a.load, {"load", reads, index, contiguous});
  }
  void operator()(const ScatterAddArgs& a) {
    see(a.src, {"src", reads}), see(a.index, {"index", reads, index, contiguous}), see(a.dst, {"dst", updates, high});
  }
  void operator()(const ScatterArgs& a) {
    see(a.src, {"src", reads}), see(a.index, {"index", reads, index, contiguous}), see(a.dst, {"dst", updates});
  }
  void operator()(const CrossEntropyArgs& a) {
    see(a.logits, {"logits", a.gradient ? updates : reads}), see(a.target, {"target", reads, index, contiguous});
    see(a.loss, {"loss", writes, high});
    see(a.weight, {"weight", reads, high}), see(a.entropy, {"entropy", writes, high});
  }
  void operator()(const SoftCrossEntropyArgs& a) {
    see(a.logits, {"logits", updates}), see(a.target, {"target", reads, index, contiguous});
    see(a.soft_token, {"soft_token", reads, index, contiguous}), see(a.probability, {"probability", reads, high});
    see(a.loss, {"loss", writes, high}), see(a.weight, {"weight", reads, high});
  }
  void operator()(const PolicyWeightArgs& a) {
    see(a.loss, {"loss", reads, high}), see(a.token_weight, {"token_weight", reads, high});
    see(a.advantage, {"advantage", reads, high}), see(a.old_loss, {"old_loss", reads, high});
    see(a.reference_loss, {"reference_loss", reads, high}), see(a.weight, {"weight", writes, high});
  }
  void operator()(const ValueLossArgs& a) {
    see(a.value, {"value", reads, high}), see(a.target, {"target", reads, index, contiguous});
    see(a.value_target, {"value_target", reads, high}), see(a.weight, {"weight", reads, high});
    see(a.loss, {"loss", writes, high}), see(a.gradient, {"gradient", writes, high});
  }
  void operator()(const PairLossArgs& a) {
    see(a.value, {"value", reads, high}), see(a.target, {"target", reads, index, contiguous});
    see(a.rival, {"rival", reads, index, contiguous});
    see(a.loss, {"loss", writes, high}), see(a.gradient, {"gradient", writes, high});
  }
  void operator()(const AddArgs& a) {
    see(a.x, {"x", reads, value, strided}), see(a.y, {"y", updates, value, strided});
  }
  void operator()(const CopyArgs& a) {
    see(a.src, {"src", reads, any, strided}), see(a.dst, {"dst", writes, any, strided});
  }
  void operator()(const FillArgs& a) { see(a.dst, {"dst", writes, any, strided}); }
  void operator()(const FillNormalArgs& a) { see(a.dst, {"dst", writes, any, contiguous}); }
  void operator()(const DropoutArgs& a) { see(a.x, {"x", updates}); }
  void operator()(const BiasGradArgs& a) { see(a.dy, {"dy", reads}), see(a.dbias, {"dbias", updates, high}); }
  void operator()(const AddBiasArgs& a) { see(a.y, {"y", updates}), see(a.bias, {"bias", reads}); }
  void operator()(const AdamWArgs& a) {
    for (int64_t i = 0; i < a.num_tensors; ++i) {
      const AdamTensor& t = a.tensors[i];
      see(t.param, {"param", updates, high, contiguous}), see(t.grad, {"grad", reads, high, contiguous});
      see(t.m, {"m", updates, value, contiguous}), see(t.v, {"v", updates, value, contiguous});
    }
  }
  void operator()(const EmaArgs& a) {
    see(a.average, {"average", updates, high, contiguous}), see(a.value, {"value", reads, high, contiguous});
  }
  void operator()(const SumSquaresArgs& a) {
    for (int64_t i = 0; i < a.num_tensors; ++i) see(a.tensors[i], {"tensors", reads, value, contiguous});
    see(a.out, {"out", writes, sum, contiguous});
  }
  void operator()(const UploadArgs& a) { see(a.device, {"device", writes, any, contiguous}); }
  void operator()(const DownloadArgs& a) { see(a.device, {"device", reads, any, contiguous}); }

 private:
  using enum Access;
  using enum Format;
  using enum Layout;
  void see(const Operand& o, const OperandRule& rule) {
    if (o) f_(o, rule);
  }
  F& f_;
};

template <class Args, class F> void for_each_operand(const Args& args, F&& f) {
  OperandVisitor<std::remove_reference_t<F>> visit(f);
  visit(args);
}

// Whether the operand's dtype is of the format, for a backend that computes with these floating types.
inline bool has_format(const Operand& o, Format format, std::initializer_list<DType> floating) {
  const bool computes = std::find(floating.begin(), floating.end(), o.dtype) != floating.end();
  switch (format) {
    case Format::value: return computes || o.packing == Packing::blocks;  // whose values are f32
    case Format::high: return computes && o.dtype != DType::bf16;
    case Format::sum: return o.dtype == DType::f64;
    case Format::index: return o.dtype == DType::i32;
    case Format::bytes: return o.dtype == DType::u8 && o.packing == Packing::none;
    case Format::any: return true;
  }
  return false;
}

// Whether the operand lies as the rule says.
inline bool has_layout(const Operand& o, Layout layout) {
  if (o.packing == Packing::panels)
    return layout != Layout::strided && layout != Layout::rows && layout != Layout::contiguous;
  if (o.packing == Packing::blocks) return layout == Layout::packable || layout == Layout::rows_or_packed;
  switch (layout) {
    case Layout::strided:
    case Layout::packable: return true;
    case Layout::rows_or_packed:
    case Layout::rows: return o.rank == 0 || o.shape[o.rank - 1] <= 1 || o.stride[o.rank - 1] == 1;
    case Layout::contiguous: return o.is_contiguous();
    case Layout::panels: return false;
  }
  return false;
}

}  // namespace minke
