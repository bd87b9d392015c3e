// Three documents of nine tokens and sixteen bytes, in windows of four: every figure by hand.
#include "eval/held_out.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "core/files.h"

namespace minke {
namespace {

using Ids = std::vector<int32_t>;

struct HeldOut : ::testing::Test {
  fs::path path = fs::path(::testing::TempDir()) / fmt::format("minke-held-out-{}.bin", ::getpid());
  TokenSet set;
  std::vector<TokenBatch> batches;

  HeldOut() {
    ShardWriter writer(1, 100);
    writer.add(Ids{5, 6, 7}, 6);
    writer.add(Ids{8, 9}, 3);
    writer.add(Ids{1, 2, 3, 4}, 7);
    writer.write(path);
    set = TokenSet({path});
  }
  ~HeldOut() override { fs::remove(path); }

  // A token costs a tenth of its number.
  HeldOutResult evaluate(HeldOutSettings settings) {
    settings.sequence_length = 4;
    settings.start_token = 50;
    batches.clear();
    return evaluate_held_out(set, settings, [&](const TokenBatch& batch) {
      batches.push_back(batch);
      double nats = 0;
      for (int32_t t : batch.targets) nats += t >= 0 ? 0.1 * t : 0;
      return nats;
    });
  }
};

TEST_F(HeldOut, EveryTokenCountsOnceAndPaddingNever) {
  const HeldOutResult s = evaluate({.batch_size = 2});
  EXPECT_EQ(s.tokens, 9);
  EXPECT_DOUBLE_EQ(s.nats_per_token, 0.5);                      // (1 + … + 9) / 10 / 9
  EXPECT_DOUBLE_EQ(s.bits_per_byte, 4.5 / (16 * std::log(2)));  // 4.5 nats are 6.49 bits
  EXPECT_NEAR(s.bits_per_byte, 0.40576, 1e-5);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].num_sequences, 2);
  EXPECT_EQ(batches[0].sequence_length, 4);
  EXPECT_EQ(batches[0].tokens, (Ids{50, 5, 6, 7, 8, 9, 1, 2}));
  EXPECT_EQ(batches[0].targets, (Ids{5, 6, 7, 8, 9, 1, 2, 3}));
  EXPECT_TRUE(batches[0].document_start.empty());
  EXPECT_EQ(batches[1].num_sequences, 1);
  EXPECT_EQ(batches[1].tokens, (Ids{3, 4, 50, 50}));
  EXPECT_EQ(batches[1].targets, (Ids{4, -1, -1, -1}));
}

TEST_F(HeldOut, TheScoreDoesNotDependOnTheBatch) {
  for (int64_t batch_size : {1, 3, 7}) {
    const HeldOutResult s = evaluate({.batch_size = batch_size});
    EXPECT_EQ(s.tokens, 9);
    EXPECT_NEAR(s.nats_per_token, 0.5, 1e-12);
    EXPECT_NEAR(s.bits_per_byte, 4.5 / (16 * std::log(2)), 1e-12);
    EXPECT_EQ(batches.size(), size_t((3 + batch_size - 1) / batch_size));
  }
}

// The last document counts with the 5 of its 7 bytes that 3 of its 4 tokens stand for.
TEST_F(HeldOut, APartCountsItsOwnBytes) {
  for (int64_t max_tokens : {1, 5, 8}) {
    const HeldOutResult s = evaluate({.batch_size = 2, .max_tokens = max_tokens});
    EXPECT_EQ(s.tokens, 8);
    EXPECT_DOUBLE_EQ(s.nats_per_token, 4.1 / 8);
    EXPECT_DOUBLE_EQ(s.bits_per_byte, 4.1 / (14 * std::log(2)));
  }
  EXPECT_EQ(evaluate({.batch_size = 2, .max_tokens = 9}).tokens, 9);
}

TEST_F(HeldOut, DocumentsAreMaskedIfAsked) {
  evaluate({.batch_size = 2, .mask_documents = true});
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].document_start, (Ids{0, 1, 1, 1, 0, 0, 2, 2}));
  EXPECT_EQ(batches[1].document_start, (Ids{0, 0, 2, 3}));
}

TEST_F(HeldOut, StopsBetweenBatches) {
  int asked = 0;
  EXPECT_EQ(evaluate({.batch_size = 1, .stop = [&] { return ++asked == 3; }}).tokens, 8);
  EXPECT_EQ(batches.size(), 2u);
  const HeldOutResult none = evaluate({.stop = [] { return true; }});
  EXPECT_EQ(none.tokens, 0);
  EXPECT_EQ(none.nats_per_token, 0);
  EXPECT_EQ(none.bits_per_byte, 0);
  EXPECT_TRUE(batches.empty());
}

TEST(HeldOutResult, NothingIsHeldOut) {
  const HeldOutResult s = evaluate_held_out(TokenSet(), {.sequence_length = 4}, [](const TokenBatch&) -> double {
    ADD_FAILURE() << "there is no batch";
    return 1;
  });
  EXPECT_EQ(s.tokens, 0);
  EXPECT_EQ(s.bits_per_byte, 0);
}

}  // namespace
}  // namespace minke
