#include "spec/config_keys.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "spec/config.h"
#include "support/shared_files.h"

namespace minke {
namespace {

// What must be given, and nothing else.
Json least(const char* model_type) {
  return {{"model_type", model_type}, {"vocab_size", 320},        {"hidden_size", 64},
          {"num_hidden_layers", 4},   {"intermediate_size", 160}, {"num_attention_heads", 4}};
}
Json with_rope(const char* model_type, const char* rope) {
  Json json = least(model_type);
  json["rope_scaling"] = parse_json(rope, "rope");
  return json;
}
const std::vector<Json>& bases() {
  static const std::vector<Json> all{
      least("deepseek_v3"), least("llama"), with_rope("deepseek_v3", R"({"type": "yarn", "factor": 4})"),
      with_rope("llama", R"({"type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4,
                             "original_max_position_embeddings": 64})")};
  return all;
}
std::string message_of(const Json& json) {
  try {
    parse_config(json.dump(), "config.json");
  } catch (const UserError& e) {
    return e.what();
  }
  return "";
}
Json value_of(const char* fallback) {
  try {
    return parse_json(fallback, "fallback");
  } catch (const UserError&) {
    return fallback;
  }
}

// No key takes this; a key that is not read would let it pass. The other direction is held by Fields.
TEST(ConfigKeys, EveryKeyListedIsRead) {
  const Json wrong = Json::array({Json::array()});
  for (const Json& base : bases()) ASSERT_EQ(message_of(base), "");
  for (const ConfigKey& key : config_keys()) {
    std::string messages;
    for (Json json : bases()) {
      json[key.name] = wrong;
      messages += message_of(json) + "\n";
    }
    EXPECT_NE(messages.find(std::string("config.json: ") + key.name), messages.npos) << key.name << messages;
  }
  for (const ConfigKey& key : rope_keys()) {
    std::string messages;
    for (Json json : bases()) {
      if (!json.contains("rope_scaling")) continue;
      json["rope_scaling"][key.name] = wrong;
      messages += message_of(json) + "\n";
    }
    EXPECT_NE(messages.find(std::string("rope_scaling.") + key.name), messages.npos) << key.name << messages;
  }
}

TEST(ConfigKeys, FallbacksAreThoseOfV3) {
  for (const ConfigKey& key : config_keys()) {
    if (!*key.fallback) continue;
    Json json = least("deepseek_v3");
    json[key.name] = value_of(key.fallback);
    EXPECT_EQ(parse_config(json.dump(), "x"), parse_config(least("deepseek_v3").dump(), "x")) << key.name;
  }
  for (const ConfigKey& key : rope_keys()) {
    if (!*key.fallback) continue;
    const Json yarn = with_rope("deepseek_v3", R"({"type": "yarn", "factor": 4})");
    Json json = yarn;
    json["rope_scaling"][key.name] = value_of(key.fallback);
    EXPECT_EQ(parse_config(json.dump(), "x"), parse_config(yarn.dump(), "x")) << key.name;
  }
}

// All that stands in a published file is known, in one way or the other; a file may hold more.
TEST(ConfigKeys, PublishedKeysAreKnown) {
  std::vector<std::string> published{// DeepSeek-V3
                                     "architectures",
                                     "attention_bias",
                                     "attention_dropout",
                                     "auto_map",
                                     "aux_loss_alpha",
                                     "bos_token_id",
                                     "eos_token_id",
                                     "ep_size",
                                     "first_k_dense_replace",
                                     "hidden_act",
                                     "hidden_size",
                                     "initializer_range",
                                     "intermediate_size",
                                     "kv_lora_rank",
                                     "max_position_embeddings",
                                     "model_type",
                                     "moe_intermediate_size",
                                     "moe_layer_freq",
                                     "n_group",
                                     "n_routed_experts",
                                     "n_shared_experts",
                                     "norm_topk_prob",
                                     "num_attention_heads",
                                     "num_experts_per_tok",
                                     "num_hidden_layers",
                                     "num_key_value_heads",
                                     "num_nextn_predict_layers",
                                     "pretraining_tp",
                                     "q_lora_rank",
                                     "qk_nope_head_dim",
                                     "qk_rope_head_dim",
                                     "quantization_config",
                                     "rms_norm_eps",
                                     "rope_scaling",
                                     "rope_theta",
                                     "routed_scaling_factor",
                                     "scoring_func",
                                     "seq_aux",
                                     "tie_word_embeddings",
                                     "topk_group",
                                     "topk_method",
                                     "torch_dtype",
                                     "transformers_version",
                                     "use_cache",
                                     "v_head_dim",
                                     "vocab_size"};
  for (const fs::path& folder : test::golden_folders()) {
    const Json json = parse_json(read_file(folder / "config.json", 1 << 20), "golden");
    for (const auto& [key, value] : json.items()) published.push_back(key);
  }
  for (const std::string& key : published) EXPECT_NE(is_listed(config_keys(), key), is_ignored(key)) << key;
  const Json written = config_to_json(parse_config(bases()[2].dump(), "x"));
  for (const auto& [key, value] : written.items()) EXPECT_NE(is_listed(config_keys(), key), is_ignored(key)) << key;
  for (const auto& [key, value] : written["rope_scaling"].items()) EXPECT_TRUE(is_listed(rope_keys(), key)) << key;

  Json unknown = least("deepseek_v3");
  unknown["hiden_size"] = 3;
  EXPECT_EQ(message_of(unknown), "");
}

}  // namespace
}  // namespace minke
