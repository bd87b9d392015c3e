// Byte-pair encoding (Sennrich et al. 2016) of one piece of text: starting from bytes, the adjacent pair of lowest rank
// (leftmost among equals) is merged until no pair has a rank. Short pieces by repeated linear scans, long ones with a
// heap: O(n log n) for any text. Tested in tests/tokenize/bpe_test.cpp.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace minke {

constexpr uint32_t kNoRank = 0xFFFFFFFF;

// (left id, right id) → (rank, id of the merged token), for 0 ≤ ids < 2^31. Open addressing, at most half full. Most pairs
// that are looked up have no merge. A bitmap with 16 bits per merge rejects 94 % of them; it fits into the L2 cache, which
// the table (4 MB for DeepSeek-V3) does not.
class MergeTable {
 public:
  struct Merge {
    uint32_t rank, id;
  };
  void reserve(size_t merges);
  void set(int32_t left, int32_t right, Merge merge);  // the last of several is used, as in the Hugging Face library
  Merge find(int32_t left, int32_t right) const {
    const uint64_t h = hash(left, right);
    if (!(present_[h >> present_shift_ >> 6] >> (h >> present_shift_ & 63) & 1)) return {kNoRank, 0};
    for (size_t slot = h >> shift_;; slot = (slot + 1) & mask_) {
      const Entry& e = entries_[slot];
      if (e.left == left && e.right == right) return e.merge;
      if (e.left < 0) return {kNoRank, 0};
    }
  }
  size_t size() const { return size_; }
  template <class Each> void for_each(Each each) const {  // each(left, right, merge), in no order
    for (const Entry& e : entries_)
      if (e.left >= 0) each(e.left, e.right, e.merge);
  }

 private:
  struct Entry {
    int32_t left = -1, right = -1;
    Merge merge{kNoRank, 0};
  };
  static uint64_t hash(int32_t left, int32_t right) {
    const uint64_t key = uint64_t(uint32_t(left)) << 32 | uint32_t(right);
    return (key ^ key >> 29) * 0x9E3779B97F4A7C15ull;
  }
  // All start empty with 8 slots; the bitmap has 8 bits a slot.
  std::vector<Entry> entries_ = std::vector<Entry>(8);
  std::vector<uint64_t> present_ = std::vector<uint64_t>(1);
  size_t mask_ = 7, size_ = 0;
  int shift_ = 61, present_shift_ = 58;
};

struct Bpe {
  std::array<int32_t, 256> id_of_byte;        // −1: the vocabulary lacks this byte
  std::vector<MergeTable::Merge> byte_pairs;  // [256 × 256]: the first look-ups of every piece, in one small table
  MergeTable merges;
  std::unordered_map<std::string_view, int32_t>
      whole;                // with ignore_merges: pieces that are tokens; views into the vocabulary
  int32_t unknown_id = -1;  // stands for each byte that is missing; −1: such a byte is an error
  bool fuse_unknown = false;

  // Ids of the characters up to U+FFFF from which merging may start instead of their bytes; −1: from the bytes. The bytes of
  // such a character always merge into its token before they can merge with anything beside them. Empty: none.
  std::vector<int32_t> characters;

  void index_byte_pairs();  // after id_of_byte and merges are filled
  // Fills `characters`, after index_byte_pairs; bytes_of(id): the bytes of a token that merges name.
  void index_characters(int32_t vocab_size, const std::function<std::string_view(int32_t)>& bytes_of);

  struct Scratch {
    std::vector<int32_t> ids, next, previous;
    std::vector<uint32_t> ranks, merged;
    std::vector<uint64_t> heap;
  };
  // Appends the ids of `piece`; npos, or the offset of the first byte that the vocabulary lacks (then nothing is
  // appended).
  size_t encode(std::string_view piece, std::vector<int32_t>& out, Scratch& scratch) const;

 private:
  void merge_by_scan(Scratch& s) const;
  void merge_by_heap(Scratch& s) const;
  size_t initial_ids(std::string_view piece, std::vector<int32_t>& ids) const;
  bool ids_of_characters(std::string_view piece, std::vector<int32_t>& ids) const;
};

// A cache of pieces of up to 15 bytes and their ids, because text repeats its words. Starts small, grows to 2^17 entries
// (4 MB), then is cleared. One per thread.
class WordCache {
 public:
  WordCache() : entries_(1 << 10) {}
  static constexpr size_t kMaxBytes = 15;
  struct Key {
    uint64_t low, high;
    bool operator==(const Key&) const = default;
  };
  // `readable`: how many bytes may be read from word.data() on (≥ word.size()).
  static Key key_of(std::string_view word, size_t readable);
  bool find(Key key, std::vector<int32_t>& out) const;
  void insert(Key key, const int32_t* ids, size_t count);

 private:
  static constexpr size_t kMaxEntries = 1 << 17;
  struct Entry {
    Key key{0, 0};   // of no word: a word's length stands in the last byte, and is not 0
    int32_t ids[3];  // or ids[0]: where they start in more_
    uint32_t count;
  };
  size_t slot_of(Key key) const;
  void grow();
  std::vector<Entry> entries_;
  std::vector<int32_t> more_;
  size_t used_ = 0;
};

}  // namespace minke
