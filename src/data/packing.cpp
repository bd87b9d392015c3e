#include "data/packing.h"

#include <algorithm>
#include <bit>
#include <map>

#include "core/error.h"

namespace minke {

Permutation::Permutation(RngKey key, uint64_t n) : n_(n) {
  check(n < uint64_t(1) << 62, "permutation size");
  half_bits_ = std::max(1, (int(std::bit_width(n > 0 ? n - 1 : 0)) + 1) / 2);
  for (int r = 0; r < 6; ++r) round_keys_[r] = key.u64(uint64_t(r));
}

uint64_t Permutation::operator()(uint64_t i) const {
  const uint64_t mask = (uint64_t(1) << half_bits_) - 1;
  do {  // the domain is at most 4 n, so the walk takes 4 rounds on average at worst
    uint64_t left = i >> half_bits_, right = i & mask;
    for (uint64_t key : round_keys_) {
      uint64_t z = (right + key) * 0xBF58476D1CE4E5B9ull;
      z = (z ^ (z >> 29)) * 0x94D049BB133111EBull;
      const uint64_t next = left ^ ((z ^ (z >> 32)) & mask);
      left = right;
      right = next;
    }
    i = left << half_bits_ | right;
  } while (i >= n_);
  return i;
}

EpochPlan::EpochPlan(const TokenSet& tokens, const PackingOptions& options, uint64_t epoch)
    : tokens_(tokens),
      options_(options),
      key_(RngKey{options.seed}.at("packing").at(epoch)),
      document_order_(key_.at("documents"), tokens.num_documents()),
      sequence_order_(key_.at("sequences"), 0) {
  if (options.sequence_length < 1 || options.sequence_length > int64_t(1) << 30)
    user_error("sequence length {} must be 1 to 2^30", options.sequence_length);
  if (!(options.fim_rate >= 0 && options.fim_rate <= 1)) user_error("FIM rate {} must be 0 to 1", options.fim_rate);
  const FimTokens& fim = options.fim;
  if (options.fim_rate > 0 && (fim.begin < 0 || fim.hole < 0 || fim.end < 0))
    user_error("FIM rate {} needs a tokenizer with the three FIM tokens (begin {}, hole {}, end {})", options.fim_rate,
               fim.begin, fim.hole, fim.end);
  if (tokens.num_tokens() == 0) user_error("there are no tokens to train on");
  if (options.packing == PackingMode::concatenate) plan_concatenation();
  else plan_best_fit();
  sequence_order_ = Permutation(key_.at("sequences"), num_sequences_);
}

bool EpochPlan::is_fim(uint64_t document) const {
  // Three tokens at least, so that prefix, middle and suffix can all have one.
  return options_.fim_rate > 0 && key_.at("fim").uniform(document) < options_.fim_rate &&
         tokens_.document_length(document) >= 3 + uint64_t(options_.begins_with_bos) + uint64_t(options_.ends_with_eos);
}

uint64_t EpochPlan::length(uint64_t document) const {
  return tokens_.document_length(document) + (is_fim(document) ? 3 : 0);
}

void EpochPlan::copy(uint64_t document, uint64_t begin, uint64_t count, int32_t* out) const {
  if (!is_fim(document)) {
    tokens_.copy_document(document, begin, count, out);
    return;
  }
  // The cut points are uniform over the tokens of the text (V3 does not say; docs/recipe/training.md §9).
  const uint64_t whole = tokens_.document_length(document), n = whole - uint64_t(options_.ends_with_eos);
  const uint64_t first = uint64_t(options_.begins_with_bos);
  const RngKey cuts = key_.at("fim cut").at(document);
  uint64_t a = first + cuts.below(0, n - first + 1), b = first + cuts.below(1, n - first + 1);
  if (a > b) std::swap(a, b);
  struct Part {
    int32_t marker;  // written before the tokens [from, to) of the document; −1: none
    uint64_t from, to;
  };
  const Part parts[] = {{-1, 0, first},
                        {options_.fim.begin, first, a},
                        {options_.fim.hole, b, n},
                        {options_.fim.end, a, b},
                        {-1, n, whole}};
  uint64_t at = 0;
  const uint64_t end = begin + count;
  for (const Part& part : parts) {
    if (part.marker >= 0) {
      if (at >= begin && at < end) *out++ = part.marker;
      ++at;
    }
    const uint64_t from = std::max(at, begin), to = std::min(at + (part.to - part.from), end);
    if (from < to) {
      tokens_.copy_document(document, part.from + (from - at), to - from, out);
      out += to - from;
    }
    at += part.to - part.from;
  }
}

void EpochPlan::plan_concatenation() {
  const uint64_t documents = tokens_.num_documents(), T = uint64_t(options_.sequence_length);
  joined_begin_.resize(documents + 1);
  joined_begin_[0] = 0;
  for (uint64_t k = 0; k < documents; ++k)
    joined_begin_[k + 1] = joined_begin_[k] + length(options_.shuffle ? document_order_(k) : k);
  const uint64_t total = joined_begin_[documents];
  num_sequences_ = (total + T - 1) / T;
  rotation_ = options_.shuffle ? key_.at("rotation").below(0, total) : 0;
}

void EpochPlan::plan_best_fit() {
  const uint64_t documents = tokens_.num_documents(), T = uint64_t(options_.sequence_length), room = T + 1;
  // Pieces of full length stand alone; the others wait in order of decreasing length, equal ones in shuffled order.
  std::vector<Piece> rest;
  std::vector<std::vector<Piece>> bins;
  for (uint64_t k = 0; k < documents; ++k) {
    const uint64_t d = options_.shuffle ? document_order_(k) : k, n = length(d);
    uint64_t begin = 0;
    documents_cut_ += n > room;
    // A following piece repeats the last token of the one before, so that its first new token is a target.
    for (; n - begin > room; begin += T) bins.push_back({Piece{d, begin, uint32_t(room)}});
    if (n - begin > 0) rest.push_back({d, begin, uint32_t(n - begin)});
  }
  std::stable_sort(rest.begin(), rest.end(), [](const Piece& a, const Piece& b) { return a.count > b.count; });
  std::map<uint64_t, std::vector<uint64_t>> open;  // room left → bins
  for (const Piece& piece : rest) {
    const auto found = open.lower_bound(piece.count);
    uint64_t bin = bins.size(), left = room;
    if (found == open.end()) {
      bins.emplace_back();
    } else {
      bin = found->second.back();
      left = found->first;
      found->second.pop_back();
      if (found->second.empty()) open.erase(found);
    }
    bins[bin].push_back(piece);
    if (left > piece.count) open[left - piece.count].push_back(bin);
  }
  for (const auto& [left, list] : open) padding_tokens_ += left * list.size();
  num_sequences_ = bins.size();
  first_piece_.reserve(bins.size() + 1);
  first_piece_.push_back(0);
  for (const auto& bin : bins) {
    pieces_.insert(pieces_.end(), bin.begin(), bin.end());
    first_piece_.push_back(pieces_.size());
  }
}

int64_t EpochPlan::read(uint64_t sequence, int32_t padding, std::span<int32_t> tokens,
                        std::span<int32_t> document_start) const {
  const uint64_t T = uint64_t(options_.sequence_length);
  check(sequence < num_sequences_ && tokens.size() == T + 1 && document_start.size() == T, "sequence and its buffers");
  const uint64_t s = options_.shuffle ? sequence_order_(sequence) : sequence;
  uint64_t at = 0;
  const auto place = [&](uint64_t document, uint64_t begin, uint64_t count) {
    copy(document, begin, count, &tokens[at]);
    for (uint64_t j = at; j < std::min(at + count, T); ++j) document_start[j] = int32_t(at);
    at += count;
  };
  if (options_.packing == PackingMode::best_fit) {
    for (uint64_t p = first_piece_[s]; p < first_piece_[s + 1]; ++p)
      place(pieces_[p].document, pieces_[p].begin, pieces_[p].count);
  } else {
    const uint64_t total = joined_begin_.back();
    uint64_t position = (rotation_ + s * T) % total;
    uint64_t k =
        uint64_t(std::upper_bound(joined_begin_.begin(), joined_begin_.end(), position) - joined_begin_.begin()) - 1;
    while (at < T + 1) {
      const uint64_t count = std::min(joined_begin_[k + 1] - position, T + 1 - at);
      if (count > 0) place(options_.shuffle ? document_order_(k) : k, position - joined_begin_[k], count);
      position = joined_begin_[++k];
      if (position == total) position = 0, k = 0;
    }
  }
  const int64_t valid = int64_t(at);
  for (; at < T + 1; ++at) {
    tokens[at] = padding;
    if (at < T) document_start[at] = int32_t(at);
  }
  return valid;
}

}  // namespace minke
