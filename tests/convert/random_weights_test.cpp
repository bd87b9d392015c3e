// Random weights: the same from a seed each time, of the size that is said, and the same in every kind of file.
#include "convert/random_weights.h"

#include "convert/fixture.h"
#include "formats/gguf_tokenizer.h"
#include "model/block_weights.h"
#include "tokenize/tokenizer.h"

namespace minke {
namespace {

using test::Converting;

class RandomWeights : public Converting {
 protected:
  static std::vector<float> rows(const WeightFiles& files, const std::string& name, int64_t first, int64_t count) {
    std::vector<float> values(size_t(count * files.at(name).shape.back()));
    files.read_rows_as_f32(name, first, count, values.data());
    return values;
  }
  fs::path config(const Config& c) {
    const fs::path path = folder_ / "shape.json";
    write_file_atomic(path, config_to_json(c).dump());
    return path;
  }
  // V3-style, its rows whole blocks of 32.
  static Config wide() {
    Config c = test::tiny_v3(1);
    c.hidden_size = 64;
    c.q_lora_rank = c.kv_lora_rank = c.qk_nope_head_dim = c.qk_rope_head_dim = c.v_head_dim = 32;
    c.intermediate_size = c.moe_intermediate_size = 96;
    return c;
  }
  void write(const fs::path& from, const fs::path& out, WeightType type, uint64_t seed = 3) {
    write_random({.from = from,
                  .to = out,
                  .type = type,
                  .on_note = [&](const std::string& note) { notes_ += note + "\n"; },
                  .on_progress = [&](std::string_view, size_t done, size_t all) { EXPECT_LE(done, all); }},
                 seed);
  }
};

TEST_F(RandomWeights, ASeedGivesTheSameEachTime) {
  const fs::path path = config(wide());
  const CheckpointFiles a = random_checkpoint(path, 3, kAllMtp), b = random_checkpoint(path, 3, 0),
                        other = random_checkpoint(path, 4, 0);
  EXPECT_EQ(a.config.num_nextn_predict_layers, 1);
  EXPECT_EQ(b.config.num_nextn_predict_layers, 0);
  const std::string name = "model.layers.1.mlp.experts.5.down_proj.weight";
  const std::vector<float> all = rows(a.weights, name, 0, 64), part = rows(b.weights, name, 10, 7);
  EXPECT_TRUE(std::equal(part.begin(), part.end(), all.begin() + 10 * 96));
  EXPECT_NE(all, rows(other.weights, name, 0, 64));
  EXPECT_NE(all, rows(a.weights, "model.layers.1.mlp.experts.4.down_proj.weight", 0, 64));
  for (int64_t r = 1; r < 64; ++r) EXPECT_FALSE(std::equal(&all[0], &all[96], &all[size_t(r) * 96])) << r;
}

TEST_F(RandomWeights, SizesAreAsSaid) {
  Config c = wide();
  c.vocab_size = 40000;  // so many rows that some pass the end of the table
  const CheckpointFiles files = random_checkpoint(config(c), 0, kAllMtp);
  const auto expect_variance = [&](const std::string& name, int64_t count, double variance) {
    double sum = 0, squares = 0;
    const std::vector<float> values = rows(files.weights, name, 0, count);
    for (const float v : values) sum += v, squares += double(v) * v;
    const double n = double(values.size());
    // Six standard errors of so many independent values, doubled because rows overlap.
    EXPECT_NEAR(sum / n, 0, 12 * std::sqrt(variance / n)) << name;
    EXPECT_NEAR(squares / n, variance, 12 * variance * std::sqrt(2 / n)) << name;
  };
  expect_variance("model.embed_tokens.weight", 40000, 1);
  expect_variance("lm_head.weight", 40000, 1.0 / 64);
  expect_variance("model.layers.0.mlp.down_proj.weight", 64, 1.0 / 96);
  EXPECT_EQ(rows(files.weights, "model.norm.weight", 0, 1), std::vector<float>(64, 1));
  EXPECT_EQ(rows(files.weights, "model.layers.1.mlp.gate.e_score_correction_bias", 0, 1), std::vector<float>(6, 0));
}

TEST_F(RandomWeights, AFileHasWhatMemoryHas) {
  const fs::path path = config(wide());
  const ConvertSource source = random_source(path, 3);
  for (const char* name : {"a.gguf", "a"}) {
    SCOPED_TRACE(name);
    write(path, folder_ / name, WeightType::f32);
    const ConvertSource written = open_source(folder_ / name);
    EXPECT_EQ(written.files.config, source.files.config);
    EXPECT_TRUE(compare_weights(source, written, [](size_t) {}).exact);
  }
  expect_has(notes_, " will be written\n");
  write(path, folder_ / "b.gguf", WeightType::q8_0);
  const SelfTest rounded = compare_weights(source, open_source(folder_ / "b.gguf"), [](size_t) {});
  EXPECT_TRUE(rounded.weight_error > 1e-3 && rounded.weight_error < 0.01) << rounded.weight_error;
  write(path, folder_ / "c", WeightType::fp8);
  EXPECT_EQ(open_source(folder_ / "c").files.config.fp8_block, 128);
}

// What a bench reads from a file is what it makes in memory.
TEST_F(RandomWeights, BlocksInMemoryAreThoseOfTheFile) {
  const fs::path path = config(wide());
  write(path, folder_ / "a.gguf", WeightType::q8_0);
  const CheckpointFiles made = random_checkpoint(path, 3, 0), file = open_checkpoint(folder_ / "a.gguf", 0);
  Precision precision = Precision::bf16().for_inference();
  const BlockWeights in_memory = plan_block_weights(made.config, made.weights, WeightFormat::int8, precision.compute),
                     in_file = plan_block_weights(file.config, file.weights, WeightFormat::keep, precision.compute);
  precision.blocks = &in_memory;
  Model a(ctx_, made.config, precision, 16);
  load_weights(ctx_, a, made.weights);
  precision.blocks = &in_file;
  Model b(ctx_, file.config, precision, 16);
  load_weights(ctx_, b, file.weights);
  int64_t compared = 0;
  for (const Weight& w : a.weights().all()) {
    if (!w.in_blocks()) continue;
    const Weight& other = *b.weights().get(w.storage().name);
    ASSERT_EQ(w.parts().size(), other.parts().size()) << w.storage().name;
    for (size_t i = 0; i < w.parts().size(); ++i) {
      const Operand mine = w.bytes_of(i);
      ASSERT_EQ(std::memcmp(mine.data, other.parts()[i].rows, mine.bytes()), 0) << w.storage().name;
      ++compared;
    }
  }
  EXPECT_GT(compared, 2 * 3 * 6);  // the experts' at least
}

TEST_F(RandomWeights, AFileHasATokenizer) {
  Config c = wide();
  c.vocab_size = 300;
  write(config(c), folder_ / "a.gguf", WeightType::bf16);
  const Gguf file = Gguf::open(folder_ / "a.gguf");
  EXPECT_EQ(file.metadata().text("general.name"), "shape");
  const GgufTokenizer keys = read_tokenizer(file.metadata());
  ASSERT_EQ(keys.tokens.size(), 300u);
  EXPECT_EQ(keys.tokens[299], "[PAD299]");
  const Tokenizer tokenizer = Tokenizer::load(folder_ / "a.gguf");
  const std::vector<int32_t> ids = tokenizer.encode("a\n\xC3\xA9");
  EXPECT_EQ(ids.size(), 4u);
  EXPECT_EQ(tokenizer.decode(ids), "a\n\xC3\xA9");
}

TEST_F(RandomWeights, MistakesWriteNothing) {
  const fs::path path = config(wide());
  EXPECT_NE(message([&] { write(path, folder_ / "a", WeightType::q8_0); }), "no error");
  EXPECT_NE(message([&] { write(path, folder_ / "a.gguf", WeightType::fp8); }), "no error");
  EXPECT_NE(message([&] { write(folder_ / "none.json", folder_ / "a.gguf", WeightType::bf16); }), "no error");
  expect_has(message([&] { write(path, path, WeightType::bf16); }), "exists already");
  EXPECT_EQ(entries(), 1u);
}

}  // namespace
}  // namespace minke
