// Saved and loaded again the weights are the same; a folder that does not fit is refused before anything changes.
#include "model/checkpoint.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/json.h"
#include "formats/hf_folder.h"
#include "kernels/dry_run.h"
#include "support/gguf_fixture.h"
#include "support/poison.h"
#include "support/random.h"
#include "support/shared_files.h"
#include "support/tiny.h"

namespace minke {
namespace {

using namespace test;

class Checkpoint : public ::testing::Test {
 protected:
  const TestContext test_context;
  const Context& ctx = test_context;
  fs::path folder = fs::temp_directory_path() / fmt::format("minke-checkpoint-{}", ::getpid());
  Checkpoint() { fs::create_directories(folder); }
  ~Checkpoint() override { fs::remove_all(folder); }

  std::vector<float> all_weights(const Model& model) {
    std::vector<float> all;
    for (const Weight& w : model.weights().all()) {
      std::vector<float> host(size_t(w.master().size()));
      ctx.backend->download(ctx, {.device = w.master(), .host = host.data()});
      all.insert(all.end(), host.begin(), host.end());
    }
    return all;
  }
  std::string refusal(Model& model) {
    const auto before = all_weights(model);
    try {
      load_weights(ctx, model, open_weights(model.config(), folder));
    } catch (const UserError& e) {
      EXPECT_EQ(all_weights(model), before) << "nothing may change";
      return e.what();
    }
    return "";
  }
};

TEST_F(Checkpoint, RoundTripOfEveryArchitecture) {
  for (const Config& config : {tiny_v3(1), tiny_v2(), tiny_llama(), tiny_llama(true), tiny_llama(false, true)}) {
    Model model(ctx, config, Precision::f32(), 16), again(ctx, config, Precision::f32(), 16);
    model.weights().initialise(ctx, 0.5);
    save_weights(ctx, model, folder, DType::f32);
    EXPECT_EQ(load_config(folder), model.config());
    load_weights(ctx, again, open_weights(again.config(), folder));
    EXPECT_EQ(all_weights(again), all_weights(model));
  }
}

// Experts stacked, kv_b whole or split, rows of q and k in another order: the same model, MTP modules too.
TEST_F(Checkpoint, AGgufFileHasTheWeightsOfTheFolderItWasMadeFrom) {
  for (const char* golden : {"llama", "llama3-rope", "qwen2", "qwen3", "deepseek", "v2", "v3-mtp", "v3-fp8"})
    for (bool split_kv : {true, false}) {
      SCOPED_TRACE(fmt::format("{}, {}", golden, split_kv ? "split" : "whole"));
      const fs::path path = source_file("tests/golden") / golden, file = folder / "m.gguf";
      write_gguf_fixture(path, file, {.split_kv = split_kv});
      const CheckpointFiles of_folder = open_checkpoint(path, kAllMtp), of_file = open_checkpoint(file, kAllMtp);
      EXPECT_EQ(of_file.config.num_nextn_predict_layers, of_folder.config.num_nextn_predict_layers);
      EXPECT_TRUE(of_file.notes.empty());
      Model expected(ctx, of_folder.config, Precision::f32(), 16), found(ctx, of_file.config, Precision::f32(), 16);
      load_weights(ctx, expected, of_folder.weights);
      load_weights(ctx, found, of_file.weights);
      ASSERT_EQ(all_weights(found), all_weights(expected));
    }
  const fs::path file = folder / "m.gguf";
  write_gguf_fixture(source_file("tests/golden/v3"), file, {.groups = false});
  const CheckpointFiles files = open_checkpoint(file, 0);
  ASSERT_EQ(files.notes.size(), 1u);
  EXPECT_NE(files.notes[0].find("note: " + file.string() + ": deepseek2.expert_group_count"), std::string::npos);
}

TEST_F(Checkpoint, Bf16KeepsTheCorrectionBiasInF32) {
  Model model(ctx, tiny_v3(), Precision::f32(), 16);
  model.weights().initialise(ctx, 0.5);
  save_weights(ctx, model, folder, DType::bf16);
  const HfFolder files = HfFolder::open(folder);
  EXPECT_EQ(files.at("model.embed_tokens.weight").dtype, DType::bf16);
  EXPECT_EQ(files.at("model.layers.1.mlp.gate.e_score_correction_bias").dtype, DType::f32);
  EXPECT_EQ(files.at("model.layers.1.mlp.experts.5.up_proj.weight").shape, (std::vector<int64_t>{6, 10}));
}

// What other programs read to know where a text ends: a number, a list, or nothing.
TEST_F(Checkpoint, GenerationConfigNamesTheEnds) {
  const auto written = [&](int64_t bos, std::vector<int64_t> eos) -> Json {
    Config config = tiny_llama();
    config.bos_token_id = bos;
    config.eos_token_ids = std::move(eos);
    const Model model(ctx, config, Precision::f32(), 16);
    fs::remove(folder / "generation_config.json");
    save_weights(ctx, model, folder, DType::f32);
    if (!fs::exists(folder / "generation_config.json")) return {};
    return parse_json(read_file(folder / "generation_config.json"), "generation_config.json");
  };
  EXPECT_EQ(written(3, {5}), (Json{{"bos_token_id", 3}, {"eos_token_id", 5}}));
  EXPECT_EQ(written(0, {}), (Json{{"bos_token_id", 0}}));
  EXPECT_EQ(written(-1, {5, 7}), (Json{{"eos_token_id", {5, 7}}}));
  EXPECT_TRUE(written(-1, {}).is_null());
}

TEST_F(Checkpoint, RefusesWhatDoesNotFitAndSaysWhy) {
  Model model(ctx, tiny_v3(), Precision::f32(), 16);
  model.weights().initialise(ctx, 0.5);
  save_weights(ctx, model, folder, DType::f32);

  Config wider = tiny_v3();
  wider.intermediate_size = 13;
  Model other(ctx, wider, Precision::f32(), 16);
  const std::string shape = refusal(other);
  EXPECT_NE(shape.find("model.layers.0.mlp.gate_proj.weight has shape [11, 10]"), shape.npos) << shape;

  Config deeper = tiny_v3();
  deeper.num_hidden_layers = 4;
  Model more(ctx, deeper, Precision::f32(), 16);
  const std::string missing = refusal(more);
  EXPECT_NE(missing.find("model.layers.3."), missing.npos) << missing;

  Config shallower = tiny_v3();
  shallower.num_hidden_layers = 2;
  Model fewer(ctx, shallower, Precision::f32(), 16);
  EXPECT_NE(refusal(fewer).find("num_hidden_layers 2"), std::string::npos) << refusal(fewer);

  std::ofstream(folder / "model.safetensors") << "damaged";
  EXPECT_NE(refusal(model).find("model.safetensors"), std::string::npos);
}

TEST_F(Checkpoint, MtpModulesMayBeLeftOut) {
  Model with(ctx, tiny_v3(2), Precision::f32(), 16), without(ctx, tiny_v3(0), Precision::f32(), 16);
  with.weights().initialise(ctx, 0.5);
  save_weights(ctx, with, folder, DType::f32);
  load_weights(ctx, without, open_weights(without.config(), folder));
}

// As transformers saves one: the field stays, the modules go.
TEST_F(Checkpoint, AbsentMtpModulesAreSaidAndDoneWithout) {
  Model with(ctx, tiny_v3(2), Precision::f32(), 16), without(ctx, tiny_v3(0), Precision::f32(), 16);
  save_weights(ctx, with, folder, DType::f32);
  EXPECT_EQ(open_checkpoint(folder, kAllMtp).config.num_nextn_predict_layers, 2);
  EXPECT_TRUE(open_checkpoint(folder, kAllMtp).notes.empty());
  EXPECT_EQ(open_checkpoint(folder, 0).config.num_nextn_predict_layers, 0);
  const std::string config = read_file(folder / "config.json");
  save_weights(ctx, without, folder, DType::f32);
  write_file_atomic(folder / "config.json", config);
  for (bool with_mtp : {false, true}) {
    const CheckpointFiles files = open_checkpoint(folder, with_mtp);
    EXPECT_EQ(files.config.num_nextn_predict_layers, 0);
    ASSERT_EQ(files.notes.size(), 1u);
    EXPECT_NE(files.notes[0].find("num_nextn_predict_layers 2, but its weights have no MTP module"), std::string::npos);
    load_weights(ctx, without, files.weights);
  }
  // One module of two is no such folder: it is damaged.
  Model one(ctx, tiny_v3(1), Precision::f32(), 16);
  save_weights(ctx, one, folder, DType::f32);
  write_file_atomic(folder / "config.json", config);
  EXPECT_THROW(open_checkpoint(folder, kAllMtp), UserError);
}

TEST_F(Checkpoint, RunsOnThePoisonBackend) {
  PoisonBackend poison(reference_backend());
  const TestContext there(poison);
  Model from(there, tiny_v3(1), Precision::f32(), 16), to(there, tiny_v3(1), Precision::f32(), 16);
  from.weights().initialise(there, 0.5);
  save_weights(there, from, folder, DType::f32);
  load_weights(there, to, open_weights(to.config(), folder));
  const auto values = [&](const Operand& o) {
    std::vector<float> host(size_t(o.size()));
    poison.download(there, {.device = o, .host = host.data()});
    return host;
  };
  NamedOperands state, restored;
  for (const Weight& w : from.weights().all()) {
    EXPECT_EQ(values(to.weights().get(w.storage().name)->master()), values(w.master())) << w.storage().name;
    state.emplace_back(w.storage().name, w.master());
    restored.emplace_back(w.storage().name, to.weights().get(w.storage().name)->master());
  }
  save_tensors(there, state, folder / "state.safetensors");
  to.weights().initialise(there, 0.1);
  load_tensors(there, restored, folder / "state.safetensors");
  for (size_t i = 0; i < state.size(); ++i) EXPECT_EQ(values(restored[i].second), values(state[i].second));
}

TEST_F(Checkpoint, ADryRunLeavesWeightsAsLoadingDoes) {
  const Config config = tiny_v3(1);
  Model model(ctx, config, Precision::f32(), 16);
  save_weights(ctx, model, folder, DType::f32);
  for (const Precision& precision :
       {Precision::f32(), Precision::f32().for_inference(), Precision::bf16().for_inference()}) {
    DryRun dry(ctx);
    Model loaded(ctx, config, precision, 16), counted(dry.ctx(), config, precision, 16);
    size_t sum = 0, largest = 0;
    for (const Weight& w : counted.weights().all()) largest = std::max(largest, w.bytes());
    load_weights(ctx, loaded, open_weights(config, folder));
    const size_t most = load_nothing(dry.ctx(), counted);
    auto w = counted.weights().all().begin();
    for (const Weight& expected : loaded.weights().all()) {
      EXPECT_EQ(w->bytes(), expected.bytes()) << w->storage().name;
      sum += (w++)->bytes();
    }
    EXPECT_GE(most, sum);
    EXPECT_LE(most, sum + (precision.frozen ? largest : 0));
  }
}

TEST_F(Checkpoint, NamedTensorsAreBitExactAndChecked) {
  const Tensor a(host_memory(), DType::f32, {5}), b(host_memory(), DType::bf16, {3}), c(host_memory(), DType::f32, {5});
  ctx.backend->fill_normal(ctx, {.dst = a, .key = RngKey{1}});
  ctx.backend->fill_normal(ctx, {.dst = b, .key = RngKey{2}});
  save_tensors(ctx, {{"a", a}, {"b", b}}, folder / "state.safetensors");
  load_tensors(ctx, {{"a", c}}, folder / "state.safetensors");
  EXPECT_EQ(std::memcmp(a.operand().data, c.operand().data, 20), 0);
  EXPECT_THROW(load_tensors(ctx, {{"b", c}}, folder / "state.safetensors"), UserError);
  EXPECT_THROW(load_tensors(ctx, {{"z", c}}, folder / "state.safetensors"), UserError);
}

// Only the router multiplies in high precision (V3 §3.3.1: the gating modules keep their format).
TEST(WeightStore, TheRouterAloneMultipliesInHighPrecision) {
  const TestContext ctx(cpu_backend());
  const WeightStore weights(ctx, tiny_v3(1), Precision::bf16());
  int routers = 0;
  for (const Weight& w : weights.all()) {
    const bool router = w.storage().part == Part::router;
    EXPECT_EQ(w.compute(), router ? DType::f32 : DType::bf16) << w.storage().name;
    EXPECT_EQ(w.master().dtype, DType::f32) << w.storage().name;
    routers += router;
  }
  EXPECT_GE(routers, 3);  // two MoE layers, one MTP module
}

}  // namespace
}  // namespace minke
