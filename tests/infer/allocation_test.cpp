// A token of an answer takes no memory: everything lies in the pool, the arena and buffers that were sized before; and over
// 20,000 tokens nothing grows. Both kinds are counted: device memory, and every operator new of this program.
#include <gtest/gtest.h>

#include "core/machine_memory.h"
#include "infer/engine.h"
#include "support/allocations.h"
#include "support/random.h"
#include "support/tiny.h"

namespace minke {
namespace {

void check_answers(SpeculationMode speculation) {
  test::CountingMemory memory;
  CpuBackend backend(cpu_backend().kernels(), memory);
  test::TestContext ctx(backend, 2);
  constexpr int64_t kContext = 512, kAnswer = 500;
  Model model(ctx, test::tiny_v3(1), Precision::bf16().for_inference(), kContext);
  model.weights().initialise(ctx, 0.1);
  Engine engine(ctx, model,
                {.max_context = kContext,
                 .cache_tokens = 2 * kContext,
                 .max_sequences = 2,
                 .cache = DType::bf16,
                 .speculation = speculation});
  int64_t tensors = 0;
  size_t held = 0;
  for (int round = 0; round < 20; ++round) {
    // Greedy, and with every setting that sampling has.
    engine.add({.prompt = {1, 2, 3}, .max_new = kAnswer, .sampling = {.temperature = 0}});
    engine.add(
        {.prompt = {4, 5},
         .max_new = kAnswer,
         .sampling = {
             .top_k = 10, .top_p = 0.9, .repetition_penalty = 1.1, .presence_penalty = 0.1, .seed = uint64_t(round)}});
    engine.step(ctx), engine.step(ctx);
    const int64_t before = test::operator_news.load();
    const int64_t steps = speculation == SpeculationMode::off ? kAnswer - 1 : kAnswer / 2 - 1;  // before one ends
    for (int64_t i = 2; i < steps; ++i) engine.step(ctx);
    // In the first round lists grow to the number of tokens that there are.
    EXPECT_LE(test::operator_news.load() - before, round == 0 ? 10 : 0) << "round " << round;
    while (!engine.idle()) engine.step(ctx);
    if (round == 0) tensors = memory.count, held = process_memory().now;
  }
  EXPECT_GT(tensors, 0);
  EXPECT_EQ(memory.count, tensors);
  // 19,000 tokens later: nothing but what the system counts in pages.
  EXPECT_LT(double(process_memory().now), double(held) + (1 << 20));
}

TEST(Allocation, NoneForATokenOfAnAnswer) { check_answers(SpeculationMode::off); }
TEST(Allocation, NoneForATokenOfAnAnswerWithDrafts) { check_answers(SpeculationMode::mtp); }

}  // namespace
}  // namespace minke
