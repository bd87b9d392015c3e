#include "core/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

namespace minke {
namespace {

// From this size on memory is mapped, so that it goes back to the system when it is released, in huge pages where they fit:
// neighbours share those at their ends, so nothing is rounded up to one (in a model of 135M parameters that would be 7 % of its
// weights).
constexpr size_t kMapped = size_t(128) << 10;
constexpr size_t kPage = 4096;

constexpr size_t rounded_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

class HostMemory final : public Memory {
 public:
  void* allocate(size_t bytes) override {
    void* p = nullptr;
    if (bytes < kMapped) {
      p = std::aligned_alloc(kAlignment, rounded_up(std::max<size_t>(bytes, 1), kAlignment));
      if (p) std::fill_n(static_cast<std::byte*>(p), bytes, std::byte{});
    } else {
      p = ::mmap(nullptr, rounded_up(bytes, kPage), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (p == MAP_FAILED) p = nullptr;
      else ::madvise(p, rounded_up(bytes, kPage), MADV_HUGEPAGE);
    }
    if (!p)
      user_error("out of memory: {:.2f} GiB more are needed; use a smaller batch or model", double(bytes) / (1 << 30));
    return p;
  }
  void release(void* data, size_t bytes) noexcept override {
    if (bytes < kMapped) std::free(data);
    else ::munmap(data, rounded_up(bytes, kPage));
  }
};

}  // namespace

size_t host_footprint(size_t bytes) { return rounded_up(bytes, bytes < kMapped ? kAlignment : kPage); }

Memory& host_memory() {
  static HostMemory memory;  // stateless
  return memory;
}

Tensor::Tensor(Memory& memory, DType dtype, std::initializer_list<int64_t> shape)
    : memory_(&memory), operand_(Operand::of(nullptr, dtype, shape)) {
  operand_.data = memory.allocate(operand_.bytes());
}

Tensor::~Tensor() {
  if (memory_) memory_->release(operand_.data, operand_.bytes());
}

Arena::Arena(Memory& memory, size_t bytes)
    : memory_(&memory), base_(static_cast<std::byte*>(memory.allocate(std::max<size_t>(bytes, 1)))), capacity_(bytes) {}

Arena::~Arena() {
  if (memory_) memory_->release(base_, std::max<size_t>(capacity_, 1));
}

void* Arena::take_bytes(size_t bytes) {
  const size_t at = used_;
  used_ = rounded_up(used_ + bytes, kAlignment);
  high_water_ = std::max(high_water_, used_);
  if (measuring()) return reinterpret_cast<void*>(kAlignment);
  if (used_ > capacity_) {
    used_ = at;
    bug(fmt::format("arena of {} bytes is too small: {} used, {} asked for", capacity_, at, bytes),
        SourceLocation::current());
  }
  return base_ + at;
}

Operand Arena::take(DType dtype, std::initializer_list<int64_t> shape) {
  Operand o = Operand::of(nullptr, dtype, shape);
  o.data = take_bytes(o.bytes());
  return o;
}

}  // namespace minke
