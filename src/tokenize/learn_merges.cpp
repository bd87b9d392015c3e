#include "tokenize/learn_merges.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <string>
#include <thread>
#include <unordered_map>

#include "core/error.h"

namespace minke {
namespace {

// Distinct pieces with counts: open addressing on (hash, bytes), at most half full.
class PieceCounter {
 public:
  void add(std::string_view piece, int64_t times) {
    const uint32_t h = hash(piece);
    for (size_t slot = h & (slots_.size() - 1);; slot = (slot + 1) & (slots_.size() - 1)) {
      Slot& s = slots_[slot];
      if (s.hash == h && s.index >= 0 && pieces_[s.index].bytes == piece) {
        pieces_[s.index].count += times;
        return;
      }
      if (s.index >= 0) continue;
      check(pieces_.size() < (size_t(1) << 31) - 1, "distinct pieces fit 31 bits");
      s = {h, int32_t(pieces_.size())};
      pieces_.push_back({piece, times});
      if (pieces_.size() * 2 > slots_.size()) grow();
      return;
    }
  }
  std::vector<CountedPiece> take() { return std::move(pieces_); }
  const std::vector<CountedPiece>& pieces() const { return pieces_; }

 private:
  struct Slot {
    uint32_t hash = 0;
    int32_t index = -1;
  };
  static uint32_t hash(std::string_view s) {
    uint64_t h = s.size() * 0x9E3779B97F4A7C15ull;
    while (s.size() > 8) {
      uint64_t word;
      std::memcpy(&word, s.data(), 8);
      h = (std::rotl(h, 29) ^ word) * 0x9E3779B97F4A7C15ull;
      s.remove_prefix(8);
    }
    uint64_t word = 0;
    std::memcpy(&word, s.data(), s.size());
    h = (std::rotl(h, 29) ^ word) * 0x9E3779B97F4A7C15ull;
    return uint32_t(h >> 32);
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    std::swap(old, slots_);
    for (const Slot& s : old) {
      if (s.index < 0) continue;
      size_t slot = s.hash & (slots_.size() - 1);
      while (slots_[slot].index >= 0) slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = s;
    }
  }
  std::vector<Slot> slots_ = std::vector<Slot>(1 << 12);
  std::vector<CountedPiece> pieces_;
};

using Symbol = uint32_t;
constexpr Symbol kGone = 0xFFFFFFFF;

// All distinct pieces as one array of symbols; a merge leaves its symbol in the left place and kGone in the right one.
// Each pair keeps the places where it was seen, so that a merge visits only those: the work of all merges together is
// about that of writing each place's history, whatever the length of the pieces.
class Learner {
 public:
  Learner(std::span<const CountedPiece> pieces, const LearnOptions& options) : options_(options) {
    size_t total = 0;
    for (const CountedPiece& p : pieces) total += p.bytes.size();
    check(total < kGone, "the distinct pieces of the text fit 32-bit places (4 GiB)");
    symbols_.reserve(total);
    std::vector<Symbol> symbol_of(256);
    for (uint32_t i = 0; i < 256; ++i) {
      symbol_of[options.alphabet_order[i]] = i;
      learned_.tokens.emplace_back(1, char(options.alphabet_order[i]));
      known_.emplace(learned_.tokens.back(), i);
    }
    for (const CountedPiece& p : pieces) {
      const uint32_t first = uint32_t(symbols_.size());
      for (char c : p.bytes) {
        symbols_.push_back(symbol_of[uint8_t(c)]);
        piece_of_.push_back(uint32_t(counts_.size()));
      }
      for (uint32_t at = first; at + 1 < symbols_.size(); ++at) see(symbols_[at], symbols_[at + 1], at, p.count);
      counts_.push_back(p.count);
    }
    next_.resize(symbols_.size());
    previous_.resize(symbols_.size());
    for (uint32_t i = 0; i < symbols_.size(); ++i) {
      next_[i] = i + 1 < symbols_.size() && piece_of_[i + 1] == piece_of_[i] ? i + 1 : kGone;
      previous_[i] = i > 0 && piece_of_[i - 1] == piece_of_[i] ? i - 1 : kGone;
    }
    touched_.clear();
    for (const auto& [key, pair] : pairs_) queue_.push_back({pair.count, key});
    std::make_heap(queue_.begin(), queue_.end());
  }

  Learned run() {
    while (int64_t(learned_.tokens.size()) < options_.max_tokens && !queue_.empty()) {
      std::pop_heap(queue_.begin(), queue_.end());
      const Candidate top = queue_.back();
      queue_.pop_back();
      const auto found = pairs_.find(top.key);
      if (found == pairs_.end()) continue;
      if (found->second.count != top.count) {  // it was merged away in part since: goes back with what is left
        if (found->second.count > 0) push({found->second.count, top.key});
        continue;
      }
      if (top.count < options_.min_frequency) break;
      merge(top.key, std::move(found->second.places));
    }
    return std::move(learned_);
  }

 private:
  struct Pair {
    int64_t count = 0;
    std::vector<uint32_t> places;  // some are stale
  };
  struct Candidate {
    int64_t count;
    uint64_t key;
    bool operator<(const Candidate& o) const { return count != o.count ? count < o.count : key > o.key; }
  };
  static uint64_t key_of(Symbol a, Symbol b) { return uint64_t(a) << 32 | b; }

  void push(Candidate c) {
    queue_.push_back(c);
    std::push_heap(queue_.begin(), queue_.end());
  }
  void see(Symbol a, Symbol b, uint32_t place, int64_t count) {
    Pair& pair = pairs_[key_of(a, b)];
    pair.count += count;
    pair.places.push_back(place);
    touched_.push_back(key_of(a, b));
  }
  void forget(Symbol a, Symbol b, int64_t count) {
    const auto found = pairs_.find(key_of(a, b));
    if (found != pairs_.end()) found->second.count -= count;
  }

  void merge(uint64_t key, std::vector<uint32_t> places) {
    const Symbol a = Symbol(key >> 32), b = Symbol(key);
    pairs_.erase(key);
    const std::string token = learned_.tokens[a] + learned_.tokens[b];
    if (options_.forbidden && options_.forbidden(token)) return;
    const auto [known, fresh] = known_.try_emplace(token, Symbol(learned_.tokens.size()));
    const Symbol merged = known->second;
    if (fresh) learned_.tokens.push_back(token);
    learned_.merges.emplace_back(a, b);
    // Only a pair of equals can overlap itself ("aaa"): then left before right.
    if (a == b) std::sort(places.begin(), places.end());
    touched_.clear();
    for (const uint32_t at : places) {
      const uint32_t right = next_[at];
      if (symbols_[at] != a || right == kGone || symbols_[right] != b) continue;
      const int64_t count = counts_[piece_of_[at]];
      const uint32_t before = previous_[at], after = next_[right];
      symbols_[at] = merged;
      symbols_[right] = kGone;
      next_[at] = after;
      next_[right] = kGone;
      if (after != kGone) {
        previous_[after] = at;
        forget(b, symbols_[after], count);
        see(merged, symbols_[after], at, count);
      }
      if (before != kGone) {
        forget(symbols_[before], a, count);
        see(symbols_[before], merged, before, count);
      }
    }
    std::sort(touched_.begin(), touched_.end());
    touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
    for (const uint64_t fresh_key : touched_) {
      const auto found = pairs_.find(fresh_key);
      if (found != pairs_.end() && found->second.count > 0) push({found->second.count, fresh_key});
    }
  }

  const LearnOptions& options_;
  Learned learned_;
  std::unordered_map<std::string, Symbol> known_;
  std::vector<Symbol> symbols_;
  std::vector<uint32_t> next_, previous_, piece_of_;
  std::vector<int64_t> counts_;
  struct Mix {
    size_t operator()(uint64_t key) const { return (key ^ key >> 31) * 0x9E3779B97F4A7C15ull >> 16; }
  };
  std::unordered_map<uint64_t, Pair, Mix> pairs_;
  std::vector<uint64_t> touched_;
  std::vector<Candidate> queue_;
};

}  // namespace

std::vector<CountedPiece> count_pieces(std::span<const std::string_view> texts, NextPiece next_piece, int threads) {
  const unicode::Tables& tables = unicode::tables();
  std::vector<PieceCounter> counters(std::max(threads, 1));
  std::atomic<size_t> next_text = 0;
  const auto work = [&](PieceCounter& counter) {
    for (size_t i; (i = next_text.fetch_add(1)) < texts.size();) {
      const std::string_view text = texts[i];
      for (size_t at = 0; at < text.size();) {
        const size_t end = next_piece(tables, text, at);
        counter.add(text.substr(at, end - at), 1);
        at = end;
      }
    }
  };
  std::vector<std::thread> helpers;
  for (size_t i = 1; i < counters.size(); ++i) helpers.emplace_back(work, std::ref(counters[i]));
  work(counters[0]);
  for (std::thread& helper : helpers) helper.join();
  for (size_t i = 1; i < counters.size(); ++i)
    for (const CountedPiece& p : counters[i].pieces()) counters[0].add(p.bytes, p.count);
  return counters[0].take();
}

Learned learn_merges(std::span<const CountedPiece> pieces, const LearnOptions& options) {
  return Learner(pieces, options).run();
}

}  // namespace minke
