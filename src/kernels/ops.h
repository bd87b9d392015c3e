// Every operation of minke, declared once with its equation. A backend (backend.h) computes them; `reference` is plain
// loops over a scalar type (in f64 it serves the gradient checks), `cpu` is SIMD chosen at start-up.
// Letters: N tokens, D hidden, H heads, V vocabulary, E experts, K chosen experts (or the inner dimension of a product),
// R rows after dispatch (N·K), F width of an FFN.
//
// Rules for all of them:
//  * Operands may be strided unless "contiguous" is said; the last axis of activations has stride 1.
//  * Floating operands may be f32, bf16 or, all of them together, f64 (reference only). Sums are kept in f32 (f64 there).
//  * Reduction rule: the order of additions depends only on (length of the sum, dtype, instruction set); never on the
//    other sizes, the number of threads, or what else is in the batch.
//  * Outputs are overwritten unless a flag says accumulate. Inputs and outputs may not overlap unless said.
//  * An Operand that is "optional" may be null (operator bool).
//  * Padding is no token: `valid`, i32 [N], is 0 there and 1 elsewhere; null = all are tokens. Experts see none of it.
//  * An op may return before it has run. Operands stay until somebody has waited for it (Backend::synchronize, download);
//    what one stream is given runs in order, so that later ops on the stream may write to them.
//  * Host arguments: arrays (sequence_offsets, is_protected, tensors) are copied at the call. UploadArgs::host is read when
//    the op runs: it stays, unchanged, until somebody has waited. Download waits: DownloadArgs::host is filled on return.
// Tests: tests/kernels/ (each op against `reference` over a grid; `reference` by finite differences in f64).
#pragma once
#include <cstdint>

#include "kernels/context.h"
#include "kernels/policy_objective.h"

namespace minke {

// ---- products -------------------------------------------------------------------------------------------------------
enum class Grouping : uint8_t {
  none,   // c[M,N] = a[M,K] · b[K,N]
  batch,  // c[g] = a[g] · b[g]; all rank 3
  rows,  // group g owns rows offsets[g] … offsets[g+1]) of a[M,K] and c[M,N]; b is [G,K,N]. Rows ≥ offsets[G] untouched.
  inner,  // group g owns the inner indices offsets[g] … offsets[g+1]) of a[M,Ktotal], b[Ktotal,N]; c is [G,M,N]
};
struct GemmArgs {
  // Any strides (transposes are strides). b may be Packing::panels; or, without groups and of row groups, the transpose of
  // Packing::blocks: then the product is the one with the values of the blocks, bit for bit; but E4M3 is not rounded to
  // bf16: codes are multiplied as they are, and sums over the k of a block with its scale (docs/recipe/training.md §5.2).
  Operand a, b, c;
  // Operands are rounded to this before multiplying: f32, bf16 or f64. i8: b is blocks of integers (blocks/blocks.h), and of
  // every 32 neighbours of a row of a the largest becomes ±127, the others are rounded to integers likewise (ties to even).
  // Sums within a group of the blocks are exact, those over groups f32; a NaN or an infinity makes its row of c NaN.
  DType compute = DType::f32;
  bool accumulate = false;  // c += instead of c =
  Grouping grouping = Grouping::none;
  Operand offsets;  // i32 [G+1] in device memory, ascending from 0 (rows, inner)
};
// Makes the packed right-hand side of b [K,N] or [G,K,N] (any strides) for products in `compute`.
struct PackWeightArgs {
  Operand b;
  Operand packed;  // Packing::panels, the same logical shape, dtype = compute, packed_bytes() per group
  DType compute = DType::bf16;
};

// ---- norm, rotation, activation ------------------------------------------------------------------------------------
// y = x · rstd ⊙ gain, rstd = 1/sqrt(mean(x²) + eps), over the last axis. x, y [N,D] or [N,H,D]; gain [D].
struct RmsNormArgs {
  Operand x, gain, y;
  Operand rstd;  // f32/f64 [N] or [N,H], optional
  double eps = 1e-6;
};
// dx = rstd·(dy⊙gain − x·rstd²·mean(dy⊙gain⊙x)); dx may be added to (the residual's gradient).
struct RmsNormBackwardArgs {
  Operand x, gain, rstd, dy, dx;
  bool accumulate = false;
};
// dgain += Σ_rows dy ⊙ x · rstd. dgain [D] f32/f64.
struct RmsNormGainArgs {
  Operand x, rstd, dy, dgain;
};
// Rotates x [N,H,D] in place by the angle of its position (docs/recipe/architecture.md §5.1).
// table [P,D]: row p holds cos of the D/2 angles, then sin. inverse = true rotates back (the backward).
struct RopeArgs {
  Operand x;
  Operand positions;        // i32 [N], each < P
  Operand table;            // f32/f64 [P,D] contiguous
  bool interleaved = true;  // pairs (2i,2i+1); false: (i, i+D/2)
  bool inverse = false;
};
// y[r,f] = silu(g)·u·w[r], g = gate_up[r,f], u = gate_up[r,F+f]; silu(z) = z·sigmoid(z).
struct SwigluArgs {
  Operand gate_up, y;  // [R,2F], [R,F]
  Operand row_weight;  // f32/f64 [R], optional (1)
  Operand num_rows;    // i32 [1] in device memory, optional: rows beyond are left alone
};
struct SwigluBackwardArgs {
  Operand gate_up, row_weight, dy, d_gate_up;
  Operand d_row_weight;  // [R] = Σ_f dy·silu(g)·u, optional
  Operand num_rows;
};

// ---- attention ------------------------------------------------------------------------------------------------------
// Causal attention of the tokens of a batch to each other (training), or to them and what came before (prefill).
// s(t,j,h) = scale·(q[t,h,:dk]·k[j,h',:] + q[t,h,dk:]·k_rope[j,:]),  h' = h / (H/Hkv),  first(t) ≤ j ≤ t;
// out[t,h] = Σ_j softmax_j(s) v[j,h']. Keys are visited in fixed chunks counted from the start of t's sequence.
struct AttentionArgs {
  Operand q;       // [N,H,dk+dr]
  Operand k;       // [N,Hkv,dk]
  Operand k_rope;  // [N,dr] shared by all heads (MLA), optional
  Operand v;       // [N,Hkv,dv]
  Operand out;     // [N,H,dv]
  Operand lse;     // f32/f64 [N,H]: log Σ exp(s), optional in forward
  double scale = 1;
  const int64_t* sequence_offsets =
      nullptr;  // host [num_sequences+1]: tokens of sequence i are offsets[i] … offsets[i+1])
  int64_t num_sequences = 0;
  // Host [num_sequences+1]: the rows of k, k_rope and v that are sequence i's. Its n tokens are the last n of its keys.
  // Null: the tokens are all its keys.
  const int64_t* key_offsets = nullptr;
  Operand first_visible;  // i32 [N] flat index of the first key token t may see; optional (start of its sequence)
  DType compute = DType::f32;
};
struct AttentionBackwardArgs {
  AttentionArgs forward;        // with out and lse as forward left them; without key_offsets
  Operand dout;                 // [N,H,dv]
  Operand dq, dk, dk_rope, dv;  // overwritten
};
// Queries of several sequences, each against its own cache: the last of a sequence's n rows sees all its keys, the one
// before all but one, and so on. Same equation. Keys and values lie in pages of a pool that all sequences share: key j of
// sequence s is in slot block_table[s, j / page]·page + j % page. For absorbed MLA the pool has one head of kr+dr
// channels, and v is the first kr of them.
struct CachedAttentionArgs {
  Operand q;  // [N,H,dk]
  // [slots,Hkv,dk], [slots,Hkv,dv]. Or k is u8 [slots,1,bytes], rows of the FP8 cache (core/latent_row.h), and v is null: it
  // is their latents. They count as load_latents gives them in the format of the products.
  Operand k, v;
  Operand out;             // [N,H,dv]
  Operand row_offsets;     // i32 [S+1]: the rows of sequence s
  Operand length;          // i32 [S]: keys of sequence s, those of its rows included
  Operand block_table;     // i32 [S,pages]
  int64_t page = 0;        // slots in a page: even, divides kAttentionChunk
  int64_t max_length = 0;  // no sequence has more keys
  double scale = 1;
  DType compute = DType::f32;
};
constexpr int64_t kAttentionChunk = 128;  // keys that attention visits at a time
// cache[index[n]] = latent[n] with rope[n], rounded as core/latent_row.h says; index < 0 is skipped. No two rows have the same
// index.
struct StoreLatentsArgs {
  Operand latent, rope, index;  // [N,kr], [N,dr], i32 [N]
  Operand cache;                // u8 [slots,bytes]
};
// latent[n], rope[n] = cache[index[n]], each value rounded once to the format of its operand.
struct LoadLatentsArgs {
  Operand cache, index;
  Operand latent, rope;
};

// ---- mixture of experts ---------------------------------------------------------------------------------------------
enum class AffinityFunc : uint8_t { softmax, sigmoid };
// Of a group of experts: not used (greedy); V2 group_limited_greedy; V3 noaux_tc.
enum class GroupAffinity : uint8_t { none, max, top2_sum };
// docs/recipe/architecture.md §3.2–3.3. affinity = softmax or sigmoid of logits; the experts of largest affinity + bias are
// chosen, within the best groups; ties go to the lower index; weights are affinities without bias, normalised if asked
// (sum + 1e-20), times scale. Padding gets the expert −1 with weight 0, as a dropped assignment has it.
struct RouteArgs {
  Operand logits;    // f32/f64 [N,E]
  Operand bias;      // f32/f64 [E], optional
  Operand affinity;  // out [N,E]
  Operand expert;    // out i32 [N,K], by falling affinity + bias (input when replay; -1 is written for padding)
  Operand weight;    // out f32/f64 [N,K]
  AffinityFunc affinity_func = AffinityFunc::sigmoid;
  GroupAffinity group_affinity = GroupAffinity::none;
  int64_t num_groups = 1, top_groups = 1;
  bool normalise = false;
  double scale = 1;
  bool replay = false;  // keep the experts that `expert` holds (recorded at sampling), compute their weights
  Operand flips;        // i32 [N], optional, on replay: += how many of a token's experts would not be chosen now
  Operand valid;        // i32 [N], optional
};
// d_logits from d_weight and, added to them, d_affinity of the balance loss.
struct RouteBackwardArgs {
  RouteArgs forward;
  Operand d_weight;    // [N,K]
  Operand d_affinity;  // [N,E], optional
  Operand d_logits;    // out [N,E]
};
// Balance losses of docs/recipe/training.md §4.1 and §4.4, per sequence, averaged over sequences:
// L = Σ_i w_i P_i, w = α_expert f + α_device f'(device of i) + α_comm f''(device of i), P from the affinities (divided by
// their sum over experts first when normalise_affinity). f counts the chosen experts, or the plain top-K of the affinities
// when count_unbiased (V3 eq. 18). Gradient flows through P only: d_affinity += grad_scale·∂L/∂affinity. Padding counts in
// nothing, not in the length T of a sequence either; a sequence that is all padding has a loss of 0.
struct BalanceTerms {
  double alpha_expert = 0, alpha_device = 0, alpha_comm = 0;
  int64_t num_devices = 1, top_devices = 1;
  bool normalise_affinity = true, count_unbiased = true;  // as V3 has it; V1, V2: both false
  bool any() const { return alpha_expert > 0 || alpha_device > 0 || alpha_comm > 0; }
};
struct BalanceArgs {
  Operand affinity;    // [N,E]
  Operand expert;      // i32 [N,K]
  Operand d_affinity;  // [N,E], added to
  Operand loss;        // f32/f64 [1], added to
  Operand valid;       // i32 [N], optional
  const int64_t* sequence_offsets = nullptr;
  int64_t num_sequences = 0;  // 1 over the whole batch = batch-wise loss
  BalanceTerms terms;
  double grad_scale = 1;
};
// Token dropping while training (V2 §2.2.4; docs/recipe/training.md §4.2). Device d holds the experts [d·E/D, (d+1)·E/D) and
// takes at most ⌊capacity·A/D⌋ of the A assignments (N·K, less those of padding, which are −1): the average load times
// `capacity`. Above that the assignments of lowest affinity go (of equal ones the later), except in protected sequences.
// kept = expert, or −1 where it was dropped.
struct DropTokensArgs {
  Operand affinity;  // [N,E]
  Operand expert;    // i32 [N,K]; −1 = padding
  Operand kept;      // out i32 [N,K]
  Operand load;      // i32 [E], optional: += tokens that chose the expert, dropped ones too
  Operand dropped;   // i32 [1], optional: += dropped assignments
  const int64_t* sequence_offsets = nullptr;
  const uint8_t* is_protected = nullptr;  // [num_sequences]
  int64_t num_sequences = 0;              // they cover all N tokens
  double capacity = 1;
  int64_t num_devices = 1;
};
// Sorts the N·K assignments by expert, stable in (token, k). slot = t·K + k.
struct PermutePlanArgs {
  Operand expert;       // i32 [N,K]; −1 = dropped, or padding: gets no row
  Operand offsets;      // out i32 [E+1]
  Operand row_of_slot;  // out i32 [N·K], −1 if dropped
  Operand slot_of_row;  // out i32 [N·K], first offsets[E] are set
  Operand load;         // i32 [E], optional: += tokens per expert
};
// dst[r] = src[index[r] / divisor]; index < 0 gives zeros. Rows are the last axis (rank 2) or scalars (rank 1). src may be
// Packing::blocks, or Packing::panels of its transpose [D,S].
struct GatherArgs {
  Operand src, index, dst;
  int64_t divisor = 1;
  Operand num_rows;  // i32 [1] optional
};
// dst[t] (+)= Σ_{k<K} src[row_of_slot[t·K+k]], in the order of k; −1 adds nothing.
struct CombineArgs {
  Operand src, row_of_slot, dst;  // [R,D], i32 [N·K], [N,D]
  bool accumulate = false;
};
// bias_i += speed·sign(mean(load) − load_i)   (V3 §2.1.2; docs/recipe/training.md §4.3)
struct BiasUpdateArgs {
  Operand bias, load;  // f32/f64 [E], i32 [E]
  double speed = 0.001;
};

// ---- embedding, loss ------------------------------------------------------------------------------------------------
// dst[index[n]] += src[n], rows in the order of n (deterministic). index < 0 is skipped.
struct ScatterAddArgs {
  Operand src, index, dst;  // [N,D], i32 [N], [V,D] f32/f64
};
// dst[index[n]] = src[n], converting; index < 0 is skipped. No two rows have the same index.
struct ScatterArgs {
  Operand src, index, dst;  // [N,D], i32 [N], [T,D]
};
// loss[n] = −log p[target], p = softmax(logits[n]·τ), τ = inverse_temperature; target −1: loss, entropy and gradient 0.
// With gradient: logits ← ∂(grad_scale · Σ weight[n]·loss[n])/∂logits = (p − onehot)·τ·weight[n]·grad_scale in place.
struct CrossEntropyArgs {
  Operand logits;   // [n,V]
  Operand target;   // i32 [n]
  Operand loss;     // f32/f64 [n], nats
  Operand weight;   // as loss, optional: 1 for all
  Operand entropy;  // out, as loss, optional: −Σ p log p, nats
  double inverse_temperature = 1;
  bool gradient = false;
  double grad_scale = 1;
};
// Cross-entropy with a teacher (distillation with hard and soft targets: Hinton et al., arXiv:1503.02531, at temperature 1). Of each
// target the teacher gives the probabilities p_k of the K tokens that it finds most likely, and nothing of the others but how
// probable they are together: r = max(0, 1 − Σ p_k). So the others are one class. With q = softmax(logits[n]), the student's, and q_r
// all that it gives to tokens that are not listed:
//   soft = −Σ_k p_k log q_k − r log q_r,   loss[n] = (1 − share)·(−log q[target]) + share·soft.
// It is least where q_k = p_k, and then q_r = r: the cross-entropy of two distributions over K + 1 classes, and never more than that of
// the whole ones, as joining classes hides differences. To renormalise the p_k instead would teach the student to give nothing at all to
// other tokens: a biased estimate of the teacher, which costs quality and calibration (Anshumann et al., arXiv:2503.16870).
// Gradient, with M = Σ p_k + r, which is 1 unless the p_k were rounded up: of soft, M·q_j − p_j for a listed token, M·q_j − r·q_j/q_r
// for another one; both are computed from sums over their own class, so that neither cancels where q_r is small. A list that has all
// tokens leaves no others: r = 0. A row whose list is empty has its target alone, in full; target −1: loss and gradient 0.
constexpr int64_t kMaxSoftTargets = 64;
struct SoftCrossEntropyArgs {
  Operand logits;  // [n,V]: with gradient it becomes ∂(grad_scale · Σ weight[n]·loss[n])/∂logits; else it is as before
  Operand target;       // i32 [n]
  Operand soft_token;   // i32 [n,K], K ≤ kMaxSoftTargets; different ones in a row; −1 = none
  Operand probability;  // f32/f64 [n,K]; anything where there is no token
  double share = 1;     // 0 … 1
  Operand loss;         // f32/f64 [n], nats
  Operand weight;       // as loss, optional: 1 for all
  bool gradient = false;
  double grad_scale = 1;
};
// weight[n]: what a policy objective makes of each token: ∂L/∂loss, of loss = −log π (kernels/policy_objective.h).
struct PolicyWeightArgs {
  Operand loss;            // f32/f64 [n]: −log π of the token
  Operand token_weight;    // as loss, optional: of the token in the objective; 1 for all
  Operand advantage;       // as loss
  Operand old_loss;        // as loss: −log π_old, of the policy that has drawn the token
  Operand reference_loss;  // as loss, optional: −log π_ref; null: no KL term
  PolicyTerms terms;
  Operand weight;  // out, as loss
};
// A critic's error: loss[n] = ½(value − value_target)²; target −1: loss and gradient 0. gradient[n], if given, is that of
// grad_scale · Σ weight[n]·loss[n].
struct ValueLossArgs {
  Operand value;         // f32/f64 [n]
  Operand target;        // i32 [n]: where there is none, no value is asked for
  Operand value_target;  // as value
  Operand weight;        // as value, optional: 1 for all
  Operand loss;          // out, as value
  Operand gradient;      // out, as value, optional
  double grad_scale = 1;
};
// A reward model's error (Bradley-Terry): of a row n with a target and its rival r, loss[n] = −log σ(value[n] − value[r]): n is
// preferred to r. The rival has no target, and names n as its own rival; a row without one (−1) has no loss. gradient, if given,
// is that of grad_scale · Σ loss.
struct PairLossArgs {
  Operand value;     // f32/f64 [n]
  Operand target;    // i32 [n]: −1 where nothing is preferred
  Operand rival;     // i32 [n]: a row, or −1
  Operand loss;      // out, as value, nats
  Operand gradient;  // out, as value, optional
  double grad_scale = 1;
};

// ---- elementwise, optimizer -----------------------------------------------------------------------------------------
struct AddArgs {
  Operand x, y;
};  // y += x; same shape, rank ≤ 3
struct CopyArgs {
  Operand src, dst;
};  // dst = src, converting; same shape, rank ≤ 4, any strides
struct FillArgs {
  Operand dst;
  double value = 0;
};
struct FillNormalArgs {
  Operand dst;
  RngKey key;
  double stddev = 1;
};  // element i = stddev·key.normal(i); contiguous
// In place: x[n,d] is multiplied by 0 where i = (first_row + n)·D + d is dropped and by 1/(1 − rate) elsewhere. Dropped are
// those whose 16 bits, piece i % 8 of block i / 8 of the key, lie below rate·65536 (rounded, and that rate counts). The mask
// is a function of key and index, so its backward is the same op on the gradient.
struct DropoutArgs {
  Operand x;  // [N,D]
  RngKey key;
  int64_t first_row = 0;
  double rate = 0;  // [0, 1)
  // What both backends compute with.
  uint32_t dropped_of_65536() const { return uint32_t(rate * 65536 + 0.5); }
  double scale() const { return 65536.0 / (65536.0 - double(dropped_of_65536())); }
};
struct BiasGradArgs {
  Operand dy, dbias;
};  // dbias[D] += Σ_rows dy[N,D]
struct AddBiasArgs {
  Operand y, bias;
};  // y[N,D] += bias[D]
// AdamW (Loshchilov & Hutter): m ← β1 m + (1−β1) g, v ← β2 v + (1−β2) g², p ← p − lr·(m̂/(√v̂+ε) + wd·p), g = grad·grad_scale.
struct AdamTensor {
  Operand param, grad, m, v;  // contiguous; param, grad f32 (f64), m and v f32 or bf16 (f64)
  double weight_decay = 0;
};
struct AdamWArgs {
  const AdamTensor* tensors = nullptr;  // host array
  int64_t num_tensors = 0;
  double lr = 0, beta1 = 0.9, beta2 = 0.95, eps = 1e-8;
  int64_t step = 1;  // 1 for the first update
  double grad_scale = 1;
};
// average ← decay·average + (1 − decay)·value (V3 §3.2.3 keeps such an average of the parameters).
struct EmaArgs {
  Operand average, value;  // f32 (f64), contiguous, same shape
  double decay = 0.999;
};
struct SumSquaresArgs {  // out[i] = Σ x², per tensor, in f64 over fixed chunks
  const Operand* tensors = nullptr;
  int64_t num_tensors = 0;
  Operand out;  // f64 [num_tensors]
};

// ---- host ↔ device --------------------------------------------------------------------------------------------------
struct UploadArgs {
  const void* host;
  Operand device;
};  // contiguous bytes
struct DownloadArgs {
  Operand device;
  void* host;
};  // contiguous bytes; returns when they have arrived

// X-macro: every op once, as (name, Args). Backend, its implementations and its wrappers are made from it.
// clang-format off
#define MINKE_OPS(X)                                                                                                  \
  X(gemm, GemmArgs) X(pack_weight, PackWeightArgs)                                                                    \
  X(rms_norm, RmsNormArgs) X(rms_norm_backward, RmsNormBackwardArgs) X(rms_norm_gain, RmsNormGainArgs)                \
  X(rope, RopeArgs) X(swiglu, SwigluArgs) X(swiglu_backward, SwigluBackwardArgs)                                      \
  X(attention, AttentionArgs) X(attention_backward, AttentionBackwardArgs) X(cached_attention, CachedAttentionArgs)   \
  X(store_latents, StoreLatentsArgs) X(load_latents, LoadLatentsArgs)                                                 \
  X(route, RouteArgs) X(route_backward, RouteBackwardArgs) X(balance, BalanceArgs) X(drop_tokens, DropTokensArgs)     \
  X(permute_plan, PermutePlanArgs) X(gather, GatherArgs) X(combine, CombineArgs) X(bias_update, BiasUpdateArgs)       \
  X(scatter_add, ScatterAddArgs) X(scatter, ScatterArgs) X(cross_entropy, CrossEntropyArgs)                           \
  X(soft_cross_entropy, SoftCrossEntropyArgs)                                                                         \
  X(policy_weight, PolicyWeightArgs) X(value_loss, ValueLossArgs) X(pair_loss, PairLossArgs)                          \
  X(add, AddArgs) X(copy, CopyArgs) X(fill, FillArgs) X(fill_normal, FillNormalArgs) X(dropout, DropoutArgs)          \
  X(bias_grad, BiasGradArgs) X(add_bias, AddBiasArgs) X(adamw, AdamWArgs) X(ema, EmaArgs)                            \
  X(sum_squares, SumSquaresArgs)                                                                                      \
  X(upload, UploadArgs) X(download, DownloadArgs)
// clang-format on

}  // namespace minke
