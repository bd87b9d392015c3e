// A token of an answer takes no memory: everything lies in the pool, the arena and buffers that were sized before; and over
// 100,000 tokens of 400 requests nothing grows. Both kinds are counted: device memory, and every operator new of this program.
#include <gtest/gtest.h>

#include "core/machine_memory.h"
#include "infer/engine.h"
#include "support/allocations.h"
#include "support/random.h"
#include "support/tiny.h"

namespace minke {
namespace {

void check_answers(DType cache, SpeculationMode speculation, int rounds) {
  test::CountingMemory memory;
  CpuBackend backend(cpu_backend().kernels(), memory);
  test::TestContext ctx(backend, 2);
  constexpr int64_t kSequences = 16, kAnswer = 250, kContext = 256;
  Model model(ctx, test::tiny_v3(1), Precision::bf16().for_inference(), kContext);
  model.weights().initialise(ctx, 0.1);
  Engine engine(ctx, model,
                {.max_context = kContext,
                 .cache_tokens = kSequences * kContext,
                 .max_sequences = kSequences,
                 .cache = cache,
                 .speculation = speculation});
  int64_t tensors = 0, tokens = 0;
  size_t held = 0;
  for (int round = 0; round < rounds; ++round) {
    for (int64_t i = 0; i < kSequences; ++i) {
      Request r{.prompt = {int32_t(1 + i), 2, int32_t(round % 20)}, .max_new = kAnswer, .sample_index = uint64_t(i)};
      r.sampling.seed = uint64_t(round);
      if (i == 0) r.sampling.temperature = 0;  // greedy; most draw; some with every setting that sampling has
      if (i % 4 == 3)
        r.sampling = {
            .top_k = 10, .top_p = 0.9, .repetition_penalty = 1.1, .presence_penalty = 0.1, .seed = uint64_t(round)};
      engine.add(std::move(r));
    }
    engine.step(ctx), engine.step(ctx);
    const int64_t before = test::operator_news.load();
    const int64_t steps = speculation == SpeculationMode::off ? kAnswer - 1 : kAnswer / 2 - 1;  // before one ends
    for (int64_t i = 2; i < steps; ++i) engine.step(ctx);
    if (round > 0) {  // in the first, lists grow to the number of tokens that there are
      EXPECT_EQ(test::operator_news.load() - before, 0) << "round " << round;
    }
    while (!engine.idle()) engine.step(ctx);
    tokens += kSequences * kAnswer;
    if (round == 0) tensors = memory.count, held = process_memory().now;
  }
  EXPECT_EQ(tokens, 4000 * rounds);
  EXPECT_GT(tensors, 0);
  EXPECT_EQ(memory.count, tensors);
  // Nothing but what the system counts in pages: on a busy machine a thread may get its first task, and touch its part of the
  // scratch, after the first round.
  EXPECT_LT(double(process_memory().now), double(held) + (4 << 20));
}

TEST(Allocation, NoneForATokenOfAnAnswer) { check_answers(DType::bf16, SpeculationMode::off, 25); }
TEST(Allocation, NoneForATokenOfAnAnswerWithDrafts) { check_answers(DType::bf16, SpeculationMode::mtp, 3); }
TEST(Allocation, NoneForATokenWithAnFp8Cache) {
  check_answers(DType::f8_e4m3, SpeculationMode::off, 3);
  check_answers(DType::f8_e4m3, SpeculationMode::mtp, 3);
}

}  // namespace
}  // namespace minke
