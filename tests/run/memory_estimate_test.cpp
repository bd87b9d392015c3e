// The estimate of a run's memory against what a step of it takes: the same kinds, to the byte. Against the memory of a
// whole process: tests/app/memory_test.sh.
#include "run/memory_estimate.h"

#include <gtest/gtest.h>

#include <deque>
#include <set>

#include "run/settings.h"
#include "support/random.h"
#include "support/tiny.h"

namespace minke {
namespace {

using namespace test;

class CountedMemory final : public Memory {
 public:
  void* allocate(size_t bytes) override {
    held += host_footprint(bytes);
    return host_memory().allocate(bytes);
  }
  void release(void* data, size_t bytes) noexcept override {
    held -= host_footprint(bytes);
    host_memory().release(data, bytes);
  }
  size_t held = 0;
};

void compare(const Config& config, FloatFormat format, const StageMemory& stage = {}) {
  SCOPED_TRACE(fmt::format("{} in {}", name_of(config.model_type), name_of(format)));
  Recipe recipe;
  recipe.train.precision = format;
  recipe.train.moments = FloatFormat::bf16;
  recipe.train.ema_decay = 0.9;
  recipe.train.steps = 10;
  recipe.train.sequence_length = 8;
  recipe.train.batch_size = 2;
  recipe.log.sample_tokens = 0;
  const Phase phase = plan_phases(recipe).front();
  CountedMemory memory;
  CpuBackend backend(cpu_backend().kernels(), memory);
  TestContext ctx(backend, 2);
  const size_t before = memory.held;
  const MemoryEstimate m = training_memory(ctx, config, recipe, phase, 2, stage);
  EXPECT_EQ(memory.held, before) << "a dry run took memory";

  Arena scratch(host_memory(), size_t(m.scratch));  // exactly so much
  Context exact = ctx;
  exact.scratch = &scratch;
  Model model(exact, config, precision(recipe), 8);
  EXPECT_EQ(m.parameters, double(memory.held - before));
  model.weights().initialise(exact, 0.1);
  std::deque<WeightCopy> copies;
  for (int64_t i = 0; i < stage.weight_copies; ++i) copies.emplace_back(exact, model);
  EXPECT_EQ(m.parameters + m.copies, double(memory.held - before));
  TrainSettings settings = train_settings(recipe, phase);
  settings.objective = stage.objective;
  if (!stage.trains_mtp) settings.mtp = {.early = 0, .late = 0};
  Trainer trainer(exact, model, settings,
                  std::make_unique<PlainExecutor>(exact, model, 2, 8, stage.replays_experts, stage.trains_mtp));
  const double kept = m.parameters + m.copies + m.gradients + m.moments + m.average + m.activations;
  EXPECT_EQ(kept, double(memory.held - before));
  TokenBatch batch{.num_sequences = 2, .sequence_length = 8, .tokens = {}, .targets = {}, .document_start = {}};
  batch.tokens = batch.targets = random_tokens(3, 16, config.vocab_size);
  if (stage.objective.policy) {
    batch.weight.assign(16, 0.1f);
    batch.advantage = batch.old_loss = batch.reference_loss = batch.weight;
  }
  if (stage.num_soft > 0) {
    batch.num_soft = stage.num_soft;
    for (int64_t i = 0; i < 16 * stage.num_soft; ++i)
      batch.soft_token.push_back(int32_t(i % stage.num_soft)), batch.soft_probability.push_back(0.01f);
  }
  TokenLosses tokens;
  for (int step = 0; step < 2; ++step)
    EXPECT_EQ(trainer.step(exact, {&batch, 1}, stage.asks_token_losses ? &tokens : nullptr).skipped, "");
  EXPECT_EQ(kept + m.forms, double(memory.held - before));
  EXPECT_EQ(m.scratch, double(scratch.high_water()));
}

TEST(TrainingMemory, IsWhatAStepTakes) {
  for (FloatFormat format : {FloatFormat::bf16, FloatFormat::f32}) {
    compare(tiny_v3(1), format);
    compare(tiny_v3(0, false), format);
    compare(tiny_llama(), format);  // tied: the embedding is multiplied with, too
  }
}

// Reinforcement learning: what the objective reads, routes, entropies and a reference policy, but no MTP.
TEST(TrainingMemory, IsWhatAStepOfThePolicyTakes) {
  const StageMemory stage{.objective = {.policy = PolicyTerms{.beta = 0.1}},
                          .trains_mtp = false,
                          .replays_experts = true,
                          .asks_token_losses = true,
                          .weight_copies = 1};
  for (FloatFormat format : {FloatFormat::bf16, FloatFormat::f32}) {
    compare(tiny_v3(1), format, stage);
    compare(tiny_llama(), format, stage);
  }
}

// A student's: what its teacher says of each target.
TEST(TrainingMemory, IsWhatAStepWithSoftTargetsTakes) {
  const StageMemory stage{.objective = {.soft_share = 0.5}, .num_soft = 5};
  compare(tiny_v3(1), FloatFormat::bf16, stage);
  compare(tiny_llama(), FloatFormat::f32, stage);
}

TEST(TrainingMemory, ModulesThatAreNotTrainedTakeNoActivations) {
  Recipe recipe;
  recipe.train.steps = 10;
  recipe.train.sequence_length = 8;
  const Phase phase = plan_phases(recipe).front();
  TestContext ctx(cpu_backend());
  const auto activations = [&](int64_t modules, bool trained) {
    return training_memory(ctx, tiny_v3(modules), recipe, phase, 2, {.trains_mtp = trained}).activations;
  };
  EXPECT_GT(activations(1, true), activations(1, false) + 1000);
  EXPECT_LT(activations(1, false), activations(0, true) + 1000);  // the tokens of the module's batch
}

TEST(TrainingMemory, TextNamesWhatThereIs) {
  MemoryEstimate m;
  m.parameters = 1 << 20, m.scratch = 3 << 20;
  EXPECT_EQ(m.text(), "1.0 MiB parameters + 3.0 MiB scratch = 4.0 MiB");
}

TEST(WeightBytes, AreMastersGradientsMomentsAndAverage) {
  Recipe recipe;
  recipe.train.moments = FloatFormat::bf16;
  const Config c = tiny_llama();
  double n = 0;
  for (const Storage& s : storages(c)) n += double(s.size());
  EXPECT_EQ(weight_bytes(c, recipe), 12 * n);
  recipe.train.moments = FloatFormat::f32, recipe.train.ema_decay = 0.9;
  EXPECT_EQ(weight_bytes(c, recipe), 20 * n);
}

}  // namespace
}  // namespace minke
