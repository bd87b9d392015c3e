// Owners of memory. Memory allocates device memory; each backend has one (with the poison backend, the host cannot read
// it outside kernels). Tensor owns one allocation. Arena hands out parts of one block and takes them back in stack
// order. A measuring arena has no memory and only counts, so the code that lays out saved state also computes its size.
// Tested in tests/core/memory_test.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>

#include "core/operand.h"

namespace minke {

constexpr size_t kAlignment = 64;  // bytes: a cache line and an AVX-512 register

class Memory {
 public:
  virtual ~Memory() = default;
  // Zero-filled, 64-byte aligned. Throws UserError with the size when the machine has no more.
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* data, size_t bytes) noexcept = 0;
};

// The host's memory: anonymous maps, with huge pages requested for large ones.
Memory& host_memory();
// What an allocation of so many bytes takes of it, once all is written to.
size_t host_footprint(size_t bytes);

class Tensor {
 public:
  Tensor() = default;
  Tensor(Memory& memory, DType dtype, std::initializer_list<int64_t> shape);
  Tensor(Tensor&& other) noexcept { swap(other); }
  Tensor& operator=(Tensor&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Tensor();
  const Operand& operand() const { return operand_; }
  operator const Operand&() const { return operand_; }
  explicit operator bool() const { return bool(operand_); }

 private:
  void swap(Tensor& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(operand_, other.operand_);
  }
  Memory* memory_ = nullptr;
  Operand operand_;
};

class Arena {
 public:
  // Only counts: bytes_used() and high_water() give the bytes that the same calls would need.
  Arena() = default;
  Arena(Memory& memory, size_t bytes);
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  bool measuring() const { return base_ == nullptr; }
  // The contents are undefined. A measuring arena returns an operand that must not be read or written.
  Operand take(DType dtype, std::initializer_list<int64_t> shape);
  void* take_bytes(size_t bytes);
  size_t bytes_used() const { return used_; }
  size_t high_water() const { return high_water_; }
  size_t capacity() const { return capacity_; }
  void rewind(size_t mark) {
    check(mark <= used_, "Arena::rewind");
    used_ = mark;
  }

 private:
  Memory* memory_ = nullptr;
  std::byte* base_ = nullptr;
  size_t capacity_ = 0, used_ = 0, high_water_ = 0;
};

// At the end of a scope, gives back everything that was taken from the arena inside it.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena) : arena_(arena), mark_(arena.bytes_used()) {}
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;
  ~ArenaScope() { arena_.rewind(mark_); }

 private:
  Arena& arena_;
  size_t mark_;
};

}  // namespace minke
