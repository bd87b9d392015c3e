#include "recipe/presets.h"

#include <fmt/format.h>

#include "core/error.h"

namespace minke {
namespace {

// What both have from V3: MLA without query compression, a sigmoid router over 4 groups of experts keeping 2, one shared
// expert, the first layer dense.
constexpr const char* kV3 = R"(
[model]
model_type = "deepseek_v3"
q_lora_rank = 0
kv_lora_rank = 64
qk_nope_head_dim = 64
qk_rope_head_dim = 32
v_head_dim = 64
first_k_dense_replace = 1
n_shared_experts = 1
n_group = 4
topk_group = 2
norm_topk_prob = true
routed_scaling_factor = 2.5
num_nextn_predict_layers = 0
tie_word_embeddings = false
)";

constexpr const char* k11m = R"(
[tokenizer]
vocab_size = 1024
[train]
sequence_length = 256
batch_size = 16
lr = 3e-3
low_ratio = 0.05
[balance]
bias_speed = 0.002
[model]
hidden_size = 256
num_hidden_layers = 6
num_attention_heads = 4
intermediate_size = 768
n_routed_experts = 16
num_experts_per_tok = 2
moe_intermediate_size = 128
)";

constexpr const char* k82m = R"(
[tokenizer]
vocab_size = 4096
[train]
sequence_length = 512
batch_size = 8
lr = 1e-3
[balance]
bias_speed = 0.001
[model]
hidden_size = 512
num_hidden_layers = 8
num_attention_heads = 8
kv_lora_rank = 128
intermediate_size = 1536
n_routed_experts = 32
num_experts_per_tok = 4
moe_intermediate_size = 192
)";

constexpr const char* kMtp = "[model]\nnum_nextn_predict_layers = 1\n";

}  // namespace

const std::vector<Preset>& presets() {
  static const std::vector<Preset> all{
      {"v3-11m", "10.8M parameters, 3.9M active per token: learns stories in minutes", {kV3, k11m}},
      {"v3-11m-mtp", "the same with an MTP module", {kV3, k11m, kMtp}},
      {"v3-82m", "82M parameters, 24M active per token: hours on a small machine", {kV3, k82m}},
      {"v3-82m-mtp", "the same with an MTP module", {kV3, k82m, kMtp}},
  };
  return all;
}

const Preset& find_preset(std::string_view name, std::string_view where) {
  std::vector<std::string> names;
  for (const Preset& p : presets()) {
    if (name == p.name) return p;
    names.emplace_back(p.name);
  }
  const std::string near = name.size() > 200 ? "" : nearest(name, names);
  user_error("{}: there is no preset {}{}; the presets are {}", where, printable(name),
             near.empty() ? "" : fmt::format(" (did you mean {}?)", near), fmt::join(names, ", "));
}

}  // namespace minke
