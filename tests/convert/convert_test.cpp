#include "convert/convert.h"

#include "convert/fixture.h"
#include "tokenize/chat_template.h"
#include "tokenize/tokenizer.h"

namespace minke {
namespace {

using test::Converting;

constexpr const char* kGoldens[] = {"llama",   "llama3-rope", "qwen2", "qwen3",  "deepseek",
                                    "v2-lite", "v2",          "v3",    "v3-mtp", "v3-mtp2"};

TEST_F(Converting, AFolderBecomesAFileAndTheSameFolderAgain) {
  for (const char* name : kGoldens)
    for (const WeightType type : {WeightType::f32, WeightType::bf16}) {
      SCOPED_TRACE(fmt::format("{} {}", name, name_of(type)));
      const fs::path a = folder_ / fmt::format("{}-{}", name, name_of(type)), file = a.string() + ".gguf",
                     b = a.string() + "-again";
      to(golden(name), a, type);
      EXPECT_TRUE(to(a, file).exact);
      EXPECT_TRUE(to(file, b).exact);
      expect_same_tensors(a, b);
      EXPECT_EQ(load_config(a), load_config(b));
    }
}

TEST_F(Converting, F32FoldersAreTheGoldenOnes) {
  for (const char* name : kGoldens) {
    SCOPED_TRACE(name);
    const SelfTest test = to(golden(name), folder_ / name, WeightType::f32);
    EXPECT_TRUE(test.exact);
    EXPECT_EQ(test.tokens, 8);
    EXPECT_EQ(test.logit_error, 0);
    EXPECT_EQ(load_config(golden(name)), load_config(folder_ / name));
  }
}

TEST_F(Converting, Fp8BlocksAndBack) {
  const SelfTest from = to(golden("v3-fp8"), folder_ / "bf16", WeightType::bf16);
  EXPECT_LT(from.weight_error, 0.004);
  EXPECT_EQ(load_config(folder_ / "bf16").fp8_block, 0);
  const SelfTest test = to(folder_ / "bf16", folder_ / "fp8", WeightType::fp8);
  EXPECT_FALSE(test.exact);
  EXPECT_GT(test.weight_error, 0.005);
  EXPECT_LT(test.weight_error, 0.05);
  EXPECT_EQ(load_config(folder_ / "fp8").fp8_block, 128);
  const HfFolder fp8 = HfFolder::open(folder_ / "fp8");
  const std::string up = "model.layers.1.mlp.experts.3.up_proj.weight";
  EXPECT_EQ(fp8.at(up).dtype, DType::f8_e4m3);
  EXPECT_EQ(fp8.at(up + "_scale_inv").dtype, DType::f32);
  EXPECT_EQ(fp8.at(up + "_scale_inv").shape, (std::vector<int64_t>{1, 1}));
  EXPECT_EQ(fp8.at("model.layers.1.mlp.gate.weight").dtype, DType::bf16);
  EXPECT_EQ(fp8.at("model.layers.1.mlp.gate.e_score_correction_bias").dtype, DType::f32);
  EXPECT_EQ(fp8.at("lm_head.weight").dtype, DType::bf16);
  EXPECT_LT(to(folder_ / "fp8", folder_ / "again", WeightType::bf16).weight_error, 0.004);
  EXPECT_EQ(load_config(folder_ / "bf16"), load_config(folder_ / "again"));
  to(golden("v3-fp8"), folder_ / "fp8.gguf");  // as BF16
  EXPECT_EQ(Gguf::open(folder_ / "fp8.gguf").at("blk.1.ffn_up_exps.weight").format, BlockFormat::bf16);
}

// Several rows and columns of blocks, the last ones partial.
TEST_F(Converting, Fp8ScalesAreThoseOfTheirBlocks) {
  Config c = test::tiny_llama();
  c.hidden_size = 144;
  c.intermediate_size = 272;
  Model model(ctx_, c, Precision::f32(), 16);
  model.weights().initialise(ctx_, 0.1);
  fs::create_directories(folder_ / "a");
  save_weights(ctx_, model, folder_ / "a", DType::f32);
  to(folder_ / "a", folder_ / "b", WeightType::fp8);
  const HfFolder a = HfFolder::open(folder_ / "a"), b = HfFolder::open(folder_ / "b");
  const std::string down = "model.layers.1.mlp.down_proj.weight";
  const TensorInfo& scale = b.at(down + "_scale_inv");
  ASSERT_EQ(scale.shape, (std::vector<int64_t>{2, 3}));
  std::vector<float> values(144 * 272), scales(6);
  a.read_as_f32(down, values.data());
  read_as_f32(scale, scales.data());
  for (int r = 0; r < 2; ++r)
    for (int k = 0; k < 3; ++k) {
      float largest = 0;
      for (int i = r * 128; i < std::min(144, r * 128 + 128); ++i)
        for (int j = k * 128; j < std::min(272, k * 128 + 128); ++j)
          largest = std::max(largest, std::fabs(values[size_t(i * 272 + j)]));
      EXPECT_EQ(scales[size_t(r * 3 + k)], largest / 448);
    }
}

TEST_F(Converting, RoutedExpertsInAnotherTypeAndRowsThatAreNoWholeBlocks) {
  const fs::path wide = wide_model(), file = folder_ / "mixed.gguf";
  const SelfTest test = to(wide, file, WeightType::q8_0, WeightType::q4_k);
  EXPECT_FALSE(test.exact);
  EXPECT_EQ(test.tokens, 8);
  const Gguf gguf = Gguf::open(file);
  const auto format = [&](const char* name) { return gguf.at(name).format; };
  EXPECT_EQ(format("token_embd.weight"), BlockFormat::q8_0);
  EXPECT_EQ(format("blk.1.attn_q_b.weight"), BlockFormat::q8_0);
  EXPECT_EQ(format("blk.1.attn_k_b.weight"), BlockFormat::q8_0);
  EXPECT_EQ(format("blk.1.ffn_up_exps.weight"), BlockFormat::q4_k);
  EXPECT_EQ(format("blk.1.ffn_down_exps.weight"), BlockFormat::q5_0);  // rows of 32
  EXPECT_EQ(format("blk.0.ffn_down.weight"), BlockFormat::bf16);       // rows of 40
  EXPECT_EQ(format("blk.1.ffn_gate_inp.weight"), BlockFormat::f32);
  EXPECT_EQ(format("blk.1.exp_probs_b.bias"), BlockFormat::f32);
  EXPECT_EQ(format("output_norm.weight"), BlockFormat::f32);
  EXPECT_EQ(format("blk.3.ffn_up_exps.weight"), BlockFormat::q4_k);  // of the MTP module
  expect_has(notes_, "3 × ffn_down_exps.weight: rows of 32 are no whole blocks of Q4_K: Q5_0");
  expect_has(notes_, "ffn_down.weight: rows of 40 are no whole blocks of Q8_0: BF16");
  for (const WeightType type : {WeightType::q8_0, WeightType::q4_0, WeightType::q4_k}) {
    const fs::path out = folder_ / fmt::format("{}.gguf", name_of(type));
    EXPECT_GT(to(wide, out, type).weight_error, 0.001);
    to(out, folder_ / name_of(type));  // a quantised file as a folder that training can go on from: in BF16
    EXPECT_EQ(HfFolder::open(folder_ / name_of(type)).at("lm_head.weight").dtype, DType::bf16);
  }
}

// kv_b_proj is two tensors in a file: keys with rows of 8 in BF16, values with rows of 32 in blocks.
TEST_F(Converting, KeysAndValuesInDifferentTypes) {
  Config c = test::tiny_v3(1);
  c.kv_lora_rank = 32;
  c.qk_nope_head_dim = 8;
  Model model(ctx_, c, Precision::f32(), 16);
  model.weights().initialise(ctx_, 0.1);
  const fs::path from = folder_ / "from";
  fs::create_directories(from);
  save_weights(ctx_, model, from, DType::f32);
  for (const WeightType type : {WeightType::q8_0, WeightType::q4_0, WeightType::q4_k}) {
    const fs::path file = folder_ / fmt::format("{}.gguf", name_of(type));
    EXPECT_GT(to(from, file, type).weight_error, 0.001);
    const Gguf gguf = Gguf::open(file);
    EXPECT_EQ(gguf.at("blk.0.attn_k_b.weight").format, BlockFormat::bf16);
    EXPECT_NE(gguf.at("blk.0.attn_v_b.weight").format, BlockFormat::bf16);
    EXPECT_LT(to(file, folder_ / name_of(type)).weight_error, 0.004);  // the values are rounded to BF16, too
  }
}

TEST_F(Converting, AFileInAnotherTypeIsAFile) {
  const fs::path wide = wide_model();
  to(wide, folder_ / "a.gguf");
  to(folder_ / "a.gguf", folder_ / "b.gguf", WeightType::q8_0);
  to(wide, folder_ / "c.gguf", WeightType::q8_0);
  const Gguf b = Gguf::open(folder_ / "b.gguf"), c = Gguf::open(folder_ / "c.gguf");
  ASSERT_EQ(b.tensor_count(), c.tensor_count());
  for (const GgufTensor& t : c.files()[0].tensors())
    EXPECT_TRUE(std::equal(t.bytes.begin(), t.bytes.end(), b.at(t.name).bytes.begin(), b.at(t.name).bytes.end()))
        << t.name;
}

TEST_F(Converting, WhatTheConfigurationSaysBesideComesBack) {
  const fs::path a = folder_ / "a";
  to(golden("v3"), a, WeightType::f32);
  Json config = parse_json(read_file(a / "config.json"), "config.json");
  config["bos_token_id"] = 3;
  config["eos_token_id"] = {4, 5, 6, 7};
  config["initializer_range"] = 0.006;
  write_file_atomic(a / "config.json", config.dump());
  write_file_atomic(a / "generation_config.json", R"({"temperature": 0.6, "top_p": 0.95})");
  to(a, folder_ / "a.gguf");
  to(folder_ / "a.gguf", folder_ / "b");
  EXPECT_EQ(load_config(a), load_config(folder_ / "b"));
  EXPECT_EQ(parse_json(read_file(a / "generation_config.json"), "a"),
            parse_json(read_file(folder_ / "b" / "generation_config.json"), "b"));
}

TEST_F(Converting, APublishedFileIsAFolderToTrainOn) {
  const auto file = test::shared_file("data/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
  if (!file) GTEST_SKIP() << "the file is not there";
  const fs::path folder = folder_ / "smollm";
  const SelfTest test = to(*file, folder);
  EXPECT_LT(test.weight_error, 0.004);
  EXPECT_EQ(test.same_top, test.tokens);
  Config a = open_source(*file).files.config, b = load_config(folder);
  EXPECT_EQ(a, b);
  const Tokenizer x = Tokenizer::load(*file), y = Tokenizer::load(folder);
  EXPECT_EQ(x.vocab_size(), y.vocab_size());
  for (const char* text : {"The whale sings 1234 times.", "<|im_start|>user\nHi<|im_end|>", "  déjà vu\n\n"})
    EXPECT_EQ(x.encode(text), y.encode(text));
  const auto one = ChatTemplate::load(*file), other = ChatTemplate::load(folder);
  ASSERT_TRUE(one && other);
  EXPECT_EQ(one->sources(), other->sources());
}

TEST_F(Converting, MistakesWriteNothing) {
  const fs::path v3 = golden("v3"), out = folder_ / "out", file = folder_ / "out.gguf";
  const auto refused = [&](const fs::path& from, const fs::path& where, WeightType type,
                           std::optional<WeightType> experts, std::string_view part) {
    expect_has(message([&] { to(from, where, type, experts); }), part);
    EXPECT_EQ(entries(), 0u);
  };
  using enum WeightType;
  refused(v3, out, keep, {}, "say with --dtype what to change");
  refused(v3, out, q4_k, {}, "give --out a name that ends in .gguf");
  refused(v3, out, bf16, q4_0, "a folder has one type");
  refused(v3, file, fp8, {}, "GGUF files have no FP8");
  refused(v3, file, q8_0, fp8, "--experts fp8: GGUF files have no FP8");
  refused(golden("llama"), file, q8_0, q4_0, "no routed experts");
  refused(golden("v3-fp8"), out, fp8, {}, "in FP8 blocks already");
  refused(golden("v3-yarn"), file, keep, {}, "rope_scaling");
  refused(folder_ / "nothing", file, keep, {}, "nothing");
  refused(v3, folder_ / "none" / "out.gguf", keep, {}, "there is no folder");
  to(v3, file);
  expect_has(message([&] { to(v3, file); }), "exists already");
  expect_has(message([&] { to(file, file); }), "exists already");
  fs::create_directories(out);
  expect_has(message([&] { to(v3, out / "", bf16); }), "exists already");
  EXPECT_EQ(entries(), 2u);
}

// What Ctrl-C does: the report of progress throws.
TEST_F(Converting, WhoeverStopsLeavesNothing) {
  for (const char* name : {"out", "out.gguf"}) {
    int calls = 0, stop_at = 0;
    ConvertSettings settings{.from = golden("v3"), .to = folder_ / name, .type = WeightType::bf16};
    settings.on_progress = [&](std::string_view, size_t, size_t) {
      if (++calls == stop_at) user_error("stopped");
    };
    for (stop_at = 1; stop_at < 100'000; stop_at = stop_at * 3 / 2 + 1, calls = 0) {
      const std::string said = message([&] { convert(ctx_, settings); });
      if (said != "stopped") break;
      EXPECT_EQ(entries(), 0u) << name << ", stopped at call " << stop_at;
    }
    EXPECT_GT(stop_at, 10);
    EXPECT_EQ(entries(), 1u);
    fs::remove_all(folder_ / name);
    // The logits are compared after all tensors: whoever stops then is heard, too.
    int complete = 0;
    settings.on_progress = [&](std::string_view stage, size_t done, size_t all) {
      if (stage == "checking" && done == all && ++complete == 2) user_error("stopped");
    };
    EXPECT_EQ(message([&] { convert(ctx_, settings); }), "stopped");
    EXPECT_EQ(entries(), 0u);
  }
}

TEST_F(Converting, NothingIsLeftWhereTheSourceIsCutShort) {
  for (const char* name : {"out", "out.gguf"})
    for (const std::string_view when : {"writing", "checking"}) {
      SCOPED_TRACE(fmt::format("{} {}", name, when));
      const fs::path from = folder_ / "from";
      fs::copy(golden("v3"), from);
      const auto cut = [&] {
        end_on_vanished_files();
        ConvertSettings settings{.from = from, .to = folder_ / name, .type = WeightType::bf16};
        settings.on_progress = [&](std::string_view stage, size_t, size_t) {
          if (stage == when) fs::resize_file(from / "model.safetensors", 0);
        };
        const test::TestContext ctx;  // whose threads are the child's
        convert(ctx, settings);
        std::_Exit(3);
      };
      EXPECT_EXIT(cut(), ::testing::ExitedWithCode(2), "model.safetensors can no longer be read");
      EXPECT_EQ(entries(), 1u);
      fs::remove_all(from);
    }
}

// "It exists already": so the user has moved it aside.
TEST_F(Converting, WhatStandsBesideStays) {
  const fs::path out = folder_ / "out";
  for (const char* name : {"out.old", "out.tmp"}) {
    fs::create_directories(folder_ / name);
    write_file_atomic(folder_ / name / "precious", name);
  }
  to(golden("v3"), out, WeightType::bf16);
  for (const char* name : {"out.old", "out.tmp"}) EXPECT_EQ(read_file(folder_ / name / "precious"), name);
  EXPECT_EQ(entries(), 3u);
}

// Another conversion to the same name was faster. An empty folder is what a plain rename would replace.
TEST_F(Converting, WhatHasAppearedMeanwhileStays) {
  for (const char* name : {"out", "out.gguf"}) {
    const fs::path there = folder_ / name;
    ConvertSettings settings{.from = golden("v3"), .to = there, .type = WeightType::bf16};
    settings.on_progress = [&](std::string_view, size_t, size_t) { fs::create_directories(there); };
    expect_has(message([&] { convert(ctx_, settings); }), "exists already");
    EXPECT_TRUE(fs::is_empty(there));
    EXPECT_EQ(entries(), 1u);
    fs::remove_all(there);
  }
}

}  // namespace
}  // namespace minke
