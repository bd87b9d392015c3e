// What the bits of a cached token depend on but the tokens, in a few letters: for the names of pages on disk.
// Test: tests/infer/disk_cache_test.cpp, tests/app/disk_cache_test.sh.
#pragma once
#include <string>
#include <string_view>

#include "infer/sequence.h"
#include "model/checkpoint.h"

namespace minke {

// The configuration, the weights (all of them; beyond 10G parameters eight rows of each matrix: a copy of a checkpoint is the same model,
// one that is trained further is another), the settings of the engine, the backend and this program itself. how: what the caller asked for besides.
std::string computed_by(const Context& ctx, const CheckpointFiles& files, const EngineSettings& settings,
                        std::string_view how);

}  // namespace minke
