#include "data/loader.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace minke {

Loader::Loader(std::vector<LoaderSource> sources, PackingOptions options, int32_t padding)
    : sources_(std::move(sources)), options_(options), padding_(padding), cache_(sources_.size()) {
  check(!sources_.empty() && sources_.size() <= kMixtureBlock / 2, "1 to 512 data sources");
  double total = 0;
  for (const LoaderSource& source : sources_) {
    if (!(source.weight > 0 && std::isfinite(source.weight)))
      user_error("data source {}: weight {} must be positive", &source - sources_.data(), source.weight);
    total += source.weight;
  }
  // Largest remainders, at least one slot each.
  std::vector<std::pair<double, size_t>> remainder;
  uint32_t used = 0;
  for (size_t s = 0; s < sources_.size(); ++s) {
    const double exact = sources_[s].weight / total * kMixtureBlock;
    slots_.push_back(std::max(1u, uint32_t(exact)));
    used += slots_.back();
    remainder.emplace_back(slots_.back() - exact, s);
  }
  std::sort(remainder.begin(), remainder.end());
  for (size_t i = 0; used < kMixtureBlock; ++i, ++used) ++slots_[remainder[i % remainder.size()].second];
  for (; used > kMixtureBlock; --used) --*std::max_element(slots_.begin(), slots_.end());
  for (size_t s = 0; s < sources_.size(); ++s) plan(s, 0);  // refuses now what it would refuse in the first step
}

std::shared_ptr<const EpochPlan> Loader::plan(size_t source, uint64_t epoch) const {
  const std::lock_guard lock(mutex_);
  Cache& cache = cache_[source];
  if (const auto found = cache.plans.find(epoch); found != cache.plans.end()) return found->second;
  PackingOptions options = options_;
  // Sources that share a file must not walk through it in step.
  if (source > 0) options.seed = RngKey{options_.seed}.at("source").u64(source);
  const auto made = std::make_shared<const EpochPlan>(*sources_[source].tokens, options, epoch);
  if (cache.plans.size() == 2) cache.plans.erase(cache.plans.begin());  // a batch touches two epochs at most
  cache.plans[epoch] = made;
  cache.sequences[epoch] = made->num_sequences();
  return made;
}

uint64_t Loader::sequences_in_epoch(uint64_t epoch, size_t source) const {
  // Without FIM the documents have the same lengths in every epoch, and so has the plan the same size.
  if (options_.fim_rate == 0) epoch = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto found = cache_[source].sequences.find(epoch);
    if (found != cache_[source].sequences.end()) return found->second;
  }
  return plan(source, epoch)->num_sequences();
}

Loader::Place Loader::place(LoaderPosition position) const {
  if (sources_.size() == 1) return {0, position.epoch, position.sequence_index};
  const uint64_t block = position.sequence_index / kMixtureBlock;
  const uint32_t within = uint32_t(position.sequence_index % kMixtureBlock);
  // In a block each source has its slots, in an order shuffled per block: what came before in the block is counted.
  const Permutation order(RngKey{options_.seed}.at("mixture").at(block), kMixtureBlock);
  std::vector<uint32_t> slot_end(slots_.size());
  std::partial_sum(slots_.begin(), slots_.end(), slot_end.begin());
  const auto source_of = [&](uint32_t i) {
    return size_t(std::upper_bound(slot_end.begin(), slot_end.end(), uint32_t(order(i))) - slot_end.begin());
  };
  const size_t source = source_of(within);
  uint64_t index = block * slots_[source];
  for (uint32_t i = 0; i < within; ++i) index += source_of(i) == source;
  return place_of(source, index);
}

// A small source of a long run has a great many epochs: with FIM, where each has its own length, where they begin is kept.
Loader::Place Loader::place_of(size_t source, uint64_t index) const {
  if (options_.fim_rate == 0) {
    const uint64_t n = sequences_in_epoch(0, source);
    return {source, index / n, index % n};
  }
  const std::lock_guard lock(places_mutex_);
  std::vector<uint64_t>& begins = cache_[source].epoch_begins;
  while (begins.back() <= index) begins.push_back(begins.back() + sequences_in_epoch(begins.size() - 1, source));
  const uint64_t epoch = uint64_t(std::upper_bound(begins.begin(), begins.end(), index) - begins.begin()) - 1;
  return {source, epoch, index - begins[epoch]};
}

SequenceBatch Loader::batch(LoaderPosition position, int64_t batch_size) const {
  check(batch_size >= 0, "batch size");
  const int64_t T = options_.sequence_length;
  SequenceBatch batch{batch_size, T, {}, {}, {}, {}};
  batch.tokens.resize(size_t(batch_size * (T + 1)));
  batch.document_start.resize(size_t(batch_size * T));
  batch.num_valid.resize(size_t(batch_size));
  batch.source.resize(size_t(batch_size));
  position = advance(position, 0);
  for (int64_t b = 0; b < batch_size; ++b) {
    const Place at = place(position);
    batch.num_valid[size_t(b)] =
        int32_t(plan(at.source, at.epoch)
                    ->read(at.sequence, padding_, std::span(batch.tokens).subspan(size_t(b * (T + 1)), size_t(T + 1)),
                           std::span(batch.document_start).subspan(size_t(b * T), size_t(T))));
    batch.source[size_t(b)] = int32_t(at.source);
    position = advance(position, 1);
  }
  return batch;
}

LoaderPosition Loader::advance(LoaderPosition position, uint64_t sequences) const {
  position.sequence_index += sequences;
  if (sources_.size() > 1) return position;
  for (uint64_t n; position.sequence_index >= (n = sequences_in_epoch(position.epoch)); ++position.epoch)
    position.sequence_index -= n;
  return position;
}

double Loader::epochs(LoaderPosition position) const {
  if (sources_.size() == 1)
    return double(position.epoch) + double(position.sequence_index) / double(sequences_in_epoch(position.epoch));
  uint64_t total = 0;
  for (size_t s = 0; s < sources_.size(); ++s) total += sequences_in_epoch(0, s);
  return double(position.sequence_index) / double(total);
}

EvalWindows::EvalWindows(const TokenSet& tokens, int64_t sequence_length, int32_t start_token)
    : tokens_(tokens), sequence_length_(sequence_length), start_token_(start_token) {
  if (sequence_length < 1) user_error("sequence length {} must be at least 1", sequence_length);
  bytes_begin_.resize(tokens.num_documents() + 1);
  for (uint64_t d = 0; d < tokens.num_documents(); ++d)
    bytes_begin_[d + 1] = bytes_begin_[d] + tokens.document_bytes(d);
}

uint64_t EvalWindows::num_windows() const {
  return (tokens_.num_tokens() + uint64_t(sequence_length_) - 1) / uint64_t(sequence_length_);
}

// A document that a window cuts counts in proportion to its tokens on either side; rounding down at the same cuts on
// both sides makes the windows add up to the set.
uint64_t EvalWindows::bytes_before(uint64_t position) const {
  if (position >= tokens_.num_tokens()) return bytes_begin_.back();
  const auto [document, begin] = tokens_.document_at(position);
  const unsigned __int128 bytes = tokens_.document_bytes(document);
  return bytes_begin_[document] + uint64_t(bytes * (position - begin) / tokens_.document_length(document));
}

EvalWindows::Window EvalWindows::window(uint64_t index) const {
  check(index < num_windows(), "window inside the set");
  const uint64_t T = uint64_t(sequence_length_), first = index * T, end = std::min(first + T, tokens_.num_tokens());
  Window w;
  w.num_targets = int64_t(end - first);
  w.text_bytes = bytes_before(end) - bytes_before(first);
  w.tokens.assign(T + 1, start_token_);
  w.document_start.assign(T, 0);
  const uint64_t shift = first == 0;  // the first window begins with start_token in place of a token before it
  const uint64_t begin = first - 1 + shift;
  tokens_.copy(begin, end - begin, w.tokens.data() + shift);
  // Inputs j stand for position begin + j − shift. A start_token or padding is a document of its own.
  for (uint64_t j = shift; j < T; ++j) {
    const uint64_t position = begin + j - shift;
    if (position >= end) {
      w.document_start[j] = int32_t(j);
    } else {
      const uint64_t document_begin = tokens_.document_at(position).begin;
      w.document_start[j] = document_begin > begin ? int32_t(document_begin - begin + shift) : int32_t(shift);
    }
  }
  return w;
}

}  // namespace minke
