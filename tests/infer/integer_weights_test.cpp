// The engine with weights in blocks of integers and activations in 8 bits: a request has the same bits alone and in any company,
// with interleaved weights and with rows as they lie; and they are near those of products that round no activation.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "infer/engine.h"
#include "model/block_weights.h"
#include "model/checkpoint.h"
#include "support/crowd.h"
#include "support/random.h"
#include "support/tiny.h"

namespace minke::test {
namespace {

struct Held {
  CheckpointFiles files;
  BlockWeights blocks;
  std::unique_ptr<Model> model;
};

class IntegerWeights : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  // Rows of whole groups of 32.
  fs::path written(Config c) {
    c.hidden_size = 64, c.intermediate_size = 96;
    if (c.attention == AttentionKind::mla)
      c.q_lora_rank = 32, c.qk_nope_head_dim = c.qk_rope_head_dim = c.v_head_dim = 32;
    else c.head_dim = 32, c.num_key_value_heads = c.num_attention_heads;
    if (c.n_routed_experts > 0) c.moe_intermediate_size = 32;
    Model model(ctx_, c, Precision::f32(), 16);
    model.weights().initialise(ctx_, 0.1);
    save_weights(ctx_, model, folder_, DType::f32);
    return folder_;
  }
  Held load(const fs::path& path, WeightFormat format, Strips strips, bool integer_products, int64_t modules = 0) {
    Held h{open_checkpoint(path, modules), {}, nullptr};
    Precision precision = Precision::bf16().for_inference();
    h.blocks = plan_block_weights(h.files.config, h.files.weights, format, precision.compute, strips);
    precision.blocks = &h.blocks, precision.integer_products = integer_products;
    h.model = std::make_unique<Model>(ctx_, h.files.config, precision, kContext);
    load_weights(ctx_, *h.model, h.files.weights);
    return h;
  }

  using Logits = std::map<int64_t, std::vector<float>>;  // of the answer to each request
  static constexpr int64_t kContext = 64;
  static constexpr int kRequests = 12;

  Request request(int64_t n, int64_t vocab, Logits& logits) const {
    const RngKey key{17, uint64_t(n)};
    Request r;
    const auto prompt = 1 + int64_t(key.uniform(0) * 30);
    for (int64_t i = 0; i < prompt; ++i) r.prompt.push_back(int32_t(key.uniform(uint64_t(i) + 2) * double(vocab)));
    r.max_new = 1 + int64_t(key.uniform(1) * 12);
    r.choose = [&logits, n](std::span<const float> row, int64_t) {
      logits[n].insert(logits[n].end(), row.begin(), row.end());
      return int32_t(std::max_element(row.begin(), row.end()) - row.begin());
    };
    return r;
  }
  // All of them, one more with every step; or one after the other.
  Logits answers(const Model& model, bool together, EngineSettings settings = {.cache = DType::bf16}) {
    Logits logits;
    const int64_t v = model.config().vocab_size;
    settings.max_context = kContext, settings.page = 4;
    settings.cache_tokens = together ? 8 * kContext : kContext;
    settings.max_sequences = together ? 8 : 1;
    settings.max_tokens = !together ? 64 : std::max<int64_t>(11, 8 * (1 + settings.most_drafts()));
    for (int n = 0; n < kRequests;) {
      Engine engine(ctx_, model, settings);
      do {
        if (n < kRequests && (together || engine.idle())) engine.add(request(n++, v, logits));
        engine.step(ctx_);
      } while (!engine.idle() || (together && n < kRequests));
    }
    return logits;
  }

  TestContext ctx_{cpu_backend(), 2};
  fs::path folder_ = fs::temp_directory_path() / ("minke-integer-weights-" + std::to_string(::getpid()));
};

TEST_F(IntegerWeights, ARequestHasTheSameBitsInAnyCompanyAndHoweverRowsLie) {
  for (const Config& config : {tiny_v3(), tiny_v2(), tiny_llama()}) {
    const fs::path path = written(config);
    for (const WeightFormat format : {WeightFormat::int8, WeightFormat::int4, WeightFormat::fp8}) {
      SCOPED_TRACE(fmt::format("{} {}", name_of(config.model_type), name_of(format)));
      const Held strips = load(path, format, cpu_backend().strips(), true), rows = load(path, format, {}, true),
                 exact = load(path, format, {}, false);
      size_t interleaved = 0;
      for (const Weight& w : strips.model->weights().all())
        if (w.in_blocks())
          interleaved += w.parts()[0].strip > 0 && (w.products() == DType::i8) == (format != WeightFormat::fp8);
      EXPECT_GT(interleaved, 5u);
      const Logits together = answers(*strips.model, true);
      ASSERT_EQ(together.size(), size_t(kRequests));
      EXPECT_EQ(together, answers(*strips.model, false));
      EXPECT_EQ(together, answers(*rows.model, true));
      // Only products in 8 bits round activations.
      EXPECT_EQ(together == answers(*exact.model, true), format == WeightFormat::fp8);
    }
    fs::remove_all(folder_), fs::create_directories(folder_);
  }
}

// Drafts are checked in rows of their own, and an FP8 cache is read by all.
TEST_F(IntegerWeights, DraftsAndAnFp8CacheChangeNoBitsEither) {
  const fs::path path = written(tiny_v3(1));
  const Held held = load(path, WeightFormat::int8, cpu_backend().strips(), true, 1);
  for (const DType cache : {DType::bf16, DType::f8_e4m3})
    for (const AttentionForm form : kForms) {
      SCOPED_TRACE(fmt::format("{}, form {}", name_of(cache), int(form)));
      const Logits alone = answers(*held.model, false, {.cache = cache, .form = form});
      ASSERT_EQ(alone.size(), size_t(kRequests));
      EXPECT_EQ(answers(*held.model, true, {.cache = cache, .form = form}), alone);
      for (const int64_t drafts : {1, 3})
        EXPECT_EQ(answers(*held.model, true,
                          {.cache = cache, .form = form, .speculation = SpeculationMode::mtp, .drafts = drafts}),
                  alone)
            << drafts;
    }
}

}  // namespace
}  // namespace minke::test
