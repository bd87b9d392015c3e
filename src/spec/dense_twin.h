// The dense model that a mixture of experts is measured against: every layer dense, with as many active parameters a token
// (MoE §4.2 compares so). Test: tests/spec/dense_twin_test.cpp.
#pragma once
#include "spec/config.h"

namespace minke {

// The same attention, layers, vocabulary and MTP modules; intermediate_size shares out the active feed-forward parameters
// (chosen and shared experts, gates, dense layers) evenly, so active_head_only differs by less than one more unit of width
// in every layer. A model without experts comes back unchanged.
Config dense_twin(const Config& config);

}  // namespace minke
