// Pairs as micro-batches: whole, each side the other's rival, padding behind.
#include "run/pair_batches.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace minke {
namespace {

std::vector<int32_t> text(size_t length, int32_t token) { return std::vector<int32_t>(length, token); }

TEST(PairBatches, APairIsTwoRowsThatKnowEachOther) {
  const std::vector<PreferencePair> pairs{{text(5, 1), text(18, 2)}, {text(3, 3), text(1, 4)}};
  const TextBatch made = pair_batch(pairs, 64, 9);
  const TokenBatch& b = made.batch;
  EXPECT_EQ(b.num_sequences, 4);
  EXPECT_EQ(b.sequence_length, 32);  // 18, rounded up
  EXPECT_EQ(b.num_valid, (std::vector<int32_t>{5, 18, 3, 1}));
  EXPECT_EQ(made.last, (std::vector<int64_t>{4, 32 + 17, 64 + 2, 96}));
  int targets = 0, rivals = 0;
  for (size_t i = 0; i < b.tokens.size(); ++i) {
    const int64_t row = int64_t(i) / 32, place = int64_t(i) % 32;
    EXPECT_EQ(b.tokens[i], place < b.num_valid[size_t(row)] ? row + 1 : 9);
    targets += b.targets[i] >= 0, rivals += b.rival[i] >= 0;
  }
  EXPECT_EQ(targets, 2);
  EXPECT_EQ(rivals, 4);
  for (size_t pair = 0; pair < 2; ++pair) {
    const size_t chosen = size_t(made.last[2 * pair]), rejected = size_t(made.last[2 * pair + 1]);
    EXPECT_GE(b.targets[chosen], 0);
    EXPECT_EQ(b.rival[chosen], int32_t(rejected));
    EXPECT_EQ(b.rival[rejected], int32_t(chosen));
  }
}

TEST(PairBatches, MicroBatchesHoldWholePairsOfSimilarLength) {
  std::vector<PreferencePair> pairs;
  for (size_t i = 0; i < 7; ++i) pairs.push_back({text(i % 2 ? 40 : 4, 1), text(3, 2)});
  const std::vector<TextBatch> all = pair_batches(pairs, 4, 40, 0);
  std::vector<std::pair<int64_t, int64_t>> shapes;
  for (const TextBatch& b : all) shapes.emplace_back(b.batch.num_sequences, b.batch.sequence_length);
  EXPECT_EQ(shapes, (std::vector<std::pair<int64_t, int64_t>>{{4, 40}, {4, 40}, {4, 16}, {2, 16}}));
  EXPECT_THROW(pair_batches(pairs, 3, 40, 0), BugError);
  EXPECT_THROW(pair_batches(pairs, 4, 39, 0), BugError);
}

}  // namespace
}  // namespace minke
