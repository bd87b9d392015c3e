// Training steps with a teacher's distribution: what is learned, on every backend's terms, and that nothing else has changed.
#include <gtest/gtest.h>

#include <cmath>

#include "support/poison.h"
#include "support/random.h"
#include "support/tiny.h"
#include "train/trainer.h"

namespace minke {
namespace {

using namespace test;

constexpr int64_t kVocab = 23, kSequences = 4, kLength = 12;
constexpr double kFirst = 0.6, kSecond = 0.25;  // of the teacher; the rest is everything else

// Targets that are drawn from a teacher which knows, of each token, that one of two others follows.
TokenBatch batch_of(uint64_t seed, bool with_teacher) {
  TokenBatch b{.num_sequences = kSequences, .sequence_length = kLength};
  b.tokens = random_tokens(seed, kSequences * kLength, kVocab);
  const RngKey key = RngKey{seed}.at("targets");
  for (size_t i = 0; i < b.tokens.size(); ++i) {
    const int32_t first = (b.tokens[i] * 3 + 1) % int32_t(kVocab), second = (b.tokens[i] * 5 + 2) % int32_t(kVocab);
    const int32_t other = second == first ? (first + 1) % int32_t(kVocab) : second;
    const double u = key.uniform(i);
    b.targets.push_back(u < kFirst             ? first
                        : u < kFirst + kSecond ? other
                                               : int32_t(key.u64(1000 + i) % uint64_t(kVocab)));
    if (!with_teacher) continue;
    b.num_soft = 2;
    b.soft_token.insert(b.soft_token.end(), {first, other});
    b.soft_probability.insert(b.soft_probability.end(), {float(kFirst), float(kSecond)});
  }
  b.targets[5] = -1;
  return b;
}

struct Student {
  TestContext ctx;
  Model model;
  Trainer trainer;
  static TrainSettings settings(double share) {
    TrainSettings s;
    s.objective.soft_share = share;
    s.lr = {.peak = 2e-2, .warmup_steps = 5, .decay_begin = 1e9, .decay_end = 1e9, .low = 1e-3, .last_begin = 1e9};
    s.adamw.weight_decay = 0.01;
    return s;
  }
  Student(Backend& backend, int threads, const Precision& precision, double share)
      : ctx(backend, threads),
        model(ctx, tiny_v3(1), precision, 64),
        trainer((model.weights().initialise(ctx, 0.1), ctx.context()), model, settings(share),
                std::make_unique<PlainExecutor>(ctx.context(), model, kSequences, kLength)) {}
  StepReport step(const TokenBatch& b) { return trainer.step(ctx, {&b, 1}); }
  double distance(const TokenBatch& b) {  // from the teacher: what is left of the loss above the teacher's entropy
    const double rest = 1 - kFirst - kSecond,
                 entropy = -kFirst * std::log(kFirst) - kSecond * std::log(kSecond) - rest * std::log(rest);
    const LossSums& sums = trainer.losses(ctx, b, false, {.soft_share = 1});
    return sums.mean() - entropy;
  }
  std::vector<float> all_weights() {
    std::vector<float> all;
    for (const auto& [name, o] : trainer.state()) {
      std::vector<float> host(size_t(o.size()));
      ctx.backend().download(ctx, {.device = o, .host = host.data()});
      all.insert(all.end(), host.begin(), host.end());
    }
    return all;
  }
};

// With as many steps the student comes much nearer to the teacher by its distribution than by what it has drawn.
TEST(SoftTargets, TheStudentComesNearerToTheTeacher) {
  const auto after = [](double share) {
    Student s(cpu_backend(), 1, Precision::f32(), share);
    const TokenBatch test = batch_of(1000, true);
    const double before = s.distance(test);
    EXPECT_GT(before, 1);
    for (uint64_t i = 0; i < 150; ++i) s.step(batch_of(i, true));
    EXPECT_GE(s.distance(test), 0);
    return s.distance(test);
  };
  const double hard = after(0), half = after(0.5), soft = after(1);
  EXPECT_LT(hard, 1);
  EXPECT_LT(half, hard);
  EXPECT_LT(soft, 0.5 * hard);
}

TEST(SoftTargets, RunOnThePoisonBackend) {
  PoisonBackend poison(cpu_backend());
  Student plain(cpu_backend(), 2, Precision::bf16(), 0.5), poisoned(poison, 2, Precision::bf16(), 0.5);
  for (uint64_t i = 0; i < 3; ++i) EXPECT_EQ(plain.step(batch_of(i, true)).loss, poisoned.step(batch_of(i, true)).loss);
  EXPECT_EQ(plain.distance(batch_of(9, true)), poisoned.distance(batch_of(9, true)));
  EXPECT_EQ(plain.all_weights(), poisoned.all_weights());
}

TEST(SoftTargets, SameBitsForAnyNumberOfThreads) {
  std::vector<float> first;
  for (int threads : {1, 2, 3}) {
    Student s(cpu_backend(), threads, Precision::bf16(), 0.5);
    for (uint64_t i = 0; i < 3; ++i) s.step(batch_of(i, true));
    if (first.empty()) first = s.all_weights();
    EXPECT_EQ(s.all_weights(), first) << threads;
  }
}

// A share of 0 is plain fine-tuning, bit for bit, with or without what a teacher says; so is a share without a teacher. MTP modules
// learn the targets.
TEST(SoftTargets, WithoutAShareNothingHasChanged) {
  const auto weights = [](double share, bool with_teacher) {
    Student s(cpu_backend(), 1, Precision::bf16(), share);
    double mtp = 0;
    for (uint64_t i = 0; i < 2; ++i) mtp = s.step(batch_of(i, with_teacher)).mtp_loss.at(0);
    EXPECT_GT(mtp, 0);
    return s.all_weights();
  };
  const std::vector<float> plain = weights(0, false);
  EXPECT_EQ(weights(0, true), plain);
  EXPECT_EQ(weights(0.5, false), plain);
  EXPECT_NE(weights(0.5, true), plain);
}

}  // namespace
}  // namespace minke
