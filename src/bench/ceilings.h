// The highest rates of this machine's arithmetic and memory on the threads of a context. Each is the best of several
// measurements. Test: tests/bench/ceilings_test.cpp.
#pragma once
#include <string>
#include <vector>

#include "kernels/context.h"

namespace minke {

struct Ceiling {
  struct Try {
    std::string how;
    double rate = 0;           // operations (2 a multiply-add) or bytes per second
    double rate_per_core = 0;  // … per second of processor time, which other programs affect least
  };
  std::vector<Try> tries;
  Try best() const;              // rates 0 if there is none
  double rate_per_core() const;  // the highest
};

// Of matrix products in f32, bf16 or 8-bit integers (u8): multiply-adds on registers with every instruction set of the
// machine, whichever ctx computes with (none newer than that if it is not the default); our own product of 1024³ where there
// is one; and with `library` oneDNN's, if the machine has it. bf16 operands are multiplied as f32 where an instruction set has
// nothing for them, so its f32 ceiling is theirs then. About `seconds` for each way.
Ceiling product_ceiling(const Context& ctx, DType dtype, double seconds, bool library = false);

// Of reading: 1, 2, 4 or 8 streams a thread, plain and prefetching, over so many bytes that no cache holds them, in huge
// pages where the system gives them. Nothing is tried where so many are not free.
constexpr int64_t kReadBytes = int64_t(256) << 20;
Ceiling read_ceiling(const Context& ctx, double seconds, int64_t bytes = kReadBytes);

}  // namespace minke
