// Turns a batch of the loader into micro-batches for the executor. Test: tests/train/micro_batches_test.cpp.
#pragma once
#include <vector>

#include "data/loader.h"
#include "train/executor.h"

namespace minke {

// Cuts the batch into micro-batches of that many sequences; the last one may be smaller. Padding has no target; if there
// is any, num_valid says where it begins.
std::vector<TokenBatch> micro_batches(const SequenceBatch& batch, int64_t micro_batch_size, bool mask_documents);

}  // namespace minke
