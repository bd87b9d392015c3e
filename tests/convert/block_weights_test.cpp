// Models whose weights are in quantised blocks, of files that minke converts: they compute what a model with the decoded
// weights computes, bit for bit, but for FP8. In BF16 with one exception: rows of an embedding in blocks are not rounded to BF16.
#include "model/block_weights.h"

#include <fstream>

#include "blocks/blocks.h"
#include "blocks/fp8.h"
#include "blocks/quantise.h"
#include "convert/fixture.h"
#include "support/poison.h"

namespace minke::test {
namespace {

class HeldWeights : public Converting {
 protected:
  static constexpr int64_t kTokens = 12;

  // Logits of a few tokens by a forward of the frozen model.
  std::vector<float> logits(const Context& ctx, const Model& model) {
    const int64_t vocab = model.config().vocab_size;
    std::vector<int32_t> tokens, targets(size_t(kTokens), -1);
    for (int64_t i = 0; i < kTokens; ++i) tokens.push_back(int32_t((i * 7919 + 13) % vocab));
    const std::vector<int64_t> num_tokens = Model::tokens_per_batch(model.config(), 1, kTokens, false);
    Arena arena(ctx.backend->memory(), model.saved_bytes(num_tokens, false));
    const ModelSaved saved = model.lay_out_saved(arena, num_tokens, false);
    BatchBuffers buffers(ctx, kTokens, 0);
    model.forward(ctx, buffers.fill(ctx, tokens, targets, 1, kTokens), saved);
    std::vector<float> result(size_t(kTokens * vocab));
    model.head().logits_to_host(ctx, saved.h, result.data());
    return result;
  }
  Strips strips_;  // of what is loaded
  struct Held {
    CheckpointFiles files;
    BlockWeights blocks;
    std::unique_ptr<Model> model;
    size_t in_blocks() const {
      size_t n = 0;
      for (const Weight& w : model->weights().all()) n += w.in_blocks();
      return n;
    }
  };
  // nullopt: plain.
  Held load_rounded(const fs::path& path, std::optional<WeightFormat> format, bool in_bf16) {
    return load(ctx_, path, format, in_bf16, in_bf16 ? "embed_tokens" : "");
  }
  Held load(const Context& ctx, const fs::path& path, std::optional<WeightFormat> format, bool in_bf16,
            const std::string& plain = "") {
    Held h{open_checkpoint(path, 0), {}, nullptr};
    Precision precision = (in_bf16 ? Precision::bf16() : Precision::f32()).for_inference();
    if (format) {
      h.blocks = plan_block_weights(h.files.config, h.files.weights, *format, precision.compute, strips_);
      h.blocks.storages.erase(plain);
      precision.blocks = &h.blocks;
    }
    h.model = std::make_unique<Model>(ctx, h.files.config, precision, kTokens);
    load_weights(ctx, *h.model, h.files.weights);
    return h;
  }
};

// As the file has them: experts and other matrices used in place, rows of llama's q and k copied in their order.
TEST_F(HeldWeights, KeptOnesGiveTheBitsOfTheDecodedModel) {
  const struct {
    fs::path from;
    WeightType type;
    bool in_file;  // all of them
  } cases[] = {{wide_model(), WeightType::q8_0, true},
               {wide_model(), WeightType::q4_k, true},
               {wide_llama(), WeightType::q8_0, false},
               {wide_llama(), WeightType::q4_0, false},
               {large_llama(), WeightType::q8_0, false}};
  for (const auto& c : cases) {
    const fs::path path = folder_ / "kept.gguf";
    to(c.from, path, c.type);
    for (const bool in_bf16 : {false, true}) {
      SCOPED_TRACE(fmt::format("{} {} {}", c.from.string(), name_of(c.type), in_bf16));
      const Held kept = load_rounded(path, WeightFormat::keep, in_bf16), plain = load_rounded(path, {}, in_bf16);
      EXPECT_GT(kept.in_blocks(), 3u);
      EXPECT_EQ(plain.in_blocks(), 0u);
      EXPECT_GT(kept.blocks.in_file, 0u);
      size_t copied = 0;
      for (const Weight& w : kept.model->weights().all())
        for (size_t i = 0; i < w.parts().size(); ++i) copied += bool(w.bytes_of(i));
      EXPECT_EQ(copied == 0, c.in_file);
      EXPECT_EQ(logits(ctx_, *kept.model), logits(ctx_, *plain.model));
    }
    fs::remove(folder_ / "kept.gguf");
  }
}

// E4M3 codes are multiplied as they are and the sums of a block by its scale, while a decoded weight is rounded first: another
// order of roundings in FP32, and in BF16 weights that are not rounded to BF16 at all. So both are held against FP32.
TEST_F(HeldWeights, CodesOfFp8GiveWhatTheDecodedModelGives) {
  const fs::path path = golden("v3-fp8");
  const Held plain = load_rounded(path, {}, false);
  const std::vector<float> expected = logits(ctx_, *plain.model);
  float largest = 0;
  for (const float x : expected) largest = std::max(largest, std::fabs(x));
  for (const bool in_bf16 : {false, true}) {
    const Held kept = load_rounded(path, WeightFormat::keep, in_bf16);
    EXPECT_GT(kept.in_blocks(), 3u);
    EXPECT_GT(kept.blocks.in_file, 0u);
    const std::vector<float> found = logits(ctx_, *kept.model);
    // Some ten products one after the other: 2^-24 and 2^-9 a rounding, times what sums of up to 100 terms make of it.
    const float bound = largest * (in_bf16 ? 0.04f : 1e-5f);
    for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(found[i], expected[i], bound) << i << " " << in_bf16;
  }
}

TEST_F(HeldWeights, ALayerOfManyTypes) {
  const fs::path file = folder_ / "mixed.gguf";
  to(wide_model(), file, WeightType::q8_0, WeightType::q4_k);
  for (const bool in_bf16 : {false, true}) {
    const Held kept = load_rounded(file, WeightFormat::keep, in_bf16), plain = load_rounded(file, {}, in_bf16);
    size_t experts = 0;
    for (const Parameter& p : parameters(kept.files.config))
      if (p.part == Part::routed_expert) experts += kept.files.weights.stored_rows(p.name)->bytes.size();
    EXPECT_GT(experts, 0u);
    EXPECT_EQ(kept.blocks.experts_in_file, experts);
    EXPECT_LT(experts, kept.blocks.in_file);
    EXPECT_EQ(logits(ctx_, *kept.model), logits(ctx_, *plain.model));
  }
}

// What is held is what the quantiser makes of the published values, in their places.
TEST_F(HeldWeights, MadeWhenLoaded) {
  const fs::path wide = wide_model(), large = large_llama();
  const auto expected_format = [](WeightFormat format, Part part) {
    const bool in_eight_bits = part == Part::embedding || part == Part::head;
    return format == WeightFormat::bf16                    ? BlockFormat::bf16
           : format == WeightFormat::fp8                   ? BlockFormat::f8_e4m3
           : format == WeightFormat::int8 || in_eight_bits ? BlockFormat::q8_0
                                                           : BlockFormat::q4_0;
  };
  for (const fs::path& path : {wide, large})
    for (const WeightFormat format : {WeightFormat::bf16, WeightFormat::int8, WeightFormat::fp8, WeightFormat::int4}) {
      SCOPED_TRACE(path.string() + " " + name_of(format));
      const Held held = load(ctx_, path, format, false);
      EXPECT_EQ(held.blocks.in_file, 0u);
      EXPECT_EQ(held.blocks.note.empty(), path == large || format == WeightFormat::bf16 || format == WeightFormat::fp8)
          << "rows of 40";
      std::unordered_map<std::string, size_t> next;
      size_t seen = 0;
      for (const Parameter& p : parameters(held.files.config)) {
        const Weight* w = held.model->weights().get(p.storage);
        if (!w->in_blocks()) continue;
        ++seen;
        const RowBlocks& part = w->parts()[next[p.storage]++];
        ASSERT_EQ(part.format, expected_format(format, p.part)) << p.name;
        const int64_t columns = p.shape[1];
        std::vector<float> published(size_t(p.size())), found(published.size()), expected(published.size());
        held.files.weights.read_rows_as_f32(p.name, 0, p.shape[0], published.data());
        for (int64_t r = 0; r < p.shape[0]; ++r)
          decode_row({&part, 1}, part.first_row + r, std::span(found).subspan(size_t(r * columns), size_t(columns)));
        if (format == WeightFormat::fp8) {
          const int64_t across = (columns + 127) / 128;
          std::vector<float> largest(size_t((p.shape[0] + 127) / 128 * across));  // of the blocks of 128 × 128
          const auto block_of = [&](int64_t i) { return size_t(i / columns / 128 * across + i % columns / 128); };
          for (int64_t i = 0; i < p.size(); ++i)
            largest[block_of(i)] = std::max(largest[block_of(i)], std::fabs(published[size_t(i)]));
          for (int64_t i = 0; i < p.size(); ++i) {
            const float scale = largest[block_of(i)] / 448;
            expected[size_t(i)] = float(to_f8_e4m3(published[size_t(i)] / scale)) * scale;
          }
        } else {
          std::vector<std::byte> blocks(size_t(row_bytes(part.format, p.size())));
          quantise(part.format, published, blocks, p.name);
          dequantise(part.format, blocks, expected);
        }
        ASSERT_EQ(found, expected) << p.name;
      }
      EXPECT_GT(seen, 5u);
    }
}

// A dense model, which no choice of experts upsets.
TEST_F(HeldWeights, TheFewerBitsTheLargerTheError) {
  const std::vector<float> exact = logits(ctx_, *load(ctx_, wide_llama(), {}, false).model);
  double size = 0, last = 0;
  for (float v : exact) size += double(v) * v;
  for (const WeightFormat format : {WeightFormat::bf16, WeightFormat::int8, WeightFormat::fp8, WeightFormat::int4}) {
    const std::vector<float> got = logits(ctx_, *load(ctx_, folder_ / "llama-64", format, false).model);
    double difference = 0;
    for (size_t i = 0; i < got.size(); ++i) difference += (double(got[i]) - exact[i]) * (double(got[i]) - exact[i]);
    EXPECT_GT(difference, last) << name_of(format);
    EXPECT_LT(difference, 0.1 * size) << name_of(format);
    last = difference;
  }
}

// Kernels do not look for it in strips.
TEST_F(HeldWeights, ACodeOfNaNMakesItsBlockNaN) {
  const std::string name = "model.layers.0.mlp.down_proj.weight";  // [1056,96]: blocks of 128 rows
  to(large_llama(), folder_ / "codes", WeightType::fp8);
  fs::path file;
  for (const auto& entry : fs::directory_iterator(folder_ / "codes"))
    if (entry.path().extension() == ".safetensors") file = entry.path();
  std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
  uint64_t length = 0;
  bytes.read(reinterpret_cast<char*>(&length), 8);
  std::string header(length, ' ');
  bytes.read(header.data(), int64_t(length));
  const auto tensor = nlohmann::json::parse(header).at(name);
  ASSERT_EQ(tensor.at("dtype"), "F8_E4M3");
  bytes.seekp(int64_t(8 + length + tensor.at("data_offsets").at(0).get<uint64_t>() + 300 * 96 + 7));
  bytes.put(char(0xff));
  bytes.close();
  for (const Strips strips : {Strips{}, cpu_backend().strips()}) {
    strips_ = strips;
    const Held held = load(ctx_, folder_ / "codes", WeightFormat::keep, true);
    const auto all = parameters(held.files.config);
    const auto p = std::ranges::find(all, name, &Parameter::name);
    ASSERT_NE(p, all.end());
    const Weight* w = held.model->weights().get(p->storage);
    ASSERT_TRUE(w->in_blocks());
    ASSERT_EQ(w->parts()[0].strip, strips.codes);
    std::vector<float> row(96);
    for (const int64_t r : {255, 256, 300, 383, 384}) {
      decode_row(w->parts(), r, row);
      const bool in_block = strips.codes > 0 && r >= 256 && r < 384;
      for (size_t k = 0; k < row.size(); ++k)
        ASSERT_EQ(std::isnan(row[k]), in_block || (r == 300 && k == 7)) << r << " " << k;
    }
  }
}

// Deferred ops over memory that the host cannot read.
TEST_F(HeldWeights, OnABackendWithMemoryOfItsOwn) {
  const fs::path wide = wide_model();
  PoisonBackend poison(cpu_backend());
  const TestContext there(poison);
  for (const WeightFormat format : {WeightFormat::fp8, WeightFormat::int4})
    EXPECT_EQ(logits(there, *load(there, wide, format, true).model),
              logits(ctx_, *load(ctx_, wide, format, true).model));
}

}  // namespace
}  // namespace minke::test
