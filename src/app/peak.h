// What the machine's arithmetic can do, so that a run can say which share of it it uses.
#pragma once
#include "kernels/context.h"

namespace minke {

// FLOP/s of a 1024³ product of all threads, best of several (some 50 ms in all). Others on the machine lower it.
double product_rate(const Context& ctx, DType compute);

}  // namespace minke
