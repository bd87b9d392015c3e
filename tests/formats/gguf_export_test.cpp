#include "formats/gguf_export.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <deque>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "formats/gguf_model.h"
#include "formats/hf_folder.h"
#include "spec/config.h"
#include "support/gguf_fixture.h"
#include "support/shared_files.h"

namespace minke {
namespace {

class GgufExports : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  static Config config_of(const std::string& golden) {
    Config c = load_config(test::source_file("tests/golden") / golden);
    c.rope_scaling.mscale = c.rope_scaling.mscale_all_dim;
    c.fp8_block = 0;
    return c;
  }
  static std::vector<PublishedShape> tensors_of(const HfFolder& folder) {
    std::vector<PublishedShape> list;
    for (const SafetensorsFile& file : folder.files())
      for (const TensorInfo& t : file.tensors())
        if (!t.name.ends_with("_scale_inv")) list.push_back({t.name, t.shape});
    return list;
  }
  // The folder's model as a GGUF file in F32.
  Gguf exported(const std::string& golden) const {
    const HfFolder folder = HfFolder::open(test::source_file("tests/golden") / golden);
    const int64_t block = load_config(folder.path()).fp8_block;
    GgufExport plan = plan_export(config_to_json(config_of(golden)).dump(), tensors_of(folder), golden);
    std::vector<GgufTensorToWrite> list;
    std::deque<std::vector<float>> values;
    for (const GgufExportTensor& t : plan.tensors) {
      std::vector<float>& all = values.emplace_back(t.values);
      std::vector<float> source, part;
      for (const std::string& name : t.sources) {
        source.resize(size_t(folder.at(name).size()));
        folder.read_as_f32(name, source.data(), block > 0 ? block : 128);
        int64_t size = 1;
        for (int64_t s : t.shape) size *= s;
        part.assign(size_t(size) / t.sources.size(), -99.0f);
        arrange(t, source.data(), part.data());
        all.insert(all.end(), part.begin(), part.end());
      }
      list.push_back({.name = t.name, .shape = t.shape, .data = std::as_bytes(std::span(all))});
    }
    write_gguf(folder_ / "out.gguf", plan.keys, list);
    return Gguf::open(folder_ / "out.gguf");
  }
  static std::string message(const std::string& config_json, std::vector<PublishedShape> tensors) {
    try {
      plan_export(config_json, tensors, "config.json");
    } catch (const UserError& e) {
      return e.what();
    }
    return "no error";
  }
  fs::path folder_ = fs::temp_directory_path() / fmt::format("minke-gguf-export-{}", ::getpid());
};

// The same tensors with the same values as the converter written for the tests makes, and read back the same model.
TEST_F(GgufExports, AreWhatLlamaCppsConverterMakesAndReadBackTheSame) {
  for (const char* golden : {"llama", "llama3-rope", "qwen2", "qwen3", "deepseek", "v2-lite", "v2", "v3", "v3-yarn",
                             "v3-mtp", "v3-mtp2", "v3-fp8"}) {
    SCOPED_TRACE(golden);
    const Gguf ours = exported(golden);
    test::write_gguf_fixture(test::source_file("tests/golden") / golden, folder_ / "theirs.gguf");
    const Gguf theirs = Gguf::open(folder_ / "theirs.gguf");
    EXPECT_EQ(ours.tensor_count(), theirs.tensor_count());
    for (const GgufTensor& t : theirs.files()[0].tensors()) {
      const GgufTensor& own = ours.at(t.name);
      EXPECT_EQ(own.shape, t.shape) << t.name;
      EXPECT_TRUE(std::equal(own.bytes.begin(), own.bytes.end(), t.bytes.begin(), t.bytes.end())) << t.name;
    }
    Config read = parse_config(describe(ours).config_json, golden), expected = config_of(golden);
    expected.bos_token_id = -1;  // of the tokenizer, which is not written here
    expected.eos_token_ids = {};
    EXPECT_EQ(config_to_json(read).dump(1), config_to_json(expected).dump(1));
  }
}

TEST_F(GgufExports, WhatGgufCannotSayIsRefusedOrWarnedOf) {
  const auto config = [](const std::string& golden, const char* key, const Json& value) {
    Json json = config_to_json(config_of(golden));
    json[key] = value;
    return json.dump();
  };
  const auto has = [](const std::string& text, const char* named) { EXPECT_NE(text.find(named), text.npos) << text; };
  has(message(config("v3", "minke", {{"attention", "gqa"}}), {}), "minke is {\"attention\":\"gqa\"}");
  has(message(config("v3", "rope_interleave", false), {}), "rope_interleave is false");
  has(message(config("v3", "moe_layer_freq", 2), {}), "moe_layer_freq is 2");
  has(message(config("v3", "model_type", "gpt2"), {}), "no architecture of GGUF");
  has(message(config("v3-yarn", "rope_scaling",
                     {{"rope_type", "yarn"}, {"factor", 2.0}, {"mscale", 1.0}, {"mscale_all_dim", 0.5}}),
              {}),
      "unless mscale and mscale_all_dim are equal");
  const std::string v3 = config_to_json(config_of("v3")).dump();
  has(message(v3, {{"model.layers.0.self_attn.rotary.weight", {4}}}),
      "has no name in GGUF files of architecture deepseek2");
  has(message(v3, {{"model.layers.1.mlp.experts.8.up_proj.weight", {8, 16}}}), "has no name");
  has(message(v3, {{"model.layers.1.mlp.experts.0.up_proj.weight", {8, 16}}}), "needs all 8 experts");
  has(message(v3, {{"model.layers.1.mlp.experts.0.up_proj.weight", {8, 16}},
                   {"model.layers.1.mlp.experts.1.up_proj.weight", {8, 8}}}),
      "has another shape than");
  has(message(v3, {{"model.layers.0.self_attn.kv_b_proj.weight", {3, 8}}}), "has not the shape [24, 8]");
  has(message(config_to_json(config_of("llama")).dump(), {{"model.layers.0.self_attn.q_proj.bias", {16}}}),
      "has no name");

  const auto warnings = [](const std::string& golden) {
    return fmt::format("{}",
                       fmt::join(plan_export(config_to_json(config_of(golden)).dump(), {}, golden).warnings, "; "));
  };
  EXPECT_EQ(warnings("v3"), "");
  EXPECT_EQ(warnings("llama"), "");
  has(warnings("v2"), "by their two best");
  has(warnings("v2-lite"), "no q_lora_rank");
  has(warnings("v3-mtp"), "MTP modules");
}

}  // namespace
}  // namespace minke
