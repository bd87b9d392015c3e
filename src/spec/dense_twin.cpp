#include "spec/dense_twin.h"

#include <algorithm>

namespace minke {

Config dense_twin(const Config& c) {
  if (c.n_routed_experts == 0) return c;
  Config dense = c;
  // In units of one column of width, which costs 3 d parameters (gate, up, down); a row of the router costs d.
  const int64_t layers = c.num_hidden_layers + c.num_nextn_predict_layers;
  int64_t thirds = 0;
  for (int64_t layer = 0; layer < layers; ++layer)
    thirds += c.is_moe_layer(layer)
                  ? 3 * (c.num_experts_per_tok + c.n_shared_experts) * c.moe_intermediate_size + c.n_routed_experts
                  : 3 * c.intermediate_size;
  dense.intermediate_size = std::max<int64_t>(1, (thirds + 3 * layers / 2) / (3 * layers));
  const Config none;
  dense.n_routed_experts = none.n_routed_experts;
  dense.n_shared_experts = none.n_shared_experts;
  dense.num_experts_per_tok = none.num_experts_per_tok;
  dense.moe_intermediate_size = none.moe_intermediate_size;
  dense.first_k_dense_replace = none.first_k_dense_replace;
  dense.moe_layer_freq = none.moe_layer_freq;
  dense.n_group = none.n_group;
  dense.topk_group = none.topk_group;
  dense.gate_bias = none.gate_bias;
  return dense;
}

}  // namespace minke
