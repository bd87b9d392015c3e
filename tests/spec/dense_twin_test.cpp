#include "spec/dense_twin.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "spec/counts.h"

namespace minke {
namespace {

Config moe(int64_t mtp) {
  return parse_config(fmt::format(R"({{"model_type": "deepseek_v3", "vocab_size": 512, "hidden_size": 64,
    "num_hidden_layers": 5, "num_attention_heads": 4, "q_lora_rank": 24, "kv_lora_rank": 16, "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 8, "v_head_dim": 16, "intermediate_size": 200, "first_k_dense_replace": 1,
    "n_routed_experts": 16, "n_shared_experts": 1, "num_experts_per_tok": 3, "moe_intermediate_size": 40, "n_group": 4,
    "topk_group": 2, "max_position_embeddings": 128, "num_nextn_predict_layers": {}}})",
                                  mtp),
                      "test");
}

TEST(DenseTwin, HasTheActiveParametersOfTheMixture) {
  for (int64_t mtp : {0, 1}) {
    const Config sparse = moe(mtp), dense = dense_twin(sparse);
    const Counts a = count_parameters(sparse), b = count_parameters(dense);
    const int64_t layers = sparse.num_hidden_layers + mtp;
    EXPECT_EQ(b.moe_layers, 0);
    EXPECT_LE(std::abs(a.active_head_only + a.mtp_active - b.active_head_only - b.mtp_active),
              3 * sparse.hidden_size * layers / 2 + layers * sparse.n_routed_experts);
    EXPECT_EQ(b.total, b.active_with_embedding_and_head);
    EXPECT_GT(a.total, 2 * b.total);
    EXPECT_EQ(dense_twin(dense), dense);
  }
}

TEST(DenseTwin, ItsConfigReadsBack) {
  const Config dense = dense_twin(moe(1));
  EXPECT_EQ(count_parameters(parse_config(config_to_json(dense).dump(), "test")).total, count_parameters(dense).total);
}

}  // namespace
}  // namespace minke
