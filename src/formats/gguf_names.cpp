// Names of tensors in GGUF files and published checkpoints.
#include "formats/gguf_names.h"

namespace minke::gguf {
namespace {

constexpr Name kLayerNames[] = {
    {"attn_norm.weight", "input_layernorm.weight"},
    {"ffn_norm.weight", "post_attention_layernorm.weight"},
    {"attn_q.weight", "self_attn.q_proj.weight", Where::anywhere, How::query},
    {"attn_k.weight", "self_attn.k_proj.weight", Where::gqa, How::key},
    {"attn_v.weight", "self_attn.v_proj.weight", Where::gqa},
    {"attn_q.bias", "self_attn.q_proj.bias", Where::qkv_bias},
    {"attn_k.bias", "self_attn.k_proj.bias", Where::qkv_bias},
    {"attn_v.bias", "self_attn.v_proj.bias", Where::qkv_bias},
    {"attn_q_norm.weight", "self_attn.q_norm.weight", Where::qk_norm},
    {"attn_k_norm.weight", "self_attn.k_norm.weight", Where::qk_norm},
    {"attn_q_a.weight", "self_attn.q_a_proj.weight", Where::mla},
    {"attn_q_a_norm.weight", "self_attn.q_a_layernorm.weight", Where::mla},
    {"attn_q_b.weight", "self_attn.q_b_proj.weight", Where::mla},
    {"attn_kv_a_mqa.weight", "self_attn.kv_a_proj_with_mqa.weight", Where::mla},
    {"attn_kv_a_norm.weight", "self_attn.kv_a_layernorm.weight", Where::mla},
    {"attn_kv_b.weight", "self_attn.kv_b_proj.weight", Where::mla},
    {"attn_k_b.weight", "self_attn.kv_b_proj.weight", Where::mla, How::split_k},
    {"attn_v_b.weight", "self_attn.kv_b_proj.weight", Where::mla, How::split_v},
    {"attn_output.weight", "self_attn.o_proj.weight"},
    {"ffn_gate.weight", "mlp.gate_proj.weight"},
    {"ffn_up.weight", "mlp.up_proj.weight"},
    {"ffn_down.weight", "mlp.down_proj.weight"},
    {"ffn_gate_inp.weight", "mlp.gate.weight", Where::experts},
    {"exp_probs_b.bias", "mlp.gate.e_score_correction_bias", Where::experts},
    {"ffn_gate_exps.weight", "gate_proj.weight", Where::experts, How::stack},
    {"ffn_up_exps.weight", "up_proj.weight", Where::experts, How::stack},
    {"ffn_down_exps.weight", "down_proj.weight", Where::experts, How::stack},
    {"ffn_gate_shexp.weight", "mlp.shared_experts.gate_proj.weight", Where::experts},
    {"ffn_up_shexp.weight", "mlp.shared_experts.up_proj.weight", Where::experts},
    {"ffn_down_shexp.weight", "mlp.shared_experts.down_proj.weight", Where::experts},
    // MTP modules
    {"nextn.embed_tokens.weight", "embed_tokens.weight", Where::mla},
    {"nextn.enorm.weight", "enorm.weight", Where::mla},
    {"nextn.hnorm.weight", "hnorm.weight", Where::mla},
    {"nextn.eh_proj.weight", "eh_proj.weight", Where::mla},
    {"nextn.shared_head_norm.weight", "shared_head.norm.weight", Where::mla},
    {"nextn.shared_head_head.weight", "shared_head.head.weight", Where::mla},
};

constexpr Name kOuterNames[] = {{"token_embd.weight", "model.embed_tokens.weight"},
                                {"output_norm.weight", "model.norm.weight"},
                                {"output.weight", "lm_head.weight"}};

}  // namespace

std::span<const Name> layer_names() { return kLayerNames; }
std::span<const Name> outer_names() { return kOuterNames; }

bool has(const Architecture& architecture, Where where, bool experts) {
  switch (where) {
    case Where::anywhere: return true;
    case Where::mla: return architecture.attention == Attention::mla;
    case Where::gqa: return architecture.attention == Attention::gqa;
    case Where::qkv_bias: return architecture.qkv_bias;
    case Where::qk_norm: return architecture.qk_norm;
    case Where::experts: return experts;
  }
  return false;
}

}  // namespace minke::gguf
