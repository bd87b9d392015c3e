#include "data/tokenize_data.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <future>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "core/error.h"
#include "core/json.h"
#include "corpus/corpus.h"
#include "data/hash.h"

namespace minke {
namespace {

constexpr int kDatasetVersion = 1;
constexpr size_t kBatchBytes = size_t(2) << 20;  // texts that are encoded together; progress is reported after each

std::string shard_name(std::string_view split, int number) { return fmt::format("{}-{:05}.bin", split, number); }

// One split's shards: full ones are written at once, so that memory is bounded by one shard.
class SplitWriter {
 public:
  SplitWriter(const DatasetOptions& options, fs::path folder, std::string split)
      : options_(options),
        folder_(std::move(folder)),
        split_(std::move(split)),
        writer_(options.tokenizer_hash, options.vocab_size) {}

  void add(const std::vector<int32_t>& tokens, uint64_t bytes) {
    if (writer_.num_tokens() > 0 && writer_.num_tokens() + tokens.size() > options_.max_shard_tokens) flush();
    writer_.add(tokens, bytes);
    tokens_ += tokens.size();
  }
  void flush() {
    if (writer_.num_documents() == 0) return;
    writer_.write(folder_ / shard_name(split_, shards_++));
    writer_.clear();
  }
  int shards() const { return shards_; }
  uint64_t tokens() const { return tokens_; }

 private:
  const DatasetOptions& options_;
  fs::path folder_;
  std::string split_;
  ShardWriter writer_;
  int shards_ = 0;
  uint64_t tokens_ = 0;
};

struct Piece {
  std::string text;
  bool held_out;
  std::vector<int32_t> tokens;
};

void encode_all(std::vector<Piece>& pieces, const DatasetOptions& options, size_t workers) {
  std::atomic<size_t> next{0};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto work = [&] {
    try {
      for (size_t i; (i = next++) < pieces.size();) {
        Piece& piece = pieces[i];
        piece.tokens = options.encode(piece.text);
        if (options.eos >= 0) piece.tokens.push_back(options.eos);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      next = pieces.size();
    }
  };
  std::vector<std::thread> pool;
  for (size_t t = 1; t < std::min(workers, pieces.size()); ++t) pool.emplace_back(work);
  work();
  for (std::thread& thread : pool) thread.join();
  if (failure) std::rethrow_exception(failure);
}

Json read_description(const fs::path& folder) {
  const fs::path path = folder / "dataset.json";
  Json json = parse_json(read_file(path, 1 << 20), path.string());
  const auto integer = [&](const char* key) {
    if (!json.is_object() || !json.contains(key) || !json[key].is_number_integer())
      user_error("{}: \"{}\" must be an integer. Delete the folder and tokenise again", path.string(), key);
    return json[key].get<int64_t>();
  };
  if (integer("version") != kDatasetVersion)
    user_error("{}: version {}, this program reads {}. Delete the folder and tokenise again", path.string(),
               integer("version"), kDatasetVersion);
  for (const char* key : {"train_shards", "heldout_shards"})
    if (integer(key) < 0 || integer(key) > 99999)
      user_error("{}: \"{}\" is {}, expected 0 to 99999", path.string(), key, integer(key));
  if (integer("eos") < -1 || integer("eos") > INT32_MAX) user_error("{}: \"eos\" is {}", path.string(), integer("eos"));
  return json;
}

std::vector<fs::path> shard_paths(const fs::path& folder, const Json& description, std::string_view split) {
  std::vector<fs::path> paths;
  for (int i = 0; i < description[fmt::format("{}_shards", split)].get<int>(); ++i)
    paths.push_back(folder / shard_name(split, i));
  return paths;
}

}  // namespace

uint64_t documents_fingerprint(const std::vector<std::string>& sources, const DocumentOptions& options) {
  constexpr int kReader = 2;  // another number where the same file gives other documents than before
  std::string key =
      fmt::format("{} {} {} {}", kReader, options.split_blank_lines, options.builtin_bytes, options.builtin_seed);
  for (const std::string& text_key : options.text_keys) key += '\n' + text_key;
  for (const std::string& source : sources) {
    if (source.starts_with("builtin:")) key += fmt::format("\n{} {}", source, kCorpusVersion);
    for (const fs::path& path : document_files(source, options))
      key += fmt::format("\n{} {:016x}", path.filename().string(), hash64(MappedFile(path).text()));
  }
  return hash64(key);
}

uint64_t dataset_fingerprint(const DatasetOptions& options) {
  return hash64(fmt::format("{} {} {} {} {} {} {} {}", kDatasetVersion, options.vocab_size, options.tokenizer_hash,
                            options.eos, options.held_out.hash_fraction, options.held_out.tail_fraction,
                            options.max_shard_tokens, documents_fingerprint(options.sources, options.documents)));
}

void tokenize_dataset(const DatasetOptions& options, const fs::path& folder,
                      const std::function<void(const DatasetProgress&)>& progress) {
  check(bool(options.encode) && options.vocab_size > 0, "a tokenizer is given");
  check(options.eos < options.vocab_size, "eos is in the vocabulary");
  check_held_out(options.held_out);
  const uint64_t fingerprint = dataset_fingerprint(options);  // before reading: a file that changes meanwhile differs
  const size_t workers =
      options.threads > 0 ? size_t(options.threads) : std::max(1u, std::thread::hardware_concurrency());
  AtomicFolder target(folder);
  SplitWriter train(options, target.path(), "train"), held_out(options, target.path(), "heldout");
  DatasetProgress done;
  done.input = input_bytes(options.sources, options.documents);
  uint64_t consumed = 0, documents = 0;
  DocumentOptions reading = options.documents;
  reading.consumed = &consumed;
  // `next` is being read while `current` is being encoded.
  struct Batch {
    std::vector<Piece> pieces;
    uint64_t bytes = 0, documents_read = 0, consumed = 0;  // the last two: at its end
  } next, current;
  std::future<void> encoding;  // its destructor waits, before those of the batches
  const auto finish_current = [&] {
    if (!encoding.valid()) return;
    encoding.get();
    for (Piece& piece : current.pieces) {
      (piece.held_out ? held_out : train).add(piece.tokens, piece.text.size());
      done.bytes += piece.text.size();
      done.tokens += piece.tokens.size();
    }
    done.documents = current.documents_read;
    done.consumed = current.consumed;
    if (progress) progress(done);
  };
  const auto begin_next = [&](bool last) {
    finish_current();
    next.documents_read = documents;
    next.consumed = last ? done.input : std::min(consumed, done.input);  // a file may have grown meanwhile
    current = std::exchange(next, {});
    encoding = std::async(workers > 1 ? std::launch::async : std::launch::deferred,
                          [&] { encode_all(current.pieces, options, workers); });
  };
  read_documents(options.sources, reading, [&](std::string_view text) {
    ++documents;
    const DocumentSplit split = split_document(text, options.held_out);
    if (!split.train.empty()) next.pieces.push_back({std::string(split.train), false, {}});
    if (!split.held_out.empty()) next.pieces.push_back({std::string(split.held_out), true, {}});
    next.bytes += text.size();
    if (next.bytes >= kBatchBytes) begin_next(false);
  });
  begin_next(true);
  finish_current();
  train.flush();
  held_out.flush();
  if (train.tokens() == 0) {
    std::string names;
    for (const std::string& source : options.sources) names += (names.empty() ? "" : ", ") + source;
    user_error("no text to train on in {} ({} documents, {} tokens held out)", names.empty() ? "no source" : names,
               documents, held_out.tokens());
  }
  const Json description = {{"version", kDatasetVersion},
                            {"fingerprint", fmt::format("{:016x}", fingerprint)},
                            {"sources", options.sources},
                            {"documents", documents},
                            {"bytes", done.bytes},
                            {"train_tokens", train.tokens()},
                            {"heldout_tokens", held_out.tokens()},
                            {"train_shards", train.shards()},
                            {"heldout_shards", held_out.shards()},
                            {"eos", options.eos}};
  write_file_atomic(target.path() / "dataset.json", description.dump(2) + "\n");
  target.commit();
}

Dataset open_dataset(const fs::path& folder) {
  const Json description = read_description(folder);
  Dataset dataset{TokenSet(shard_paths(folder, description, "train")),
                  TokenSet(shard_paths(folder, description, "heldout")), description["eos"].get<int32_t>()};
  if (dataset.train.num_tokens() == 0) user_error("{} holds no training tokens", folder.string());
  if (dataset.held_out.num_tokens() > 0 && dataset.held_out.tokenizer_hash() != dataset.train.tokenizer_hash())
    user_error("{}: the two splits come from different tokenizers. Delete the folder and tokenise again",
               folder.string());
  return dataset;
}

Mixture open_mixture(const std::vector<fs::path>& folders) {
  check(!folders.empty(), "a mixture has a source");
  Mixture mixture;
  std::vector<fs::path> held_out;
  for (const fs::path& folder : folders) {
    Dataset dataset = open_dataset(folder);
    if (mixture.train.empty()) mixture.eos = dataset.eos;
    else if (dataset.train.tokenizer_hash() != mixture.train[0].tokenizer_hash() || dataset.eos != mixture.eos)
      user_error("{} and {} come from different tokenizers. Tokenise both again", folders[0].string(), folder.string());
    mixture.train.push_back(std::move(dataset.train));
    for (fs::path& path : shard_paths(folder, read_description(folder), "heldout")) held_out.push_back(std::move(path));
  }
  mixture.held_out = TokenSet(held_out);
  return mixture;
}

namespace {

// What killed processes have left. Other processes may be at work on theirs, and those write a shard now and then.
void remove_abandoned(const fs::path& cache) {
  constexpr auto kAbandoned = std::chrono::hours(24);
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(cache, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();  // 16 digits of a fingerprint, a process, "tmp"
    if (name.size() <= 16 || name[16] != '.' || !name.ends_with(".tmp") ||
        name.find_first_not_of("0123456789abcdef") != 16)
      continue;
    const auto written = it->last_write_time(error);
    if (!error && fs::file_time_type::clock::now() - written > kAbandoned) found.push_back(it->path());
  }
  for (const fs::path& path : found) fs::remove_all(path, error);
}

}  // namespace

fs::path prepare_cached_dataset(const DatasetOptions& options, const fs::path& cache,
                                const std::function<void(const DatasetProgress&)>& progress) {
  const fs::path folder = cache / fmt::format("{:016x}", dataset_fingerprint(options));
  std::error_code error;
  if (fs::exists(folder / "dataset.json", error)) return folder;
  remove_abandoned(cache);
  fs::path mine = folder;
  mine += fmt::format(".{}", ::getpid());
  tokenize_dataset(options, mine, progress);
  fs::rename(mine, folder, error);
  if (!error) return folder;
  fs::remove_all(mine, error);  // another process was faster
  if (!fs::exists(folder / "dataset.json", error)) user_error("cannot make the folder {}", folder.string());
  return folder;
}

Dataset prepare_dataset(const DatasetOptions& options, const fs::path& folder,
                        const std::function<void(const DatasetProgress&)>& progress) {
  std::error_code error;
  if (fs::exists(folder / "dataset.json", error)) {
    const Json description = read_description(folder);
    const auto found = description.find("fingerprint");
    if (found != description.end() && *found == fmt::format("{:016x}", dataset_fingerprint(options)))
      return open_dataset(folder);
  }
  tokenize_dataset(options, folder, progress);
  return open_dataset(folder);
}

}  // namespace minke
