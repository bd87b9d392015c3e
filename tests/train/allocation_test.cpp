// A step of training takes no memory once one like it has been made: everything lies in arenas and buffers that were
// sized before. Both kinds are counted: device memory, and every operator new of this program.
#include <gtest/gtest.h>

#include "support/allocations.h"
#include "support/random.h"
#include "support/tiny.h"
#include "train/trainer.h"

namespace minke {
namespace {

TEST(Allocation, NoneAfterTheFirstStep) {
  test::CountingMemory memory;
  CpuBackend backend(cpu_backend().kernels(), memory);
  test::TestContext ctx(backend, 2);
  const Config config = test::tiny_v3(1);  // MoE, MTP, balance loss
  Model model(ctx, config, Precision::bf16(), 64);
  model.weights().initialise(ctx, 0.1);
  TrainSettings settings;
  settings.lr = {.peak = 1e-3, .warmup_steps = 1, .decay_begin = 1e9, .decay_end = 1e9, .last_begin = 1e9};
  settings.drop.capacity = 1.0;
  settings.ema_decay = 0.9;
  settings.spike_jump = 5;
  Trainer trainer(ctx, model, settings, std::make_unique<PlainExecutor>(ctx.context(), model, 4, 12));
  std::vector<TokenBatch> batch(2, {.num_sequences = 4, .sequence_length = 12});
  for (TokenBatch& b : batch) {
    b.tokens = test::random_tokens(1, 48, 23);
    b.targets = test::random_tokens(2, 48, 23);
    b.document_start.assign(48, 0);
  }
  trainer.step(ctx, batch);
  const int64_t tensors = memory.count, before = test::operator_news.load();
  EXPECT_GT(tensors, 0);
  EXPECT_GT(before, 0);
  for (int i = 0; i < 150; ++i) trainer.step(ctx, batch);  // longer than any window of past steps
  EXPECT_EQ(memory.count - tensors, 0);
  EXPECT_EQ(test::operator_news.load() - before, 0);
}

}  // namespace
}  // namespace minke
