#include "core/memory.h"

#include <gtest/gtest.h>

#include <cstring>

namespace minke {
namespace {

TEST(Memory, HostMemoryIsZeroAndAligned) {
  for (size_t bytes : {size_t(0), size_t(1), size_t(63), size_t(4096), (size_t(2) << 20) - 1, size_t(2) << 20,
                       (size_t(5) << 20) + 3}) {
    auto* p = static_cast<unsigned char*>(host_memory().allocate(bytes));
    ASSERT_NE(p, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % kAlignment, 0u) << bytes;
    for (size_t i = 0; i < bytes; i += 97) ASSERT_EQ(p[i], 0) << bytes;
    if (bytes) std::memset(p, 1, bytes);  // the sanitizer build sees a short allocation here
    host_memory().release(p, bytes);
  }
}

TEST(Memory, OutOfMemoryIsAUserErrorWithTheSize) {
  try {
    host_memory().allocate(size_t(1) << 60);
    FAIL();
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("out of memory: 1073741824.00 GiB"), std::string::npos) << e.what();
  }
}

struct CountingMemory final : Memory {
  int live = 0;
  void* allocate(size_t bytes) override { return ++live, host_memory().allocate(bytes); }
  void release(void* data, size_t bytes) noexcept override { --live, host_memory().release(data, bytes); }
};

TEST(Memory, TensorOwnsItsMemory) {
  CountingMemory memory;
  {
    Tensor a(memory, DType::f32, {3, 4});
    EXPECT_EQ(memory.live, 1);
    EXPECT_EQ(a.operand().bytes(), 48u);
    Tensor b = std::move(a);
    EXPECT_EQ(memory.live, 1);
    EXPECT_TRUE(b);
    EXPECT_FALSE(a);  // NOLINT: a moved-from tensor is empty
    b = Tensor(memory, DType::bf16, {2});
    EXPECT_EQ(b.operand().bytes(), 4u);
  }
  EXPECT_EQ(memory.live, 0);
}

// The same calls on any arena.
size_t layout(Arena& arena) {
  arena.take(DType::f32, {3, 5});
  {
    const ArenaScope scope(arena);
    arena.take(DType::bf16, {7});
    arena.take_bytes(1000);
  }
  arena.take(DType::u8, {1});
  return arena.bytes_used();
}

TEST(Arena, MeasuringCountsWhatTheRealOneUses) {
  Arena measure;
  EXPECT_TRUE(measure.measuring());
  const size_t used = layout(measure);
  Arena real(host_memory(), measure.high_water());
  EXPECT_FALSE(real.measuring());
  EXPECT_EQ(layout(real), used);
  EXPECT_EQ(real.high_water(), measure.high_water());
  EXPECT_EQ(real.capacity(), measure.high_water());
  // 60 bytes round up to 64; within the scope 14 → 64 and 1000 → 1024 more; after it 1 → 64.
  EXPECT_EQ(used, 128u);
  EXPECT_EQ(measure.high_water(), 64u + 64 + 1024);
}

TEST(Arena, PartsAreAlignedAndApart) {
  Arena arena(host_memory(), 1024);
  const Operand a = arena.take(DType::u8, {65}), b = arena.take(DType::f32, {2});
  EXPECT_EQ(reinterpret_cast<uintptr_t>(a.data) % kAlignment, 0u);
  EXPECT_EQ(static_cast<std::byte*>(b.data) - static_cast<std::byte*>(a.data), 128);
  const size_t mark = arena.bytes_used();
  void* first = arena.take_bytes(64);
  arena.rewind(mark);
  EXPECT_EQ(arena.take_bytes(64), first);
  EXPECT_THROW(arena.rewind(arena.bytes_used() + 1), BugError);
}

TEST(Arena, TooSmallIsABugWithNumbers) {
  Arena arena(host_memory(), 128);
  arena.take_bytes(100);
  try {
    arena.take_bytes(1);
    FAIL();
  } catch (const BugError& e) {
    EXPECT_NE(std::string(e.what()).find("arena of 128 bytes"), std::string::npos) << e.what();
  }
  EXPECT_EQ(arena.bytes_used(), 128u);  // as before the failure
}

}  // namespace
}  // namespace minke
