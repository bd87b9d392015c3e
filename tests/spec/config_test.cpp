#include "spec/config.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "support/shared_files.h"

namespace minke {
namespace {

// A complete small DeepSeek-V3 config; tests change single fields of it.
Json v3() {
  return parse_json(R"({"model_type": "deepseek_v3", "vocab_size": 320, "hidden_size": 64, "num_hidden_layers": 3,
    "intermediate_size": 160, "num_attention_heads": 4, "num_key_value_heads": 4, "q_lora_rank": 48, "kv_lora_rank": 32,
    "qk_nope_head_dim": 24, "qk_rope_head_dim": 16, "v_head_dim": 24, "n_routed_experts": 16, "n_shared_experts": 1,
    "num_experts_per_tok": 4, "moe_intermediate_size": 48, "first_k_dense_replace": 1, "n_group": 4, "topk_group": 2,
    "rope_theta": 10000, "max_position_embeddings": 512})",
                    "v3");
}
Json llama() {
  return parse_json(R"({"model_type": "llama", "vocab_size": 320, "hidden_size": 64, "num_hidden_layers": 2,
    "intermediate_size": 160, "num_attention_heads": 4, "num_key_value_heads": 2})",
                    "llama");
}
Json with(Json json, const char* patch) {
  json.merge_patch(parse_json(patch, "patch"));  // a null in the patch removes the field
  return json;
}
Config parse(const Json& json) { return parse_config(json.dump(), "config.json"); }

std::string message_of(const std::string& text) {
  try {
    parse_config(text, "bad/config.json");
  } catch (const UserError& e) {
    return e.what();
  }
  return "no error";
}

TEST(Config, ReadsDefaultsOfEveryModelType) {
  const Config v = parse(v3());
  EXPECT_EQ(v.attention, AttentionKind::mla);
  EXPECT_TRUE(v.rope_interleave && v.gate_bias && v.norm_topk_prob);
  EXPECT_EQ(v.scoring_func, ScoringFunc::sigmoid);
  EXPECT_EQ(v.topk_method, TopkMethod::noaux_tc);
  EXPECT_EQ(v.routed_scaling_factor, 2.5);
  EXPECT_EQ(v.rms_norm_eps, 1e-6);

  const Config l = parse(llama());
  EXPECT_EQ(l.attention, AttentionKind::gqa);
  EXPECT_EQ(l.head_dim, 16);  // hidden_size / num_attention_heads
  EXPECT_EQ(l.n_routed_experts, 0);
  EXPECT_FALSE(l.rope_interleave || l.qkv_bias || l.qk_norm || l.tie_word_embeddings);
  EXPECT_EQ(l.max_position_embeddings, 2048);

  EXPECT_TRUE(parse(with(llama(), R"({"model_type": "qwen2"})")).qkv_bias);
  const Config q3 = parse(with(llama(), R"({"model_type": "qwen3"})"));
  EXPECT_TRUE(q3.qk_norm);
  EXPECT_EQ(q3.head_dim, 128);

  const Config moe = parse(with(llama(), R"({"model_type": "deepseek", "n_routed_experts": 8, "n_shared_experts": 2,
      "num_experts_per_tok": 3, "moe_intermediate_size": 48, "first_k_dense_replace": 1})"));
  EXPECT_EQ(moe.attention, AttentionKind::gqa);
  EXPECT_FALSE(moe.rope_interleave || moe.norm_topk_prob || moe.gate_bias);
  EXPECT_EQ(moe.scoring_func, ScoringFunc::softmax);
  EXPECT_EQ(moe.topk_method, TopkMethod::greedy);
  EXPECT_EQ(moe.routed_scaling_factor, 1);

  const Config v2 = parse(with(v3(), R"({"model_type": "deepseek_v2", "n_group": 1, "topk_group": 1})"));
  EXPECT_TRUE(v2.rope_interleave);
  EXPECT_FALSE(v2.gate_bias);
  EXPECT_EQ(v2.scoring_func, ScoringFunc::softmax);
  EXPECT_EQ(v2.topk_method, TopkMethod::greedy);
}

TEST(Config, V2GateNeverRenormalisesUnlessMinkeSaysSo) {
  const Json v2 = with(v3(), R"({"model_type": "deepseek_v2", "norm_topk_prob": true})");
  EXPECT_FALSE(parse(v2).norm_topk_prob);
  EXPECT_TRUE(parse(with(v2, R"({"minke": {"norm_topk_prob": true}})")).norm_topk_prob);
}

TEST(Config, NullMeansWithout) {
  Json json = v3();
  json["q_lora_rank"] = nullptr;
  json["n_shared_experts"] = nullptr;
  json["eos_token_id"] = nullptr;
  const Config c = parse(json);
  EXPECT_EQ(c.q_lora_rank, 0);
  EXPECT_EQ(c.n_shared_experts, 0);
  EXPECT_TRUE(c.eos_token_ids.empty());
  json["n_routed_experts"] = nullptr;
  EXPECT_EQ(parse(json).n_routed_experts, 0);
  EXPECT_FALSE(parse(json).is_moe_layer(2));
}

TEST(Config, EosIsANumberOrAList) {
  EXPECT_EQ(parse(with(v3(), R"({"eos_token_id": 7})")).eos_token_ids, std::vector<int64_t>{7});
  EXPECT_EQ(parse(with(v3(), R"({"eos_token_id": [7, 9]})")).eos_token_ids, (std::vector<int64_t>{7, 9}));
}

TEST(Config, BothFormsOfRopeSettingsAreTheSame) {
  const char* old_form = R"({"rope_theta": 5000, "rope_scaling": {"type": "yarn", "factor": 8, "mscale": 0.7,
      "mscale_all_dim": 0.5, "original_max_position_embeddings": 64, "beta_fast": 16, "beta_slow": 2}})";
  const char* new_form =
      R"({"rope_theta": null, "rope_parameters": {"rope_type": "yarn", "rope_theta": 5000, "factor": 8,
      "mscale": 0.7, "mscale_all_dim": 0.5, "original_max_position_embeddings": 64, "beta_fast": 16, "beta_slow": 2}})";
  const Config a = parse(with(v3(), old_form)), b = parse(with(v3(), new_form));
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.rope_theta, 5000);
  EXPECT_EQ(a.rope_scaling.type, RopeType::yarn);
  EXPECT_EQ(a.rope_scaling.factor, 8);
  EXPECT_EQ(a.rope_scaling.mscale, 0.7);
  EXPECT_EQ(a.rope_scaling.mscale_all_dim, 0.5);
  EXPECT_EQ(a.rope_scaling.beta_fast, 16);
  EXPECT_EQ(a.rope_scaling.beta_slow, 2);
  EXPECT_EQ(a.rope_scaling.original_max_position_embeddings, 64);
  // Without a factor: the whole length over the original one.
  EXPECT_EQ(parse(with(v3(), R"({"rope_scaling": {"type": "yarn", "original_max_position_embeddings": 64}})"))
                .rope_scaling.factor,
            8);
}

TEST(Config, MinkeSaysWhatNoModelTypeCan) {
  const Config c = parse(with(v3(), R"({"num_key_value_heads": 2, "head_dim": 16,
      "minke": {"attention": "gqa", "scoring_func": "softmax", "topk_method": "greedy", "rope_interleave": false, "qk_norm": true}})"));
  EXPECT_EQ(c.attention, AttentionKind::gqa);
  EXPECT_EQ(c.num_key_value_heads, 2);
  EXPECT_EQ(c.scoring_func, ScoringFunc::softmax);
  EXPECT_FALSE(c.gate_bias || c.rope_interleave);  // greedy has no bias
  EXPECT_TRUE(c.qk_norm);
}

TEST(Config, ReadsFp8Blocks) {
  const Config c = parse(with(
      v3(), R"({"quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]}})"));
  EXPECT_EQ(c.fp8_block, 128);
}

TEST(Config, WritesWhatItReads) {
  const Json cases[] = {
      v3(),
      llama(),
      with(llama(),
           R"({"model_type": "qwen2", "tie_word_embeddings": true, "eos_token_id": [1, 2], "rms_norm_eps": 1e-5})"),
      with(llama(), R"({"model_type": "qwen3", "head_dim": 32, "bos_token_id": 3})"),
      with(llama(), R"({"rope_theta": 500000, "rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1,
          "high_freq_factor": 4, "original_max_position_embeddings": 64}})"),
      with(llama(), R"({"rope_scaling": {"type": "linear", "factor": 4}})"),
      with(v3(), R"({"rope_scaling": {"type": "yarn", "factor": 40, "mscale": 0.707, "mscale_all_dim": 0.707,
          "original_max_position_embeddings": 4096}, "num_nextn_predict_layers": 2})"),
      with(v3(), R"({"model_type": "deepseek_v2", "topk_method": "group_limited_greedy", "num_experts_per_tok": 3})"),
      with(v3(), R"({"model_type": "deepseek_v2", "n_group": 1, "topk_group": 1, "minke": {"norm_topk_prob": true}})"),
      with(v3(), R"({"minke": {"attention": "gqa", "qkv_bias": true, "scoring_func": "softmax", "gate_bias": false,
          "rope_interleave": false}})"),
      with(v3(), R"({"n_routed_experts": 0})"),
      with(llama(),
           R"({"model_type": "deepseek", "n_routed_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 48,
          "minke": {"rope_interleave": true, "scoring_func": "sigmoid", "topk_method": "noaux_tc"}})"),
      with(v3(), R"({"quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]}})"),
  };
  for (const Json& json : cases) {
    const Config c = parse(json);
    const Json written = config_to_json(c, "float32");
    EXPECT_EQ(parse(written), c) << json.dump() << "\n" << written.dump(1);
    EXPECT_EQ(written["torch_dtype"], "float32");
  }
  EXPECT_FALSE(config_to_json(parse(v3())).contains("minke"));  // a standard model needs nothing of ours
}

TEST(Config, ReadsThePublishedFolders) {
  const std::vector<fs::path> folders = test::golden_folders();
  EXPECT_GE(folders.size(), 12u);
  for (const fs::path& folder : folders) {
    const Config c = load_config(folder);
    EXPECT_EQ(parse(config_to_json(c)), c) << folder;
  }
  const fs::path own = test::source_file("tests/golden");
  EXPECT_TRUE(load_config(own / "llama").tie_word_embeddings);
  EXPECT_EQ(load_config(own / "llama3-rope").rope_theta, 500);
  EXPECT_EQ(load_config(own / "v3-mtp2").num_nextn_predict_layers, 2);
  EXPECT_EQ(load_config(own / "v3-fp8").fp8_block, 16);
}

struct Bad {
  const char* patch;
  const char* named[3];  // all must stand in the message
};

TEST(Config, NamesContradictionsWithFieldAndValues) {
  const Bad cases[] = {
      {R"({"model_type": "mamba"})", {"model_type", "mamba", "deepseek_v3"}},
      {R"({"hidden_size": 0})", {"hidden_size", "0", "between"}},
      {R"({"hidden_size": -5})", {"hidden_size", "-5", "between"}},
      {R"({"hidden_size": 99999999999})", {"hidden_size", "99999999999", "between"}},
      {R"({"hidden_size": "64"})", {"hidden_size", "\"64\"", "whole number"}},
      {R"({"hidden_size": 64.5})", {"hidden_size", "64.5", "whole number"}},
      {R"({"hidden_size": 18446744073709551615})", {"hidden_size", "18446744073709551615", "whole number"}},
      {R"({"vocab_size": null})", {"vocab_size", "missing", "add it"}},
      {R"({"num_hidden_layers": 0})", {"num_hidden_layers", "0", "between"}},
      {R"({"intermediate_size": -1})", {"intermediate_size", "-1", "between"}},
      {R"({"num_attention_heads": 0})", {"num_attention_heads", "0", "between"}},
      {R"({"minke": {"attention": "gqa"}, "num_key_value_heads": 3, "head_dim": 16})",
       {"num_key_value_heads", "3", "4"}},
      {R"({"minke": {"attention": "gqa"}, "num_key_value_heads": 0, "head_dim": 16})",
       {"num_key_value_heads", "0", "between"}},
      {R"({"minke": {"attention": "gqa"}, "head_dim": 15})", {"head_dim", "15", "even"}},
      {R"({"minke": {"attention": "mamba"}})", {"attention", "mamba", "gqa"}},
      {R"({"minke": {"atention": "gqa"}})", {"minke has \"atention\"", "did you mean", "attention"}},
      {R"({"minke": {"qkv_bias": true}, "qk_rope_head_dim": 15})", {"qk_rope_head_dim", "15", "even"}},
      {R"({"kv_lora_rank": 0})", {"kv_lora_rank", "0", "between"}},
      {R"({"n_group": 3})", {"n_group", "3", "16"}},
      {R"({"n_group": 0})", {"n_group", "0", "between"}},
      {R"({"topk_group": 5})", {"topk_group", "5", "4"}},
      {R"({"num_experts_per_tok": 9, "topk_group": 2})", {"num_experts_per_tok", "9", "8"}},
      {R"({"num_experts_per_tok": 17})", {"num_experts_per_tok", "17", "16"}},
      {R"({"num_experts_per_tok": 0})", {"num_experts_per_tok", "0", "between"}},
      {R"({"n_group": 16, "topk_group": 8})", {"noaux_tc", "n_group", "16"}},
      {R"({"n_routed_experts": 300000})", {"n_routed_experts", "300000", "between"}},
      {R"({"first_k_dense_replace": 4})", {"first_k_dense_replace", "4", "3"}},
      {R"({"moe_layer_freq": 0})", {"moe_layer_freq", "0", "between"}},
      {R"({"moe_intermediate_size": 0})", {"moe_intermediate_size", "0", "between"}},
      {R"({"scoring_func": "relu"})", {"scoring_func", "relu", "sigmoid"}},
      {R"({"topk_method": 3})", {"topk_method", "3", "noaux_tc"}},
      {R"({"routed_scaling_factor": -1})", {"routed_scaling_factor", "-1", "positive"}},
      {R"({"norm_topk_prob": 1})", {"norm_topk_prob", "1", "true or false"}},
      {R"({"rms_norm_eps": 0})", {"rms_norm_eps", "0", "positive"}},
      {R"({"rms_norm_eps": "small"})", {"rms_norm_eps", "small", "number"}},
      {R"({"rope_theta": 0})", {"rope_theta", "0", "greater than 1"}},
      {R"({"rope_scaling": 4})", {"rope_scaling", "4", "object"}},
      {R"({"rope_scaling": {"type": "dynamic", "factor": 4}})", {"rope_scaling.type", "dynamic", "yarn"}},
      {R"({"rope_scaling": {"type": "linear"}})", {"rope_scaling.factor", "missing", "add it"}},
      {R"({"rope_scaling": {"type": "yarn", "factor": 0.5}})", {"rope_scaling.factor", "0.5", "between"}},
      {R"({"rope_scaling": {"type": "yarn", "original_max_position_embeddings": 0}})",
       {"rope_scaling", "factor", "missing"}},
      {R"({"rope_scaling": {"type": "yarn", "beta_fast": 1, "beta_slow": 2}})", {"beta_fast", "1", "beta_slow 2"}},
      {R"({"rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4, "original_max_position_embeddings": 64}})",
       {"high_freq_factor", "4", "low_freq_factor"}},
      {R"({"rope_parameters": {"rope_theta": 7}})", {"rope_theta", "10000", "7"}},
      {R"({"rope_scaling": {"type": "linear", "factor": 2}, "rope_parameters": {"rope_type": "linear", "factor": 3}})",
       {"rope_scaling", "rope_parameters", "differ"}},
      {R"({"num_nextn_predict_layers": -1})", {"num_nextn_predict_layers", "-1", "between"}},
      {R"({"hidden_act": "gelu"})", {"hidden_act", "gelu", "silu"}},
      {R"({"hidden_act": "Swish"})", {"hidden_act", "Swish", "silu"}},
      {R"({"attention_bias": true})", {"attention_bias", "true", "not supported"}},
      {R"({"eos_token_id": "two"})", {"eos_token_id", "two", "list"}},
      {R"({"eos_token_id": [1, -2]})", {"eos_token_id", "-2", "list"}},
      {R"({"quantization_config": {"quant_method": "gptq"}})", {"quantization_config", "gptq", "fp8"}},
      {R"({"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 64]}})",
       {"weight_block_size", "[128, 128]", "equal"}},
      {R"({"hidden_size": 262144, "vocab_size": 16777216, "num_hidden_layers": 4096, "intermediate_size": 1048576})",
       {"hidden_size 262144", "4096", "parameters"}},
  };
  EXPECT_GE(std::size(cases), 20u);
  for (const Bad& bad : cases) {
    const std::string message = message_of(with(v3(), bad.patch).dump());
    EXPECT_EQ(message.find("bad/config.json: "), 0u) << bad.patch << "\n" << message;
    for (const char* part : bad.named) EXPECT_NE(message.find(part), message.npos) << bad.patch << "\n" << message;
  }
}

TEST(Config, BadTextIsAUserError) {
  EXPECT_NE(message_of("").find("not valid JSON"), std::string::npos);
  EXPECT_NE(message_of("[1]").find("a list"), std::string::npos);
  EXPECT_NE(message_of("{\"model_type\": 3}").find("model_type is 3"), std::string::npos);
  EXPECT_NE(message_of("{}").find("model_type is missing"), std::string::npos);
  EXPECT_NE(message_of(std::string(100000, '[')).find("nested"), std::string::npos);
}

TEST(Config, MtpModulesAreMoeWhateverTheFrequency) {
  const Config c =
      parse(with(v3(), R"({"moe_layer_freq": 2, "first_k_dense_replace": 0, "num_nextn_predict_layers": 1})"));
  EXPECT_TRUE(c.is_moe_layer(0) && !c.is_moe_layer(1) && c.is_moe_layer(2) && c.is_moe_layer(3));
}

TEST(Config, SwishIsSilu) {
  const Config silu = parse_config(with(v3(), R"({"hidden_act": "silu"})").dump(), "x");
  EXPECT_EQ(parse_config(with(v3(), R"({"hidden_act": "swish"})").dump(), "x"), silu);
  EXPECT_EQ(config_to_json(silu, "bfloat16")["hidden_act"], "silu");
}

}  // namespace
}  // namespace minke
