#include "tokenize/bpe.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

#include "tokenize/unicode.h"

namespace minke {

void MergeTable::reserve(size_t merges) {
  const size_t slots = std::bit_ceil(std::max<size_t>(merges * 2, 2));
  if (slots <= entries_.size()) return;
  std::vector<Entry> old(slots);
  std::swap(old, entries_);
  mask_ = slots - 1;
  shift_ = 64 - std::countr_zero(slots);
  present_.assign(slots / 8, 0);
  present_shift_ = shift_ - 3;
  size_ = 0;
  for (const Entry& e : old)
    if (e.left >= 0) set(e.left, e.right, e.merge);
}

void MergeTable::set(int32_t left, int32_t right, Merge merge) {
  if ((size_ + 1) * 2 > entries_.size()) reserve(size_ + 1 + size_);
  const uint64_t h = hash(left, right);
  present_[h >> present_shift_ >> 6] |= uint64_t(1) << (h >> present_shift_ & 63);
  for (size_t slot = h >> shift_;; slot = (slot + 1) & mask_) {
    Entry& e = entries_[slot];
    if (e.left < 0) ++size_;
    else if (e.left != left || e.right != right) continue;
    e = {left, right, merge};
    return;
  }
}

void Bpe::index_byte_pairs() {
  byte_pairs.assign(256 * 256, {kNoRank, 0});
  std::unordered_map<int32_t, int> byte_of_id;
  for (int byte = 0; byte < 256; ++byte)
    if (id_of_byte[byte] >= 0) byte_of_id.emplace(id_of_byte[byte], byte);
  merges.for_each([&](int32_t left, int32_t right, MergeTable::Merge merge) {
    const auto a = byte_of_id.find(left), b = byte_of_id.find(right);
    if (a != byte_of_id.end() && b != byte_of_id.end()) byte_pairs[a->second << 8 | b->second] = merge;
  });
}

// Of each character c that alone becomes one token, by merges of rank ≤ R: if whatever merges reach over its ends (of
// its first symbols to the left, of its last ones to the right, before and after it is whole) have ranks above R, then c
// is always whole before any of them, because while it is not, a merge inside it goes first. In valid UTF-8 the symbol on
// its left ends with the last byte of a character, and that on its right begins with a first one.
void Bpe::index_characters(int32_t vocab_size, const std::function<std::string_view(int32_t)>& bytes_of) {
  const size_t n = size_t(vocab_size);
  std::vector<uint32_t> from_left(n, kNoRank),
      from_right(n, kNoRank);  // lowest rank of a merge that takes the id there
  merges.for_each([&](int32_t left, int32_t right, MergeTable::Merge merge) {
    if (bytes_of(left).empty() || bytes_of(right).empty()) return;
    const uint8_t last = uint8_t(bytes_of(left).back()), first = uint8_t(bytes_of(right).front());
    if (last < 0xC0) from_left[size_t(right)] = std::min(from_left[size_t(right)], merge.rank);
    if ((first & 0xC0) != 0x80) from_right[size_t(left)] = std::min(from_right[size_t(left)], merge.rank);
  });
  characters.clear();
  Scratch s;
  for (int32_t id = 0; id < vocab_size; ++id) {
    const std::string_view bytes = bytes_of(id);
    if (bytes.size() < 2 || bytes.size() > 3) continue;
    const unicode::CodePoint c = unicode::decode_at(bytes, 0);
    if (c.length != bytes.size()) continue;
    if (std::any_of(bytes.begin(), bytes.end(), [&](char b) { return id_of_byte[uint8_t(b)] < 0; })) continue;
    initial_ids(bytes, s.ids);
    uint32_t inside = 0, across = kNoRank;
    for (;;) {
      across = std::min({across, from_left[size_t(s.ids.front())], from_right[size_t(s.ids.back())]});
      MergeTable::Merge best{kNoRank, 0};
      size_t at = 0;
      for (size_t i = 0; i + 1 < s.ids.size(); ++i)
        if (const auto m = merges.find(s.ids[i], s.ids[i + 1]); m.rank < best.rank) best = m, at = i;
      if (best.rank == kNoRank) break;
      inside = std::max(inside, best.rank);
      s.ids[at] = int32_t(best.id);
      s.ids.erase(s.ids.begin() + ptrdiff_t(at) + 1);
    }
    if (s.ids.size() != 1 || across <= inside) continue;
    if (characters.empty()) characters.assign(0x10000, -1);
    characters[c.value] = s.ids[0];
  }
}

// False if the piece is no valid UTF-8, or has bytes that the vocabulary lacks.
bool Bpe::ids_of_characters(std::string_view piece, std::vector<int32_t>& ids) const {
  ids.clear();
  for (size_t at = 0; at < piece.size();) {
    const unicode::CodePoint c = unicode::decode_at(piece, at);
    if (!c.valid) return false;
    if (c.value < 0x10000 && characters[c.value] >= 0) {
      ids.push_back(characters[c.value]);
      at += c.length;
      continue;
    }
    for (const size_t end = at + c.length; at < end; ++at) {
      const int32_t id = id_of_byte[uint8_t(piece[at])];
      if (id < 0) return false;
      ids.push_back(id);
    }
  }
  return true;
}

size_t Bpe::initial_ids(std::string_view piece, std::vector<int32_t>& ids) const {
  ids.clear();
  bool previous_unknown = false;
  for (size_t i = 0; i < piece.size(); ++i) {
    int32_t id = id_of_byte[uint8_t(piece[i])];
    const bool unknown = id < 0;
    if (unknown) {
      if (unknown_id < 0) return i;
      id = unknown_id;
    }
    if (!(unknown && previous_unknown && fuse_unknown)) ids.push_back(id);
    previous_unknown = unknown;
  }
  return std::string_view::npos;
}

size_t Bpe::encode(std::string_view piece, std::vector<int32_t>& out, Scratch& s) const {
  if (!whole.empty()) {
    if (const auto found = whole.find(piece); found != whole.end()) {
      out.push_back(found->second);
      return std::string_view::npos;
    }
  }
  if (characters.empty() || !ids_of_characters(piece, s.ids))
    if (const size_t missing = initial_ids(piece, s.ids); missing != std::string_view::npos) return missing;
  const size_t n = s.ids.size();
  s.ranks.resize(n);
  s.merged.resize(n);
  for (size_t i = 0; i + 1 < n; ++i) {
    const MergeTable::Merge m = n == piece.size() && unknown_id < 0
                                    ? byte_pairs[uint8_t(piece[i]) << 8 | uint8_t(piece[i + 1])]
                                    : merges.find(s.ids[i], s.ids[i + 1]);
    s.ranks[i] = m.rank;
    s.merged[i] = m.id;
  }
  constexpr size_t kScanLimit = 128;  // above it the quadratic scans cost more than the heap
  if (n <= kScanLimit) merge_by_scan(s);
  else merge_by_heap(s);
  out.insert(out.end(), s.ids.begin(), s.ids.end());
  return std::string_view::npos;
}

void Bpe::merge_by_scan(Scratch& s) const {
  int32_t* ids = s.ids.data();
  uint32_t *ranks = s.ranks.data(), *merged = s.merged.data();
  size_t n = s.ids.size();
  while (n > 1) {
    uint32_t best = kNoRank;
    for (size_t i = 0; i + 1 < n; ++i) best = std::min(best, ranks[i]);
    if (best == kNoRank) break;
    size_t at = 0;
    while (ranks[at] != best) ++at;
    ids[at] = int32_t(merged[at]);
    const size_t tail = n - at - 2;
    std::memmove(ids + at + 1, ids + at + 2, tail * sizeof *ids);
    if (tail > 0) {
      std::memmove(ranks + at + 1, ranks + at + 2, (tail - 1) * sizeof *ranks);
      std::memmove(merged + at + 1, merged + at + 2, (tail - 1) * sizeof *merged);
    }
    --n;
    const auto refresh = [&](size_t i) {
      const MergeTable::Merge m = merges.find(ids[i], ids[i + 1]);
      ranks[i] = m.rank;
      merged[i] = m.id;
    };
    if (at > 0) refresh(at - 1);
    if (at + 1 < n) refresh(at);
  }
  s.ids.resize(n);
}

void Bpe::merge_by_heap(Scratch& s) const {
  const int32_t n = int32_t(s.ids.size());
  s.next.resize(n);
  s.previous.resize(n);
  s.heap.clear();
  // Key: rank, then position: equal ranks go left to right. A key is stale once its place has another rank.
  const auto key = [&](int32_t i) { return uint64_t(s.ranks[i]) << 32 | uint32_t(i); };
  for (int32_t i = 0; i < n; ++i) {
    s.next[i] = i + 1;
    s.previous[i] = i - 1;
    if (i + 1 == n) s.ranks[i] = kNoRank;
    if (s.ranks[i] != kNoRank) s.heap.push_back(key(i));
  }
  std::make_heap(s.heap.begin(), s.heap.end(), std::greater<>());
  while (!s.heap.empty()) {
    std::pop_heap(s.heap.begin(), s.heap.end(), std::greater<>());
    const uint64_t top = s.heap.back();
    s.heap.pop_back();
    const int32_t at = int32_t(uint32_t(top));
    if (s.ranks[at] != top >> 32) continue;
    const int32_t gone = s.next[at], after = s.next[gone];
    s.ids[at] = int32_t(s.merged[at]);
    s.ids[gone] = -1;
    s.ranks[gone] = kNoRank;
    s.next[at] = after;
    if (after < n) s.previous[after] = at;
    const auto refresh = [&](int32_t i, int32_t right) {
      const MergeTable::Merge m = right < n ? merges.find(s.ids[i], s.ids[right]) : MergeTable::Merge{kNoRank, 0};
      s.ranks[i] = m.rank;
      s.merged[i] = m.id;
      if (m.rank == kNoRank) return;
      s.heap.push_back(key(i));
      std::push_heap(s.heap.begin(), s.heap.end(), std::greater<>());
    };
    refresh(at, after);
    if (s.previous[at] >= 0) refresh(s.previous[at], at);
  }
  std::erase(s.ids, -1);
}

WordCache::Key WordCache::key_of(std::string_view word, size_t readable) {
  Key key{0, 0};
  if (std::endian::native == std::endian::little && readable >= 16) {
    std::memcpy(&key, word.data(), 16);
    const size_t n = word.size();
    if (n < 8) {
      key.low &= (uint64_t(1) << (8 * n)) - 1;
      key.high = 0;
    } else {
      key.high &= (uint64_t(1) << (8 * (n - 8))) - 1;  // n ≤ 15
    }
  } else {
    std::memcpy(&key, word.data(), word.size());
  }
  key.high |= uint64_t(word.size()) << 56;
  return key;
}

size_t WordCache::slot_of(Key key) const {
  const uint64_t h = (key.low ^ std::rotl(key.high * 0xD6E8FEB86659FD93ull, 29)) * 0x9E3779B97F4A7C15ull;
  return h >> 32 & (entries_.size() - 1);
}

bool WordCache::find(Key key, std::vector<int32_t>& out) const {
  for (size_t slot = slot_of(key);; slot = (slot + 1) & (entries_.size() - 1)) {
    const Entry& e = entries_[slot];
    if (e.key == key) {
      const int32_t* ids = e.count <= 3 ? e.ids : &more_[e.ids[0]];
      if (e.count == 1) out.push_back(ids[0]);
      else out.insert(out.end(), ids, ids + e.count);
      return true;
    }
    if (e.key == Key{0, 0}) return false;
  }
}

void WordCache::grow() {
  std::vector<Entry> old;
  if (entries_.size() == kMaxEntries) {  // full: forget everything, and learn the present text
    entries_.assign(kMaxEntries, Entry{});
    more_.clear();
    used_ = 0;
    return;
  }
  old.resize(entries_.size() * 2);
  std::swap(old, entries_);
  for (const Entry& e : old) {
    if (e.key == Key{0, 0}) continue;
    size_t slot = slot_of(e.key);
    while (entries_[slot].key != Key{0, 0}) slot = (slot + 1) & (entries_.size() - 1);
    entries_[slot] = e;
  }
}

void WordCache::insert(Key key, const int32_t* ids, size_t count) {
  if (count == 0) return;
  if ((used_ + 1) * 2 > entries_.size()) grow();
  size_t slot = slot_of(key);
  while (entries_[slot].key != Key{0, 0}) slot = (slot + 1) & (entries_.size() - 1);
  Entry& e = entries_[slot];
  e.key = key;
  e.count = uint32_t(count);
  if (count <= 3) {
    std::copy_n(ids, count, e.ids);
  } else {
    e.ids[0] = int32_t(more_.size());
    more_.insert(more_.end(), ids, ids + count);
  }
  ++used_;
}

}  // namespace minke
