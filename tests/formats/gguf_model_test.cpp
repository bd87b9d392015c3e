#include "formats/gguf_model.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "formats/gguf_bytes.h"
#include "formats/hf_folder.h"
#include "spec/parameters.h"
#include "support/gguf_fixture.h"
#include "support/shared_files.h"

namespace minke {
namespace {

class GgufModels : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  Gguf fixture(const std::string& golden, const test::GgufFixture& options = {}) const {
    const fs::path out = folder_ / "m.gguf";
    test::write_gguf_fixture(test::source_file("tests/golden") / golden, out, options);
    return Gguf::open(out);
  }
  std::string message(const std::string& golden, const test::GgufFixture& options) const {
    const Gguf file = fixture(golden, options);
    try {
      describe(file);
    } catch (const UserError& e) {
      return e.what();
    }
    return "no error";
  }
  fs::path folder_ = fs::temp_directory_path() / fmt::format("minke-gguf-model-{}", ::getpid());
};

// What the folder says, as far as a GGUF file can say it.
Config expected_config(const fs::path& folder) {
  Config c = load_config(folder);
  c.bos_token_id = 0;
  c.eos_token_ids = {1};
  c.fp8_block = 0;
  c.rope_scaling.mscale = c.rope_scaling.mscale_all_dim;
  if (c.rope_scaling.type != RopeType::llama3) c.rope_scaling.low_freq_factor = 1, c.rope_scaling.high_freq_factor = 4;
  return c;
}

void expect_same_tensors(const HfFolder& folder, const Config& config, const GgufModel& model) {
  std::map<std::string, const GgufWeight*> weights;
  for (const GgufWeight& w : model.weights) EXPECT_TRUE(weights.emplace(w.name, &w).second) << w.name << " twice";
  size_t compared = 0;
  for (const SafetensorsFile& file : folder.files())
    for (const TensorInfo& t : file.tensors()) {
      if (t.name.ends_with("_scale_inv")) continue;
      ASSERT_TRUE(weights.count(t.name)) << t.name;
      const GgufWeight& w = *weights.at(t.name);
      ASSERT_EQ(w.shape, t.shape) << t.name;
      std::vector<float> expected(size_t(t.size())), values(size_t(w.size()), -99.0f);
      folder.read_as_f32(t.name, expected.data(), config.fp8_block > 0 ? config.fp8_block : 128);
      const int64_t rows = w.size() / w.columns();
      read_rows_as_f32(w, 0, rows, values.data());
      ASSERT_EQ(values, expected) << t.name;
      // Any part of them.
      const int64_t first = rows / 3, count = std::max<int64_t>(1, rows / 2);
      std::vector<float> part(size_t(count * w.columns()), -98.0f);
      read_rows_as_f32(w, first, count, part.data());
      ASSERT_TRUE(std::equal(part.begin(), part.end(), expected.begin() + first * w.columns())) << t.name;
      ++compared;
    }
  EXPECT_EQ(weights.size(), compared);
  for (const Parameter& p : parameters(config)) EXPECT_TRUE(p.optional_duplicate || weights.count(p.name)) << p.name;
}

TEST_F(GgufModels, HaveConfigAndTensorsOfTheFolderTheyCameFrom) {
  for (const char* golden : {"llama", "llama3-rope", "qwen2", "qwen3", "deepseek", "v2-lite", "v2", "v3", "v3-yarn",
                             "v3-mtp", "v3-mtp2", "v3-fp8"})
    for (bool split_kv : {true, false}) {
      SCOPED_TRACE(fmt::format("{}, {}", golden, split_kv ? "split" : "whole"));
      const fs::path path = test::source_file("tests/golden") / golden;
      const Gguf file = fixture(golden, {.split_kv = split_kv});
      const GgufModel model = describe(file);
      const Config config = load_config(path), read = parse_config(model.config_json, "config.json of the GGUF file");
      EXPECT_EQ(config_to_json(read).dump(1), config_to_json(expected_config(path)).dump(1));
      EXPECT_TRUE(read == expected_config(path));
      EXPECT_EQ(model.notes, std::vector<std::string>{});
      expect_same_tensors(HfFolder::open(path), config, model);
    }
}

TEST_F(GgufModels, BlocksOfExpertsLieInTheFile) {
  const Gguf file = fixture("v3");
  const GgufModel model = describe(file);
  const GgufTensor& stack = file.at("blk.1.ffn_up_exps.weight");
  size_t experts = 0;
  for (const GgufWeight& w : model.weights) {
    if (w.kind == GgufWeight::Kind::expert && w.tensor == &stack) {
      EXPECT_EQ(blocks_in_file(w).data(), stack.bytes.data() + size_t(w.expert) * size_t(w.size()) * 4);
      EXPECT_EQ(blocks_in_file(w).size(), size_t(w.size()) * 4);
      ++experts;
    }
    if (w.kind == GgufWeight::Kind::split_kv) {
      EXPECT_THROW(blocks_in_file(w), BugError);
    }
  }
  EXPECT_EQ(experts, 8u);
}

TEST_F(GgufModels, WhatTheFileLeavesOpenIsSaid) {
  const GgufModel model = describe(fixture("v3", {.groups = false}));
  ASSERT_EQ(model.notes.size(), 1u);
  EXPECT_NE(model.notes[0].find("deepseek2.expert_group_count is missing"), std::string::npos);
  const Config read = parse_config(model.config_json, "x");
  EXPECT_EQ(read.n_group, 1);
  EXPECT_EQ(read.topk_group, 1);
}

TEST_F(GgufModels, WhatIsNotUnderstoodIsRefused) {
  const auto has = [&](const std::string& golden, const test::GgufFixture& options, const char* named) {
    const std::string m = message(golden, options);
    EXPECT_NE(m.find(named), m.npos) << m;
  };
  has("llama", {.also_key = "attention.clamp_kqv"}, "has the key llama.attention.clamp_kqv, which is not understood");
  has("llama", {.also_key = "attention.sliding_window"}, "llama.attention.sliding_window with an unusual value");
  has("llama", {.also_key = "expert_count"}, "llama.expert_count with an unusual value");
  has("llama", {.also_key = "logit_scale"}, "no error");
  has("llama", {.also_tensor = "blk.0.attn_q.bias"},
      "tensor blk.0.attn_q.bias has no place in a model of architecture llama");
  has("llama", {.also_tensor = "blk.00.attn_norm.weight"}, "blk.00.attn_norm.weight has no place");
  has("llama", {.also_tensor = "blk.2.attn_norm.weight"}, "is of layer 2, but there are only 2");
  has("llama", {.also_tensor = "blk.99999999999999999999.attn_norm.weight"}, "has no place");
  has("llama", {.also_tensor = "cls.weight"}, "cls.weight has no place");
  has("llama", {.also_tensor = "rope_freqs.weight"}, "has 1 elements, but a head has 2 rotary frequencies");
  has("qwen3", {.also_tensor = "blk.0.attn_q.bias"}, "has no place");
  has("qwen2", {.also_tensor = "blk.0.ffn_gate_inp.weight"}, "has no place");
  has("v3", {.split_kv = false, .also_tensor = "blk.0.attn_v_b.weight"}, "no blk.0.attn_k_b.weight");
  has("v3", {.split_kv = false, .also_tensor = "blk.0.attn_k_b.weight"},
      "no error");  // beside a whole one it is not used
}

// Metadata alone, for what the metadata must say.
std::string config_message(test::GgufBytes& g) {
  const std::string bytes = g.build();
  const Gguf file = Gguf::of(GgufFile::parse(test::bytes_of(bytes), "x.gguf"));
  try {
    return describe(file).config_json;
  } catch (const UserError& e) {
    return e.what();
  }
}
test::GgufBytes llama() {
  test::GgufBytes g;
  g.key("general.architecture", "llama").key("llama.vocab_size", 10u).key("llama.block_count", 1u);
  g.key("llama.context_length", 64u).key("llama.embedding_length", 16u).key("llama.feed_forward_length", 24u);
  g.key("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  return g;
}

TEST(GgufConfig, SaysWhatIsMissingOrWrong) {
  const auto with = [](auto change) {
    test::GgufBytes g = llama();
    change(g);
    return config_message(g);
  };
  using test::GgufBytes;
  const struct {
    std::string message;
    const char* named;
  } cases[] = {
      {with([](GgufBytes&) {}), "llama.attention.head_count is missing"},
      {with([](GgufBytes& g) { g.key("llama.attention.head_count", 0u); }),
       "head_count is 0; it must be between 1 and"},
      {with([](GgufBytes& g) { g.key("llama.attention.head_count", 2.0f); }), "head_count is f32"},
      {with([](GgufBytes& g) { g.key("llama.attention.head_count", 4u); }), "\"head_dim\": 4"},
      {with([](GgufBytes& g) { g.key("llama.attention.head_count", 4u).key("llama.rope.dimension_count", 2u); }),
       "only equal ones"},
      {with([](GgufBytes& g) { g.key("llama.attention.head_count", 4u).key("llama.rope.scaling.type", "longrope"); }),
       "rope.scaling.type is \"longrope\""},
      {with([](GgufBytes& g) { g.key("llama.attention.head_count", 4u).key("llama.rope.scaling.type", "yarn"); }),
       "rope.scaling.factor is missing"},
      {with([](GgufBytes& g) { g.key("llama.attention.head_count", 4u).key("llama.rope.scale_linear", 2.0f); }),
       "\"rope_type\": \"linear\""},
      {with([](GgufBytes& g) { g.key("llama.attention.head_count", 4u).key("llama.rope.freq_base", INFINITY); }),
       "rope.freq_base is inf"},
  };
  for (const auto& c : cases) EXPECT_NE(c.message.find(c.named), c.message.npos) << c.named << "\n" << c.message;

  GgufBytes other;
  other.key("general.architecture", "gpt2");
  EXPECT_NE(config_message(other).find("\"gpt2\"; minke reads deepseek2, deepseek, llama, qwen2, qwen3"),
            std::string::npos);
  GgufBytes none;
  EXPECT_NE(config_message(none).find("general.architecture is missing"), std::string::npos);
}

// YaRN's attention factor: ours is the whole one, theirs comes on top of 0.1 · ln(factor) + 1.
TEST(GgufConfig, AttentionFactorOfYarn) {
  test::GgufBytes g = llama();
  g.key("llama.attention.head_count", 4u).key("llama.rope.scaling.type", "yarn").key("llama.rope.scaling.factor", 4.0f);
  g.key("llama.rope.scaling.attn_factor", 0.5f).key("llama.rope.scaling.original_context_length", 16u);
  const Config c = parse_config(config_message(g), "x");
  EXPECT_EQ(c.rope_scaling.type, RopeType::yarn);
  EXPECT_NEAR(c.rope_scaling.attention_factor, 0.5 * (0.1 * std::log(4.0) + 1), 1e-12);
  EXPECT_EQ(c.rope_scaling.original_max_position_embeddings, 16);
}

// Where the metadata can be held against a published config.json that we know by heart.
TEST(GgufConfig, OfAPublishedFile) {
  const auto path = test::shared_file("data/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
  if (!path) GTEST_SKIP() << "not in MINKE_SHARED";
  const Gguf file = Gguf::open(*path);
  const GgufModel model = describe(file);
  const Config c = parse_config(model.config_json, path->string());
  EXPECT_EQ(c.model_type, ModelType::llama);
  EXPECT_EQ(c.vocab_size, 49152);
  EXPECT_EQ(c.hidden_size, 576);
  EXPECT_EQ(c.num_hidden_layers, 30);
  EXPECT_EQ(c.intermediate_size, 1536);
  EXPECT_EQ(c.num_attention_heads, 9);
  EXPECT_EQ(c.num_key_value_heads, 3);
  EXPECT_EQ(c.head_dim, 64);
  EXPECT_EQ(c.max_position_embeddings, 8192);
  EXPECT_EQ(c.rope_theta, 100000);
  EXPECT_EQ(c.rms_norm_eps, 1e-5);
  EXPECT_TRUE(c.tie_word_embeddings);
  EXPECT_EQ(c.bos_token_id, 1);
  EXPECT_EQ(c.eos_token_ids, std::vector<int64_t>{2});
  const std::vector<Parameter> needed = parameters(c);
  EXPECT_EQ(model.weights.size(), needed.size());
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const GgufWeight& w : model.weights) shapes[w.name] = w.shape;
  for (const Parameter& p : needed) EXPECT_EQ(shapes[p.name], p.shape) << p.name;
}

}  // namespace
}  // namespace minke
