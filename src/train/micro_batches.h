// What the loader gives, as what the executor takes. Test: tests/train/micro_batches_test.cpp.
#pragma once
#include <vector>

#include "data/loader.h"
#include "train/executor.h"

namespace minke {

// The batch cut into micro-batches of that many sequences; the last one may be smaller. Padding has no target; num_valid
// says where it begins, where there is any.
std::vector<TokenBatch> micro_batches(const SequenceBatch& batch, int64_t micro_batch_size, bool mask_documents);

}  // namespace minke
