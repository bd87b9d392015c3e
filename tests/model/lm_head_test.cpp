// The head's loss and gradients over more rows than one chunk, against the definition in double precision.
#include "model/lm_head.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "model/model.h"
#include "support/random.h"
#include "support/tiny.h"

namespace minke {
namespace {

using namespace test;

constexpr int64_t kVocab = 32768, kWidth = 12, kRows = 150;
constexpr double kScale = 0.25;

struct HeadRig {
  TestContext ctx{cpu_backend()};
  Model model;
  Weight* weight;
  Buffer h{ctx, DType::f32, {kRows, kWidth}}, target{ctx, DType::i32, {kRows}}, loss{ctx, DType::f32, {kRows}},
      dh{ctx, DType::f32, {kRows, kWidth}};
  Values rows, w;
  Indices targets;

  static Config config() {
    Config c = tiny_llama(true);  // its head is not tied
    c.vocab_size = kVocab;
    return c;
  }
  HeadRig() : model(ctx, config(), Precision::f32(), 16), weight(model.weights().get("lm_head")) {
    model.weights().initialise(ctx, 0.4);
    weight->with_gradient(ctx);
    ctx.backend().fill(ctx, {.dst = weight->grad(), .value = 0});
    const RngKey key = RngKey{3}.at("rows");
    for (int64_t i = 0; i < kRows * kWidth; ++i) rows.push_back(double(float(2 * key.uniform(uint64_t(i)) - 1)));
    for (int32_t t : random_tokens(4, kRows, kVocab)) targets.push_back(t);
    for (int64_t none : {2, 63, 64, 149}) targets[size_t(none)] = -1;
    h.set(rows);
    target.set(targets);
    w = download(weight->master());
  }
  Batch batch() const {
    Batch b;
    b.targets = target;
    return b;
  }
  Values download(const Operand& o) const {
    std::vector<float> host(size_t(o.size()));
    ctx.backend().download(ctx, {.device = o, .host = host.data()});
    return Values(host.begin(), host.end());
  }
};

void expect_near(const Values& got, const Values& expected, const char* what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  double largest = 0;
  for (double x : expected) largest = std::max(largest, std::abs(x));
  ASSERT_GT(largest, 0) << what;
  // f32 sums of up to 32768 terms that nearly cancel: 1e-5 of the largest is ten times what is seen.
  size_t wrong = 0;
  for (size_t i = 0; i < got.size(); ++i) wrong += !(std::abs(got[i] - expected[i]) <= 1e-5 * largest);
  EXPECT_EQ(wrong, 0u) << what << " of " << got.size();
}

TEST(LmHead, EveryChunkHasItsOwnRowsAndTargets) {
  HeadRig rig;
  ASSERT_EQ(rig.model.head().chunk_rows(), 64);  // three chunks, the last one not full
  rig.model.head().loss(rig.ctx, rig.h, rig.batch(), rig.loss, kScale, rig.dh);

  Values loss(kRows, 0), dh(size_t(kRows * kWidth), 0), dw(size_t(kVocab * kWidth), 0), power(kVocab);
  for (int64_t n = 0; n < kRows; ++n) {
    const int64_t target = rig.targets[size_t(n)];
    if (target < 0) continue;
    const double* row = &rig.rows[size_t(n * kWidth)];
    double sum = 0;
    for (int64_t v = 0; v < kVocab; ++v) {
      double dot = 0;
      for (int64_t i = 0; i < kWidth; ++i) dot += row[i] * rig.w[size_t(v * kWidth + i)];
      sum += power[size_t(v)] = std::exp(dot);
    }
    loss[size_t(n)] = std::log(sum / power[size_t(target)]);
    for (int64_t v = 0; v < kVocab; ++v) {
      const double g = kScale * (power[size_t(v)] / sum - (v == target));
      for (int64_t i = 0; i < kWidth; ++i) {
        dh[size_t(n * kWidth + i)] += g * rig.w[size_t(v * kWidth + i)];
        dw[size_t(v * kWidth + i)] += g * row[i];
      }
    }
  }
  expect_near(rig.loss.get(), loss, "loss");
  expect_near(rig.dh.get(), dh, "gradient of the rows");
  expect_near(rig.download(rig.weight->grad()), dw, "gradient of the head");
  EXPECT_TRUE(rig.loss.surroundings_intact());
  EXPECT_TRUE(rig.dh.surroundings_intact());
}

TEST(LmHead, TheLossAloneHasTheSameBitsAndNoGradient) {
  HeadRig rig;
  rig.model.head().loss(rig.ctx, rig.h, rig.batch(), rig.loss, kScale, rig.dh);
  const Values with = rig.loss.get(), gradient = rig.download(rig.weight->grad());
  rig.model.head().loss(rig.ctx, rig.h, rig.batch(), rig.loss);
  EXPECT_EQ(rig.loss.get(), with);
  EXPECT_EQ(rig.download(rig.weight->grad()), gradient);
}

// A function of the vocabulary alone: whole blocks of 64 rows, at most 4096, logits of at most 8 MiB where 64 rows fit.
TEST(LmHead, RowsOfAChunk) {
  const TestContext ctx;
  const auto rows = [&](int64_t vocab) {
    Config c = HeadRig::config();
    c.vocab_size = vocab;
    return Model(ctx, c, Precision::f32(), 16).head().chunk_rows();
  };
  EXPECT_EQ(rows(23), 4096);
  EXPECT_EQ(rows(1000), 2048);  // 2,097 would fit
  EXPECT_EQ(rows(129280), 64);
}

// What the objective reads of each token goes with its row, in every chunk.
TEST(LmHead, EveryChunkHasItsOwnPolicyTerms) {
  HeadRig rig;
  rig.model.head().loss(rig.ctx, rig.h, rig.batch(), rig.loss, kScale, rig.dh);
  const Values nats = rig.download(rig.loss), plain = rig.download(rig.dh);
  Values weight, advantage, old_loss, reference, expected(plain.size());
  const PolicyTerms terms{.beta = 0.1};
  const RngKey key = RngKey{7}.at("terms");
  auto draw = [&, i = uint64_t(0)]() mutable { return double(float(2 * key.uniform(i++) - 1)); };
  for (size_t n = 0; n < size_t(kRows); ++n) {
    weight.push_back(draw() + 2), advantage.push_back(draw());
    old_loss.push_back(double(float(nats[n] + 0.1 * draw()))), reference.push_back(double(float(nats[n] + draw())));
    const double w = weight[n] * policy_weight(nats[n], old_loss[n], reference[n], advantage[n], terms);
    for (size_t i = n * size_t(kWidth); i < (n + 1) * size_t(kWidth); ++i) expected[i] = w * plain[i];
  }
  Batch batch = rig.batch();
  batch.objective.policy = terms;
  std::vector<Buffer> buffers;
  for (const Values* v : {&weight, &advantage, &old_loss, &reference})
    buffers.emplace_back(rig.ctx, DType::f32, std::initializer_list<int64_t>{kRows}).set(*v);
  batch.weight = buffers[0], batch.advantage = buffers[1], batch.old_loss = buffers[2];
  batch.reference_loss = buffers[3];
  rig.model.head().loss(rig.ctx, rig.h, batch, rig.loss, kScale, rig.dh);
  expect_near(rig.download(rig.dh), expected, "dh");
}

}  // namespace
}  // namespace minke
