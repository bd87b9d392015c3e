// A model whose weights are random, made as they are read: to measure the speed of any shape without a checkpoint. The same
// seed gives the same values, in memory and in a file. Test: tests/convert/random_weights_test.cpp.
#pragma once
#include "convert/target.h"

namespace minke {

// Gains are 1, biases 0. Rows of matrices have variance 1 / columns, those of the embedding 1: so what a layer gives is as large
// as what it gets, and tokens differ enough that routers spread them over the experts. A row is a piece of one table of normal
// values, from a place of its own on: fast to make, but a model of many rows would not train well from them.
CheckpointFiles random_checkpoint(const fs::path& config_json, uint64_t seed, int64_t mtp_modules);
// The same to be written.
ConvertSource random_source(const fs::path& config_json, uint64_t seed);

// A byte-level tokenizer of as many tokens as the model has, most of them never used: llama.cpp reads no file without one.
void add_byte_tokenizer(GgufMetadataToWrite& keys, int64_t vocab_size);

}  // namespace minke
