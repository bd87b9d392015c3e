// The dense model to compare a mixture of experts with: every layer dense, with the same number of active parameters per
// token (as in MoE §4.2). Test: tests/spec/dense_twin_test.cpp.
#pragma once
#include "spec/config.h"

namespace minke {

// The same attention, layers, vocabulary and MTP modules. intermediate_size spreads the active feed-forward parameters
// (chosen and shared experts, routers, dense layers) evenly over the layers, so active_head_only differs by less than one
// unit of width in every layer. A model without experts is returned unchanged.
Config dense_twin(const Config& config);

}  // namespace minke
