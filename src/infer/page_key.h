// What a page of the KV cache is called on disk. Test: tests/infer/disk_cache_test.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace minke {

// Of all tokens up to the end of a page.
struct PageKey {
  uint64_t low = 0, high = 0;
  bool operator==(const PageKey&) const = default;
  struct Hash {
    size_t operator()(const PageKey& k) const { return size_t(k.low); }
  };
};
// `tokens`: of the next page.
PageKey key_after(PageKey before, std::span<const int32_t> tokens);

}  // namespace minke
