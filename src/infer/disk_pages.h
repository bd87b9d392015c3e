// Between the pool and the cache on disk: which pages a sequence finds there, and their bytes out of and into the pool's memory.
// Test: tests/infer/turns_test.cpp.
#pragma once
#include <vector>

#include "infer/disk_cache.h"
#include "infer/page_pool.h"
#include "infer/sequence.h"

namespace minke {

class DiskPages {
 public:
  DiskPages(const PagePool& pool, DiskCache& disk);

  // When a sequence begins, the first s.learned pages of which are in memory: sets s.key to theirs and s.restorable behind those
  // that follow on disk. `tokens`: those that may be found.
  void find(Sequence& s, std::span<const int32_t> tokens) const;
  // The page behind s.key, which is s.pages[s.learned], from the disk; false if it cannot be had.
  bool restore(const Context& ctx, const Sequence& s);
  // The page of s.pages[s.learned] has been computed: s.key moves behind it, and it is kept on disk.
  void keep(const Context& ctx, Sequence& s);

  const DiskCache& disk() const { return disk_; }

 private:
  std::span<const int32_t> tokens_of(const Sequence& s) const;
  template <class F> void in_memory(int32_t page, F&& f) const;

  const PagePool& pool_;
  DiskCache& disk_;
  size_t bytes_ = 0;               // of a page
  std::vector<std::byte> buffer_;  // one
};

}  // namespace minke
