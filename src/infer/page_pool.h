// The memory of the KV cache: pages of a fixed number of slots, in all layers at once, handed out to sequences. A page may
// belong to several sequences that begin alike. A page that nobody holds any more but whose tokens are known is kept
// until its memory is needed, so that the next prompt that begins with them finds it.
// Test: tests/infer/page_pool_test.cpp.
#pragma once
#include <list>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/enum_names.h"
#include "core/memory.h"
#include "model/model.h"

namespace minke {

enum class CacheFormat : uint8_t { bf16, f32, fp8 };
template <> struct EnumNames<CacheFormat> {
  static constexpr EnumName<CacheFormat> all[] = {
      {CacheFormat::bf16, "bf16"}, {CacheFormat::f32, "f32"}, {CacheFormat::fp8, "fp8"}};
};
constexpr DType dtype_of(CacheFormat format) {
  return format == CacheFormat::bf16 ? DType::bf16 : format == CacheFormat::f32 ? DType::f32 : DType::f8_e4m3;
}

class PagePool {
 public:
  // dtype: f32, bf16 (or f64 with such a model); f8_e4m3: the FP8 cache of MLA, a UserError with other attention.
  // mtp_modules: so many of the model's have a layer, too, behind its own.
  PagePool(const Context& ctx, const Config& config, DType dtype, int64_t num_pages, int64_t page,
           int64_t mtp_modules = 0);

  std::span<const LayerCache> layers() const { return layers_; }
  int64_t page() const { return page_; }  // slots in one
  int64_t num_pages() const { return int64_t(pages_.size()); }
  // Pages that nobody holds, whether their tokens are known or not.
  int64_t num_free() const { return int64_t(unknown_.size() + kept_.size()); }
  size_t bytes() const;

  int32_t take();              // BugError if none is free: the caller counts
  void hold(int32_t page);     // one more holder
  void release(int32_t page);  // one fewer
  void copy(const Context& ctx, int32_t from, int32_t to, int64_t slots);  // the first slots of a page

  // Known beginnings. A page is known by the tokens in its first slots and by the full known page before it (−1: the
  // sequence begins with it). Returns the page of which most can be used for `tokens`, which go on after `before`.
  // The slot of an MTP module depends on as many tokens ahead as there are modules: so a page is known by so many tokens more,
  // and a slot can be used where the tokens ahead of it agree, too.
  struct Match {
    int32_t page = -1;
    int64_t count =
        0;  // slots that can be used; page() of them: the page can be held as it is, fewer: they can be copied
  };
  int64_t ahead() const { return ahead_; }
  Match find(int32_t before, std::span<const int32_t> tokens) const { return find_after(number_of(before), tokens); }
  // Makes a page that is held known for the tokens of its first slots, which never change while it is held, and `ahead` more, after
  // the page of the number `before` (0: none). modules: the slots of the MTP modules are filled, too. One that is known for fewer is
  // known for more then. Returns its number, or that of another page that is known for the same.
  uint64_t learn(int32_t page, uint64_t before, std::span<const int32_t> tokens, bool modules = true);
  uint64_t number_of(int32_t page) const { return page < 0 ? 0 : pages_[size_t(page)].number; }
  bool has_modules(int32_t page) const { return pages_[size_t(page)].modules; }
  void forget_all();  // the weights have changed

 private:
  struct Page {
    int64_t holders = 0;
    uint64_t number = 0;  // of what it is known for, never used twice; 0 = not known
    uint64_t before = 0;  // the number of the page before, 0 = none
    std::vector<int32_t> tokens;
    bool modules = true;
    std::list<int32_t>::iterator kept;
  };
  Match find_after(uint64_t before, std::span<const int32_t> tokens) const;
  void forget(int32_t page);

  std::vector<Tensor> memory_;
  std::vector<LayerCache> layers_;
  std::vector<Page> pages_;
  std::vector<int32_t> unknown_;                              // free, of no use to anyone
  std::list<int32_t> kept_;                                   // free but known, the longest unused first
  std::unordered_map<uint64_t, std::vector<int32_t>> after_;  // known pages by the number of the page before
  uint64_t last_number_ = 0;
  int64_t page_, ahead_;
};

}  // namespace minke
