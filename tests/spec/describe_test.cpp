#include "spec/describe.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace minke {
namespace {

TEST(Describe, Numbers) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(671026419200), "671,026,419,200");
  EXPECT_EQ(with_commas(-1000), "-1,000");
  EXPECT_EQ(with_commas(-100), "-100");
  EXPECT_EQ(short_count(999), "999");
  EXPECT_EQ(short_count(671026419200.0), "671.03B");
  EXPECT_EQ(short_bytes(70272), "68.62 KiB");
}

TEST(Describe, SaysWhatTheModelIs) {
  const Config c =
      parse_config(R"({"model_type": "deepseek_v3", "vocab_size": 129280, "hidden_size": 7168, "num_hidden_layers": 61,
    "intermediate_size": 18432, "num_attention_heads": 128, "num_nextn_predict_layers": 1})",
                   "test");
  const std::string text = describe_text(c, 131072);
  for (const char* part :
       {"multi-head latent attention, 128 heads", "58 layers of 256 experts", "4 of 8 groups (noaux_tc)",
        "671,026,419,200", "36,625,618,432", "11,610,068,224", "70,272 bytes in BF16", "8.58 GiB at 131,072 tokens",
        "40,016 bytes per token", "71,424 bytes per token in BF16, 40,672 in FP8"})
    EXPECT_NE(text.find(part), text.npos) << part << "\n" << text;
  const Json j = describe_json(c, 131072);
  EXPECT_EQ(j["parameters"]["total"], 671026419200);
  EXPECT_EQ(j["kv_cache"]["bytes_at_context_bf16"], 9210691584);
  EXPECT_EQ(j["kv_cache"]["bytes_per_token_bf16_with_mtp"], 71424);
  EXPECT_EQ(j["kv_cache"]["bytes_per_token_fp8"], 61 * 656);
  EXPECT_EQ(j["kv_cache"]["bytes_per_token_fp8_with_mtp"], 62 * 656);
  EXPECT_EQ(parse_config(j["config"].dump(), "test"), c);

  Config dense = c;
  dense.attention = AttentionKind::gqa;
  dense.n_routed_experts = dense.num_nextn_predict_layers = 0;
  dense.num_key_value_heads = 1;
  dense.head_dim = 128;
  const std::string words = describe_text(dense, 1);
  EXPECT_NE(words.find("multi-query attention"), words.npos);
  EXPECT_EQ(words.find("experts"), words.npos) << words;
  EXPECT_EQ(words.find("MTP"), words.npos) << words;
  EXPECT_EQ(words.find("FP8"), words.npos) << words;
}

}  // namespace
}  // namespace minke
