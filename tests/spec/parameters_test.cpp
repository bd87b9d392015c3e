#include "spec/parameters.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/files.h"
#include "formats/hf_folder.h"
#include "support/shared_files.h"

namespace minke {
namespace {

Config small() {
  return parse_config(R"({"model_type": "deepseek_v3", "vocab_size": 320, "hidden_size": 64, "num_hidden_layers": 2,
    "intermediate_size": 160, "num_attention_heads": 4, "q_lora_rank": 48, "kv_lora_rank": 32, "qk_nope_head_dim": 24,
    "qk_rope_head_dim": 16, "v_head_dim": 20, "n_routed_experts": 8, "n_shared_experts": 2, "num_experts_per_tok": 2,
    "moe_intermediate_size": 40, "first_k_dense_replace": 1, "n_group": 2, "topk_group": 1, "num_nextn_predict_layers": 1})",
                      "test");
}
const Parameter& find(const std::vector<Parameter>& all, const std::string& name) {
  for (const Parameter& p : all)
    if (p.name == name) return p;
  throw std::runtime_error("no parameter " + name);
}

TEST(Parameters, NamesShapesAndPlaces) {
  const std::vector<Parameter> all = parameters(small());
  const Parameter& up = find(all, "model.layers.1.mlp.experts.5.up_proj.weight");
  EXPECT_EQ(up.storage, "layers.1.experts.gate_up");
  EXPECT_EQ(up.shape, (std::vector<int64_t>{40, 64}));
  EXPECT_EQ(up.group, 5);
  EXPECT_EQ(up.row_begin, 40);
  EXPECT_EQ(up.part, Part::routed_expert);
  EXPECT_EQ(find(all, "model.layers.0.mlp.up_proj.weight").storage, "layers.0.gate_up");
  EXPECT_EQ(find(all, "model.layers.1.mlp.shared_experts.down_proj.weight").shape, (std::vector<int64_t>{64, 80}));
  EXPECT_EQ(find(all, "model.layers.1.self_attn.kv_a_proj_with_mqa.weight").shape, (std::vector<int64_t>{48, 64}));
  EXPECT_EQ(find(all, "model.layers.1.self_attn.kv_b_proj.weight").shape, (std::vector<int64_t>{4 * 44, 32}));
  EXPECT_EQ(find(all, "model.layers.1.self_attn.q_b_proj.weight").shape, (std::vector<int64_t>{160, 48}));
  EXPECT_EQ(find(all, "model.layers.1.self_attn.o_proj.weight").shape, (std::vector<int64_t>{64, 80}));
  EXPECT_EQ(find(all, "model.layers.1.self_attn.q_a_layernorm.weight").storage, "layers.1.q_a_layernorm");
  EXPECT_EQ(find(all, "model.layers.2.eh_proj.weight").shape, (std::vector<int64_t>{64, 128}));

  const Parameter& bias = find(all, "model.layers.1.mlp.gate.e_score_correction_bias");
  EXPECT_EQ(bias.storage, "layers.1.gate.e_score_correction_bias");
  EXPECT_EQ(bias.init, Init::zeros);
  EXPECT_FALSE(bias.trainable || bias.weight_decay);
  const Parameter& norm = find(all, "model.norm.weight");
  EXPECT_EQ(norm.init, Init::ones);
  EXPECT_TRUE(norm.trainable && !norm.weight_decay);
  EXPECT_TRUE(find(all, "lm_head.weight").weight_decay);

  const Parameter& copy = find(all, "model.layers.2.shared_head.head.weight");
  EXPECT_TRUE(copy.optional_duplicate && copy.mtp);
  EXPECT_EQ(copy.storage, "lm_head");
  EXPECT_EQ(find(all, "model.layers.2.embed_tokens.weight").storage, "embed_tokens");
}

// Every element of every storage belongs to exactly one published tensor that is not a duplicate.
// The value of "a · (b + c)": sums of products, names taken from config.json.
int64_t evaluate(std::string_view& text, const Json& fields) {
  const auto skip = [&](std::string_view token) {
    if (!text.starts_with(token)) return false;
    text.remove_prefix(token.size());
    return true;
  };
  int64_t sum = 0;
  do {
    int64_t product = 1;
    do {
      if (skip("(")) {
        product *= evaluate(text, fields);
        EXPECT_TRUE(skip(")")) << text;
      } else {
        const size_t end = std::min(text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789"), text.size());
        const std::string name(text.substr(0, end));
        product *= name == "2" ? 2 : fields.at(name).get<int64_t>();
        text.remove_prefix(end);
      }
    } while (skip(" · "));
    sum += product;
  } while (skip(" + "));
  return sum;
}

TEST(Parameters, TheFieldsNamedMakeTheShape) {
  Config gqa = parse_config(R"({"model_type": "qwen3", "vocab_size": 30, "hidden_size": 14, "num_hidden_layers": 1,
    "intermediate_size": 9, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6})",
                            "test");
  gqa.qkv_bias = true;
  Config whole_query = small();
  whole_query.q_lora_rank = 0;
  for (const Config& config : {small(), whole_query, gqa}) {
    const Json fields = config_to_json(config);
    for (const Parameter& p : parameters(config)) {
      std::string_view text = p.fields;
      std::vector<int64_t> shape;
      do {
        text.remove_prefix(shape.empty() ? 1 : 2);  // "[" and ", "
        shape.push_back(evaluate(text, fields));
      } while (text.starts_with(", "));
      EXPECT_EQ(text, "]");
      EXPECT_EQ(shape, p.shape) << p.name << " " << p.fields;
    }
  }
}

TEST(Parameters, FillTheStoragesExactly) {
  Config configs[] = {small(), small(), small(), small()};
  configs[1].tie_word_embeddings = true;
  configs[1].q_lora_rank = 0;
  configs[2].attention = AttentionKind::gqa;
  configs[2].num_key_value_heads = 2;
  configs[2].head_dim = 16;
  configs[2].qkv_bias = configs[2].qk_norm = true;
  configs[3].n_routed_experts = 0;
  for (const Config& config : configs) {
    std::map<std::string, Storage> by_name;
    for (const Storage& s : storages(config)) EXPECT_TRUE(by_name.emplace(s.name, s).second) << s.name;
    std::map<std::string, std::vector<bool>> covered;
    std::set<std::string> names;
    for (const Parameter& p : parameters(config)) {
      EXPECT_TRUE(names.insert(p.name).second) << p.name;
      ASSERT_TRUE(by_name.count(p.storage)) << p.name;
      if (p.optional_duplicate) continue;
      const Storage& s = by_name.at(p.storage);
      EXPECT_EQ(s.shape.back(), p.shape.back()) << p.name;
      EXPECT_EQ(s.layer, p.layer);
      EXPECT_EQ(s.trainable, p.trainable);
      EXPECT_EQ(s.weight_decay, p.weight_decay);
      std::vector<bool>& seen = covered.try_emplace(s.name, size_t(s.size())).first->second;
      const int64_t begin = element_offset(p, s);
      ASSERT_LE(begin + p.size(), s.size()) << p.name;
      for (int64_t i = begin; i < begin + p.size(); ++i) {
        ASSERT_FALSE(seen[size_t(i)]) << p.name << " overlaps at " << i;
        seen[size_t(i)] = true;
      }
    }
    for (const auto& [name, storage] : by_name) {
      const std::vector<bool>& seen = covered[name];
      ASSERT_EQ(int64_t(seen.size()), storage.size()) << name;
      EXPECT_EQ(std::find(seen.begin(), seen.end(), false), seen.end()) << name;
    }
  }
}

TEST(Parameters, AreTheTensorsOfThePublishedFolders) {
  for (const fs::path& name : test::golden_folders()) {
    const HfFolder folder = HfFolder::open(name);
    size_t expected = 0, scales = 0;
    for (const Parameter& p : parameters(load_config(name))) {
      if (p.optional_duplicate && !folder.find(p.name)) continue;
      const TensorInfo& t = folder.at(p.name);
      EXPECT_EQ(t.shape, p.shape) << name << " " << p.name;
      scales += t.dtype == DType::f8_e4m3;
      ++expected;
    }
    EXPECT_EQ(folder.tensor_count(), expected + scales) << name;
  }
}

}  // namespace
}  // namespace minke
