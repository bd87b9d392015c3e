// A loader's batch, cut: inputs, targets, padding, documents.
#include "train/micro_batches.h"

#include <gtest/gtest.h>

namespace minke {
namespace {

TEST(MicroBatches, CutTheBatchAndShiftTheTargets) {
  const SequenceBatch batch{.batch_size = 3,
                            .sequence_length = 2,
                            .tokens = {1, 2, 3, 4, 5, 6, 7, 8, 9},
                            .document_start = {0, 0, 0, 1, 0, 0},
                            .num_valid = {3, 2, 1},
                            .source = {0, 0, 0}};
  const std::vector<TokenBatch> all = micro_batches(batch, 2, true);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].num_sequences, 2);
  EXPECT_EQ(all[0].sequence_length, 2);
  EXPECT_EQ(all[0].tokens, (std::vector<int32_t>{1, 2, 4, 5}));
  EXPECT_EQ(all[0].targets, (std::vector<int32_t>{2, 3, 5, -1}));  // token 6 is padding
  EXPECT_EQ(all[0].document_start, (std::vector<int32_t>{0, 0, 0, 1}));
  EXPECT_TRUE(all[0].num_valid.empty());  // the padding is no input: every input is a token
  EXPECT_EQ(all[1].num_valid, (std::vector<int32_t>{1}));
  EXPECT_EQ(micro_batches(batch, 3, true)[0].num_valid, (std::vector<int32_t>{2, 2, 1}));  // of the inputs
  EXPECT_EQ(all[1].num_sequences, 1);                                                      // what is left
  EXPECT_EQ(all[1].tokens, (std::vector<int32_t>{7, 8}));
  EXPECT_EQ(all[1].targets, (std::vector<int32_t>{-1, -1}));
  EXPECT_TRUE(micro_batches(batch, 3, false)[0].document_start.empty());
}

}  // namespace
}  // namespace minke
