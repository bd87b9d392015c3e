#include "support/poison.h"

#include <sys/mman.h>

namespace minke::test {
namespace {

constexpr size_t kRange = size_t(16) << 30;  // addresses, not memory
constexpr size_t kPage = 4096;

size_t pages(size_t bytes) { return (std::max<size_t>(bytes, 1) + kPage - 1) / kPage * kPage; }

}  // namespace

PoisonMemory::PoisonMemory() {
  void* range = ::mmap(nullptr, kRange, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  check(range != MAP_FAILED, "poison backend: no address range");
  base_ = static_cast<std::byte*>(range);
}

PoisonMemory::~PoisonMemory() { ::munmap(base_, kRange); }

void* PoisonMemory::allocate(size_t bytes) {
  const size_t size = pages(bytes);
  ++live_;
  if (const auto block = free_.find(size); block != free_.end()) {
    void* data = block->second;
    free_.erase(block);
    return data;
  }
  check(size <= kRange - used_, "poison backend: address range is full");
  std::byte* data = base_ + used_;
  used_ += size;
  if (depth_ > 0) check(::mprotect(data, size, PROT_READ | PROT_WRITE) == 0, "poison backend: mprotect");
  return data;
}

void PoisonMemory::release(void* data, size_t bytes) noexcept {
  ::madvise(data, pages(bytes), MADV_DONTNEED);  // the next owner finds zeros
  free_.emplace(pages(bytes), data);
  if (--live_ == 0 && depth_ == 0) free_.clear(), used_ = 0;
}

void PoisonMemory::change_depth(int by) {
  const bool was_open = depth_ > 0;
  depth_ += by;
  if (was_open == (depth_ > 0) || used_ == 0) return;
  check(::mprotect(base_, used_, depth_ > 0 ? PROT_READ | PROT_WRITE : PROT_NONE) == 0, "poison backend: mprotect");
}

#define MINKE_WRAP_OP(op, Args)                                  \
  void PoisonBackend::op(const Context& ctx, const Args& args) { \
    const PoisonMemory::Open open(memory_);                      \
    inner_.op(ctx, args);                                        \
  }
MINKE_OPS(MINKE_WRAP_OP)
#undef MINKE_WRAP_OP

}  // namespace minke::test
