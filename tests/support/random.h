// Operands for tests: a context that owns its threads and scratch, and buffers in its memory, filled from a key, in
// several layouts. Everything goes through upload and download, so it works where the host cannot read device memory.
// Tested in tests/kernels/support_test.cpp.
#pragma once
#include <cstdint>
#include <vector>

#include "core/memory.h"
#include "core/rng.h"
#include "core/threads.h"
#include "kernels/cpu/backend.h"

namespace minke::test {

using Values = std::vector<double>;
using Indices = std::vector<int64_t>;

// A context with its own threads and scratch arena over a backend.
class TestContext {
 public:
  explicit TestContext(Backend& backend = reference_backend(), int threads = 1,
                       size_t scratch_bytes = size_t(64) << 20);
  TestContext(const TestContext&) = delete;
  TestContext& operator=(const TestContext&) = delete;
  const Context& context() const { return context_; }
  operator const Context&() const { return context_; }
  Backend& backend() const { return *context_.backend; }

 private:
  Threads threads_;
  Arena scratch_;
  Context context_;
};

enum class Layout : uint8_t {
  contiguous,
  padded,      // a gap after each row, and a start that is aligned to one element only
  transposed,  // the last two axes swapped in memory, with gaps (rank ≥ 2)
};

// An operand with known surroundings: all bytes around and between its elements are 0xff (NaN in every floating dtype),
// so that reading them spoils a result and writing them is seen.
class Buffer {
 public:
  Buffer(const Context& ctx, DType dtype, Indices shape, Layout layout = Layout::contiguous);
  const Operand& operand() const { return operand_; }
  operator const Operand&() const { return operand_; }
  // Values in row-major order of the shape; they are rounded to the dtype (one rounding, f64 → dtype).
  void set(const Values& values);
  void set(const Indices& values);
  Values get() const;
  // False when a byte that is no element's was written.
  bool surroundings_intact() const;

 private:
  std::vector<std::byte> download() const;
  int64_t byte_offset(int64_t flat) const;  // of an element, from the start of the storage
  const Context* ctx_;
  Operand operand_;
  Tensor storage_;
};

double rounded_to(DType dtype, double value);
Values rounded_to(DType dtype, Values values);
// n standard normals times stddev.
Values normals(RngKey key, int64_t n, double stddev = 1);
int64_t product_of(const Indices& shape);
Values absolute(Values values);

}  // namespace minke::test
