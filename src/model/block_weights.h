// The weights that a model for inference holds in quantised blocks: which, in which format, and from where. Products that
// decode the blocks as they go (kernels/ops.h) compute what a model with the decoded weights computes, bit for bit; those in 8
// bits round activations, those with FP8 round nothing, not even to BF16. Rows of an embedding in blocks are not rounded to
// the format of the products either.
// Test: tests/convert/block_weights_test.cpp.
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "core/enum_names.h"
#include "formats/weight_files.h"
#include "model/model.h"

namespace minke {

enum class WeightFormat : uint8_t {
  keep,  // quantised ones as the file has them, and where: they are not copied. Others in the format of the products
  bf16,
  fp8,   // E4M3, a scale for each 128 × 128
  int8,  // groups of 32 with a scale in F16: Q8_0
  int4,  // the same with 4 bits, Q4_0; embedding and head in int8
};
template <> struct EnumNames<WeightFormat> {
  static constexpr EnumName<WeightFormat> all[] = {{WeightFormat::keep, "keep"},
                                                   {WeightFormat::bf16, "bf16"},
                                                   {WeightFormat::fp8, "fp8"},
                                                   {WeightFormat::int8, "int8"},
                                                   {WeightFormat::int4, "int4"}};
};

// Of products with weights in blocks (Precision::integer_products).
enum class ActivationFormat : uint8_t { int8, dtype };
template <> struct EnumNames<ActivationFormat> {
  static constexpr EnumName<ActivationFormat> all[] = {{ActivationFormat::int8, "int8"},
                                                       {ActivationFormat::dtype, "dtype"}};
};

struct BlockWeights {
  std::unordered_map<std::string, std::vector<HeldRows>> storages;
  // Bytes that are read where they lie in mapped files; of these, of routed experts: only those are not all needed at once.
  size_t in_file = 0, experts_in_file = 0;
  std::string note;  // a line for people; "" if there is nothing to say

  const std::vector<HeldRows>* find(const std::string& storage) const {
    const auto at = storages.find(storage);
    return at == storages.end() ? nullptr : &at->second;
  }
};

// Matrices only, without the router, and without MLA's kv_b_proj, which is multiplied along its rows as well. Those whose
// rows are no whole blocks stay in `compute`, the format of the products.
// strips (Backend::strips): weights that products take in 8 bits, or as E4M3, are copied to memory, so many rows interleaved;
// 0 = they stay as they are, and where.
BlockWeights plan_block_weights(const Config& config, const WeightFiles& files, WeightFormat format, DType compute,
                                Strips strips = {});

// What is planned so, and the precision of a model that holds it and multiplies it with such activations. It points to `blocks`.
// 8 bits are the faster ones on every instruction set and no less accurate than llama.cpp with Q8_0 (docs/results.md,
// "Activations"), so there is a flag, but nothing that measures. Without them integers are in no strips.
Precision hold_in_blocks(Precision precision, BlockWeights& blocks, const Config& config, const WeightFiles& files,
                         WeightFormat format, ActivationFormat activations, Strips strips = {});

// Fills the weights of the model that are in blocks. What lies in a file is used there: `files` outlives the model.
void load_block_weights(const Context& ctx, Model& model, const WeightFiles& files);

}  // namespace minke
