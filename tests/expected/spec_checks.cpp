// Parameter counts, cache sizes, YaRN and FLOPs: everything that follows from a Config alone.
#include "expected/checks.h"
#include "spec/counts.h"
#include "spec/rope.h"
#include "support/expected.h"

namespace minke::testing {
namespace {

Config yarn_config(const ExpectedCheck& c) {
  Config config;
  config.qk_nope_head_dim = 128;
  config.qk_rope_head_dim = 64;
  config.rope_scaling = {.type = RopeType::yarn, .original_max_position_embeddings = 4096};
  if (c.inputs.contains("factor")) config.rope_scaling.factor = c.number("factor");
  if (c.inputs.contains("m")) config.rope_scaling.mscale = config.rope_scaling.mscale_all_dim = c.number("m");
  return config;
}

Config fp8_v3(const ExpectedCheck& c) {
  Config config = c.model("v3_671b");
  config.fp8_block = 128;
  config.num_nextn_predict_layers = 1;
  return config;
}

// One MLA layer with the head sizes of the inputs.
Config mla_config(const ExpectedCheck& c) {
  Config config;
  const auto set = [&](const char* key, int64_t& field) {
    if (c.inputs.contains(key)) field = c.inputs.at(key).get<int64_t>();
  };
  config.num_attention_heads = 1;
  set("dn", config.qk_nope_head_dim);
  set("dr", config.qk_rope_head_dim);
  set("dv", config.v_head_dim);
  set("kr", config.kv_lora_rank);
  return config;
}

Config cache_only(AttentionKind kind, int64_t layers, int64_t heads_or_latent, int64_t head_dim_or_rope) {
  Config config;
  config.attention = kind;
  config.num_hidden_layers = layers;
  (kind == AttentionKind::gqa ? config.num_key_value_heads : config.kv_lora_rank) = heads_or_latent;
  (kind == AttentionKind::gqa ? config.head_dim : config.qk_rope_head_dim) = head_dim_or_rope;
  return config;
}

void add_parameter_checks(ExpectedChecks& checks) {
  const auto count = [&](const char* name, int64_t Counts::*field) {
    checks.add(std::string("params.*.") + name,
               [field](const ExpectedCheck& c) { return Json(count_parameters(c.model()).*field); });
  };
  count("total", &Counts::total);
  count("published_total", &Counts::total);
  count("active_with_embed_and_head", &Counts::active_with_embedding_and_head);
  count("active_head_only", &Counts::active_head_only);
  count("active_no_embed_no_head", &Counts::active_no_embedding_no_head);
  count("attention_per_layer", &Counts::attention_layer);
  count("dense_ffn_layer", &Counts::dense_ffn_layer);
  count("moe_layer_total", &Counts::moe_layer_total);
  count("moe_layer_active", &Counts::moe_layer_active);
  count("mtp_unique", &Counts::mtp_unique);
  checks.add("params.*.mtp_active_with_embed_and_head", [](const ExpectedCheck& c) {
    const Counts n = count_parameters(c.model());
    return Json(n.mtp_active + n.embedding + n.head);
  });
  checks.add("params.*.mtp_active_head_only", [](const ExpectedCheck& c) {
    const Counts n = count_parameters(c.model());
    return Json(n.mtp_active + n.head);
  });
  checks.add("params.v3_671b.eh_proj", [](const ExpectedCheck& c) {
    Config config = fp8_v3(c);
    config.hidden_size = c.inputs.at("hidden_size");
    const Counts n = count_parameters(config);
    return Json(n.mtp_unique - 5 * config.hidden_size - n.attention_layer - n.moe_layer_total);
  });
  checks.add("params.v3_671b.file_weights",
             [](const ExpectedCheck& c) { return Json(count_parameters(fp8_v3(c)).file_weights); });
  checks.add("params.v3_671b.file_elements_with_scales", [](const ExpectedCheck& c) {
    const Counts n = count_parameters(fp8_v3(c));
    return Json(n.file_weights + n.file_fp8_scales);
  });
}

void add_expert_checks(ExpectedChecks& checks) {
  checks.add("moe.combinations_*",
             [](const ExpectedCheck& c) { return Json(expert_combinations(c.inputs.at("n"), c.inputs.at("k"))); });
}

void add_cache_checks(ExpectedChecks& checks) {
  checks.add("kv.*.elements_per_token", [](const ExpectedCheck& c) { return Json(kv_elements_per_token(c.model())); });
  checks.add("kv.*.bytes_per_token_bf16",
             [](const ExpectedCheck& c) { return Json(kv_bytes(c.model(), 1, c.inputs.at("bytes_per_element"))); });
  checks.add("kv.mla_gqa_equivalent_groups", [](const ExpectedCheck& c) {
    const Config gqa = cache_only(AttentionKind::gqa, 1, 1, c.inputs.at("head_dim"));
    return Json(double(kv_elements_per_token(cache_only(AttentionKind::mla, 1, 512, 64))) /
                double(kv_elements_per_token(gqa)));
  });
  checks.add("kv.v2_vs_67b_reduction", [](const ExpectedCheck& c) {
    const double v2 = double(kv_elements_per_token(c.model("v2_236b"))) * c.number("v2_bits");
    const double dense = double(kv_elements_per_token(c.model("llm_67b"))) * c.number("llm67b_bits");
    return Json(1 - v2 / dense);
  });
  checks.add("kv.v2_table9_*_mla", [](const ExpectedCheck& c) {
    return Json(kv_elements_per_token(cache_only(AttentionKind::mla, c.inputs.at("layers"), 512, 64)));
  });
  // The table's figure for MHA counts keys and values: 2 · heads · head_dim per layer.
  checks.add("kv.v2_table9_small_mha", [](const ExpectedCheck& c) {
    return Json(kv_elements_per_token(
        cache_only(AttentionKind::gqa, c.inputs.at("layers"), c.inputs.at("heads"), c.inputs.at("head_dim"))));
  });
  const auto sequence = [](const ExpectedCheck& c) {
    return Json(kv_bytes(c.model("v3_671b"), c.inputs.at("tokens"), 2));
  };
  checks.add("kv.v3_128k_sequence_bytes", sequence);
  checks.add("kv.day6_average_request_bytes", sequence);
}

void add_attention_checks(ExpectedChecks& checks) {
  checks.add("mla.flops_per_pair_head_naive",
             [](const ExpectedCheck& c) { return Json(attention_pair_flops(mla_config(c)).naive); });
  checks.add("mla.flops_per_pair_head_absorbed",
             [](const ExpectedCheck& c) { return Json(attention_pair_flops(mla_config(c)).absorbed); });
  checks.add("mla.break_even_queries",
             [](const ExpectedCheck& c) { return Json(attention_pair_flops(mla_config(c)).break_even_queries); });
  checks.add("mla.softmax_scale_no_yarn", [](const ExpectedCheck& c) {
    Config config = yarn_config(c);
    config.rope_scaling = {};
    return Json(softmax_scale(config));
  });
  checks.add("yarn.mscale.*",
             [](const ExpectedCheck& c) { return Json(yarn_mscale(c.number("factor"), c.number("m"))); });
  checks.add("yarn.softmax_scale.*", [](const ExpectedCheck& c) { return Json(softmax_scale(yarn_config(c))); });
  const auto range = [](const ExpectedCheck& c) {
    const RopeScaling defaults;
    return yarn_range(c.inputs.at("dim"), c.number("base"), c.inputs.at("orig"), defaults.beta_fast,
                      defaults.beta_slow);
  };
  checks.add("yarn.low", [range](const ExpectedCheck& c) { return Json(range(c).low); });
  checks.add("yarn.high", [range](const ExpectedCheck& c) { return Json(range(c).high); });
  checks.add("yarn.freqs", [](const ExpectedCheck& c) { return Json(rope_frequencies(yarn_config(c))); });
}

void add_flops_checks(ExpectedChecks& checks) {
  checks.add("eff.v3_matmul_params_active",
             [](const ExpectedCheck& c) { return Json(count_parameters(c.model()).matmul_active); });
  checks.add("eff.v3_flop_per_token_causal", [](const ExpectedCheck& c) {
    return Json(training_flops_per_token(c.model(), c.inputs.at("seq"), true));
  });
  checks.add("eff.v3_flop_per_token_noncausal", [](const ExpectedCheck& c) {
    return Json(training_flops_per_token(c.model(), c.inputs.at("seq"), false));
  });
}

}  // namespace

void add_spec_checks(ExpectedChecks& checks) {
  checks.add("mtp.tokens_per_step_*",
             [](const ExpectedCheck& c) -> Json { return tokens_per_step(c.number("acceptance")); });
  add_parameter_checks(checks);
  add_expert_checks(checks);
  add_cache_checks(checks);
  add_attention_checks(checks);
  add_flops_checks(checks);
}

}  // namespace minke::testing
