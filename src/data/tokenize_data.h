// Documents → a folder of token shards, once: train-00000.bin …, heldout-00000.bin … and dataset.json. The folder
// appears complete or not at all. Threads tokenise one batch of texts while the next one is read; the shards are the
// same for any number of them. Tested in tests/data/shards_test.cpp.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/documents.h"
#include "data/shards.h"

namespace minke {

using Encode = std::function<std::vector<int32_t>(std::string_view text)>;  // called from several threads at once

struct DatasetOptions {
  std::vector<std::string> sources;
  DocumentOptions documents;
  HeldOutOptions held_out;
  Encode encode;
  int32_t vocab_size = 0;
  uint64_t tokenizer_hash = 0;
  int32_t eos = -1;  // appended to every document; -1: none (one long text by characters)
  int threads = 0;   // 0 = all; the result is the same for any number
  uint64_t max_shard_tokens = uint64_t(1) << 26;
};

struct DatasetProgress {
  uint64_t documents = 0, bytes = 0, tokens = 0;  // tokenised
  uint64_t consumed = 0, input = 0;               // of the files (documents.h: input_bytes); equal in the last report
};

struct Dataset {
  TokenSet train, held_out;
  int32_t eos = -1;
};

// Several sources that are mixed: a training set each; what is held out of them lies together.
struct Mixture {
  std::vector<TokenSet> train;
  TokenSet held_out;
  int32_t eos = -1;
};

// What the documents depend on: contents and names of the files (not where they lie) and how they are read. Reads the
// files, at some GB/s.
uint64_t documents_fingerprint(const std::vector<std::string>& sources, const DocumentOptions& options);
// What the folder depends on: documents, options, tokenizer. Stored in dataset.json.
uint64_t dataset_fingerprint(const DatasetOptions& options);

// Tokenises into `folder`; what stands there is replaced. UserError if there is no document to train on.
void tokenize_dataset(const DatasetOptions& options, const fs::path& folder,
                      const std::function<void(const DatasetProgress&)>& progress = {});

// Verified and memory-mapped. UserError for a folder that is damaged or of another tokenizer.
Dataset open_dataset(const fs::path& folder);

// open_dataset if the folder has this fingerprint, else tokenize_dataset first.
Dataset prepare_dataset(const DatasetOptions& options, const fs::path& folder,
                        const std::function<void(const DatasetProgress&)>& progress = {});

// The folder in `cache` where the dataset of these options lies, made first if it is not there. Several processes may
// look for the same one at once.
fs::path prepare_cached_dataset(const DatasetOptions& options, const fs::path& cache,
                                const std::function<void(const DatasetProgress&)>& progress = {});

// Datasets of one tokenizer as the sources of a mixture. UserError as open_dataset, or if their tokenizers differ.
Mixture open_mixture(const std::vector<fs::path>& folders);

}  // namespace minke
