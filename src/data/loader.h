// Batches of a training run. The position is a plain value; a run that saved it resumes at exactly the next sequence.
// batch() is a pure function of (data, options, position). Several sources are mixed by weight. The windows for the
// evaluation of held-out text are also here. Tested in tests/data/loader_test.cpp.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "data/packing.h"

namespace minke {

struct LoaderPosition {
  // One source: its epoch and the sequence inside. Several sources: epoch stays 0, sequence_index counts from the
  // start.
  uint64_t epoch = 0, sequence_index = 0;
  bool operator==(const LoaderPosition&) const = default;
};

struct SequenceBatch {
  int64_t batch_size = 0, sequence_length = 0;  // B, T
  std::vector<int32_t> tokens;                  // [B, T+1]: inputs are [:, :T], targets [:, 1:]
  std::vector<int32_t> document_start;          // [B, T] index in the sequence where the token's document starts
  std::vector<int32_t> num_valid;               // [B] real tokens; targets at or after it are padding (best_fit only)
  std::vector<int32_t> source;                  // [B] which source the sequence comes from
};

struct LoaderSource {
  const TokenSet* tokens = nullptr;  // must outlive the loader
  double weight = 1;
};

class Loader {
 public:
  // UserError for a source without tokens, for a weight that is not positive, and in the cases of EpochPlan.
  // `padding` fills the space that best_fit leaves free (usually eos).
  Loader(std::vector<LoaderSource> sources, PackingOptions options, int32_t padding);

  // Sequences position, position+1, …; continues into the next epoch. Safe to call from several threads.
  SequenceBatch batch(LoaderPosition position, int64_t batch_size) const;
  LoaderPosition advance(LoaderPosition position, uint64_t sequences) const;
  uint64_t sequences_in_epoch(uint64_t epoch, size_t source = 0) const;
  size_t num_sources() const { return sources_.size(); }
  // For the log: the position in epochs (one source), or sequences ÷ all sequences (several sources).
  double epochs(LoaderPosition position) const;

 private:
  struct Place {
    size_t source;
    uint64_t epoch, sequence;
  };
  Place place(LoaderPosition position) const;
  // Where the source's sequence `index`, counted over all epochs, is.
  Place place_of(size_t source, uint64_t index) const;
  std::shared_ptr<const EpochPlan> plan(size_t source, uint64_t epoch) const;

  std::vector<LoaderSource> sources_;
  PackingOptions options_;
  int32_t padding_;
  std::vector<uint32_t> slots_;  // of kMixtureBlock, per source
  struct Cache {
    std::map<uint64_t, std::shared_ptr<const EpochPlan>> plans;  // by epoch, two at most
    std::map<uint64_t, uint64_t> sequences;                      // by epoch
    std::vector<uint64_t> epoch_begins{0};                       // in sequences of the source; as far as was asked for
  };
  mutable std::vector<Cache> cache_;
  mutable std::mutex mutex_, places_mutex_;
};

// Mixing is exact in every block of this many sequences: a weight is rounded to 1/1024 (at least 1/1024).
inline constexpr uint32_t kMixtureBlock = 1024;

// Held-out text in windows of T targets. Every token of the set is a target exactly once; the first one's input is
// `start_token` (eos: as if a document had just ended).
class EvalWindows {
 public:
  EvalWindows(const TokenSet& tokens, int64_t sequence_length, int32_t start_token);

  struct Window {
    std::vector<int32_t> tokens;          // [T+1]; the rest after the last target is start_token
    std::vector<int32_t> document_start;  // [T]
    int64_t num_targets = 0;              // tokens[1 … num_targets] count
    uint64_t text_bytes = 0;              // UTF-8 bytes these targets stand for; sums exactly to the set's
  };
  uint64_t num_windows() const;
  Window window(uint64_t index) const;

 private:
  uint64_t bytes_before(uint64_t position) const;

  const TokenSet& tokens_;
  int64_t sequence_length_;
  int32_t start_token_;
  std::vector<uint64_t> bytes_begin_;  // of each document [documents + 1]
};

}  // namespace minke
