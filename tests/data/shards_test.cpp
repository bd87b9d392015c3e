#include "data/shards.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <bit>
#include <cstring>
#include <fstream>
#include <numeric>

#include "core/error.h"
#include "core/rng.h"
#include "data/hash.h"
#include "data/tokenize_data.h"

namespace minke {
namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / fmt::format("minke_shards_{}", ::getpid());
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
};

std::string message(const fs::path& path) {
  try {
    Shard shard(path);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

// Without the fsync of write_file_atomic: hundreds of these are written.
void put(const fs::path& path, std::string_view text) { std::ofstream(path, std::ios::binary) << text; }

TEST(Hash, EveryBitCounts) {
  std::string text(100, 'a');
  const uint64_t h = hash64(text);
  int bits = 0;
  for (size_t i = 0; i < text.size() * 8; ++i) {
    text[i / 8] = char(text[i / 8] ^ (1 << (i % 8)));
    EXPECT_NE(hash64(text), h);
    bits += std::popcount(hash64(text) ^ h);
    text[i / 8] = char(text[i / 8] ^ (1 << (i % 8)));
  }
  EXPECT_NEAR(bits / 800.0, 32, 1);  // mean of 800 × 64 fair bits: deviation 0.14 per text
  EXPECT_NE(hash64("a"), hash64(std::string_view("a\0", 2)));
  EXPECT_NE(hash64("", 1), hash64("", 2));
  EXPECT_EQ(hash64("minke"), 0x31263e610f333c2cull);
}

TEST(Shards, RoundTripInBothWidths) {
  const Folder f;
  for (int32_t vocab : {300, 65536, 65537, 129280}) {
    ShardWriter writer(77, vocab);
    std::vector<std::vector<int32_t>> documents;
    const RngKey key = RngKey{3}.at(uint64_t(vocab));
    for (uint64_t d = 0; d < 50; ++d) {
      std::vector<int32_t> ids(key.below(d, 40));
      for (size_t i = 0; i < ids.size(); ++i) ids[i] = int32_t(key.below(1000 + d * 100 + i, uint64_t(vocab)));
      if (d == 7) ids.push_back(vocab - 1);
      writer.add(ids, d * 3);
      documents.push_back(ids);
    }
    writer.write(f.path / "a.bin");
    const Shard shard(f.path / "a.bin");
    EXPECT_EQ(shard.tokenizer_hash(), 77u);
    EXPECT_EQ(shard.vocab_size(), vocab);
    ASSERT_EQ(shard.num_documents(), 50u);
    EXPECT_EQ(fs::file_size(f.path / "a.bin"),
              64 + (shard.num_tokens() * (vocab <= 65536 ? 2 : 4) + 7) / 8 * 8 + 51 * 8 + 50 * 8);
    for (uint64_t d = 0; d < 50; ++d) {
      std::vector<int32_t> ids(shard.document_begin(d + 1) - shard.document_begin(d));
      shard.copy(shard.document_begin(d), ids.size(), ids.data());
      EXPECT_EQ(ids, documents[d]);
      EXPECT_EQ(shard.text_bytes(d), d * 3);
    }
    int32_t out;
    EXPECT_THROW(shard.copy(shard.num_tokens(), 1, &out), BugError);
  }
  EXPECT_THROW(ShardWriter(0, 10).add(std::vector<int32_t>{10}, 1), BugError);
  EXPECT_THROW(ShardWriter(0, 10).add(std::vector<int32_t>{-1}, 1), BugError);
}

TEST(Shards, DamageIsNamed) {
  const Folder f;
  ShardWriter writer(1, 100);
  for (int d = 0; d < 5; ++d) writer.add(std::vector<int32_t>{1, 2, 3, 4, 5, 6, d}, 10);
  const fs::path path = f.path / "a.bin";
  writer.write(path);
  const std::string good = read_file(path);
  ASSERT_EQ(message(path), "");
  // Every single byte flipped, and every length, must be refused.
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = char(bad[i] ^ 0x10);
    const bool padding = i >= 64 + 70 && i < 64 + 72;  // of the 35 two-byte tokens; nobody reads it
    put(path, bad);
    EXPECT_EQ(message(path).empty(), padding) << i;
  }
  for (size_t n = 0; n < good.size(); n += 3) {
    put(path, good.substr(0, n));
    const std::string got = message(path);
    EXPECT_NE(got.find("a.bin"), std::string::npos) << n;
  }
  put(path, good + "x");
  EXPECT_NE(message(path).find("expected"), std::string::npos);
  // Counts that lie, under checksums that are right.
  for (size_t field : {16, 24})
    for (uint64_t value : {uint64_t(1) << 63, ~uint64_t(0), uint64_t(36), uint64_t(6), uint64_t(0)}) {
      std::string bad = good;
      std::memcpy(&bad[field], &value, 8);
      const uint64_t h = hash64(std::string_view(bad).substr(0, 56));
      std::memcpy(&bad[56], &h, 8);
      put(path, bad);
      EXPECT_NE(message(path), "") << field << " " << value;
    }
  // A token beyond the vocabulary, and offsets that fall.
  const auto forged = [&](size_t at, uint64_t value, size_t bytes) {
    std::string bad = good;
    std::memcpy(&bad[at], &value, bytes);
    const std::string_view view = bad;
    const uint64_t payload =
        hash64(view.substr(64 + 72 + 48), hash64(view.substr(64 + 72, 48), hash64(view.substr(64, 70))));
    std::memcpy(&bad[48], &payload, 8);
    const uint64_t h = hash64(std::string_view(bad).substr(0, 56));
    std::memcpy(&bad[56], &h, 8);
    put(path, bad);
    return message(path);
  };
  EXPECT_EQ(forged(64, 99, 2), "");
  EXPECT_NE(forged(64, 100, 2).find("token id 100"), std::string::npos);
  EXPECT_NE(forged(64 + 72 + 8, 1000, 8).find("ends before"), std::string::npos);
  EXPECT_NE(forged(64 + 72 + 40, 34, 8).find("span"), std::string::npos);
}

TEST(TokenSet, JoinsShards) {
  const Folder f;
  std::vector<fs::path> paths;
  std::vector<int32_t> all;
  uint64_t document = 0;
  for (int s = 0; s < 3; ++s) {
    ShardWriter writer(5, 1000);
    for (int d = 0; d < 4 * (s != 1); ++d) {  // the middle shard is empty
      std::vector<int32_t> ids(size_t(d * 3 % 5));
      for (int32_t& id : ids) id = int32_t(all.size()), all.push_back(id);
      writer.add(ids, 2);
    }
    paths.push_back(f.path / fmt::format("{}.bin", s));
    writer.write(paths.back());
  }
  const TokenSet set(paths);
  ASSERT_EQ(set.num_tokens(), all.size());
  ASSERT_EQ(set.num_documents(), 8u);
  EXPECT_EQ(set.text_bytes(), 16u);
  std::vector<int32_t> got(all.size());
  set.copy(0, got.size(), got.data());
  EXPECT_EQ(got, all);
  for (document = 0; document < 8; ++document) {
    std::vector<int32_t> ids(set.document_length(document));
    set.copy_document(document, 0, ids.size(), ids.data());
    for (int32_t id : ids) {
      const auto place = set.document_at(uint64_t(id));
      EXPECT_EQ(place.document, document);
      EXPECT_EQ(place.begin, uint64_t(ids[0]));
    }
  }
  ShardWriter other(6, 1000);
  other.add(std::vector<int32_t>{1}, 1);
  other.write(f.path / "other.bin");
  EXPECT_THROW(TokenSet({paths[0], f.path / "other.bin"}), UserError);
  EXPECT_EQ(TokenSet().num_tokens(), 0u);
}

std::vector<int32_t> by_bytes(std::string_view text) {
  std::vector<int32_t> ids;
  for (char c : text) ids.push_back(uint8_t(c));
  return ids;
}

TEST(Dataset, SameForAnyNumberOfThreadsAndMadeOnce) {
  const Folder f;
  DatasetOptions options;
  options.sources = {"builtin:"};
  options.documents.builtin_bytes = 300000;
  options.held_out.hash_fraction = 0.05;
  int calls = 0;
  std::atomic<int> encodes{0};
  options.encode = [&](std::string_view text) { return ++encodes, by_bytes(text); };
  options.vocab_size = 257;
  options.eos = 256;
  options.max_shard_tokens = 100000;
  options.threads = 1;
  const Dataset one =
      prepare_dataset(options, f.path / "one", [&](const DatasetProgress& p) { calls += p.bytes >= 300000; });
  EXPECT_EQ(calls, 1);
  options.threads = 3;
  const Dataset three = prepare_dataset(options, f.path / "three");
  for (const char* name : {"train-00000.bin", "train-00001.bin", "train-00002.bin", "heldout-00000.bin"})
    EXPECT_EQ(read_file(f.path / "one" / name), read_file(f.path / "three" / name));
  EXPECT_EQ(one.eos, 256);
  EXPECT_GT(one.held_out.num_tokens(), 3000u);
  EXPECT_GE(one.train.text_bytes() + one.held_out.text_bytes(), 300000u);
  // Every document lost exactly nothing: text bytes + one eos each.
  EXPECT_EQ(one.train.num_tokens(), one.train.text_bytes() + one.train.num_documents());
  const int before = encodes;
  prepare_dataset(options, f.path / "three");
  EXPECT_EQ(encodes, before);  // opened, not made again
  options.documents.builtin_seed = 2;
  prepare_dataset(options, f.path / "three");
  EXPECT_GT(encodes, before);
}

TEST(Dataset, TheContentOfFilesDecides) {
  const Folder f;
  std::atomic<int> encodes{0};
  DatasetOptions options;
  options.encode = [&](std::string_view text) { return ++encodes, by_bytes(text); };
  options.vocab_size = 256;
  fs::create_directories(f.path / "there");
  write_file_atomic(f.path / "a.txt", "some text");
  write_file_atomic(f.path / "there" / "a.txt", "some text");
  options.sources = {(f.path / "a.txt").string()};
  prepare_dataset(options, f.path / "d");
  EXPECT_EQ(encodes, 1);
  fs::last_write_time(f.path / "a.txt", fs::file_time_type::clock::now() + std::chrono::hours(1));
  prepare_dataset(options, f.path / "d");  // touched, or found elsewhere
  options.sources = {(f.path / "there").string()};
  prepare_dataset(options, f.path / "d");
  EXPECT_EQ(encodes, 1);
  const auto time = fs::last_write_time(f.path / "there" / "a.txt");
  write_file_atomic(f.path / "there" / "a.txt", "some mess");  // same size, same time
  fs::last_write_time(f.path / "there" / "a.txt", time);
  prepare_dataset(options, f.path / "d");
  EXPECT_EQ(encodes, 2);
  options.tokenizer_hash = 5;
  prepare_dataset(options, f.path / "d");
  EXPECT_EQ(encodes, 3);
}

TEST(Dataset, ProgressEndsWithAllInput) {
  const Folder f;
  std::string text;
  for (int i = 0; i < 200000; ++i)
    text += fmt::format("{} is a line of one of several documents\n{}", i, i % 50 ? "" : "\n");
  write_file_atomic(f.path / "a.txt", text);
  DatasetOptions options;
  options.sources = {(f.path / "a.txt").string(), "builtin:"};
  options.documents.split_blank_lines = true;
  options.documents.builtin_bytes = 20000;
  options.encode = by_bytes;
  options.vocab_size = 256;
  for (int threads : {1, 2}) {
    options.threads = threads;
    std::vector<DatasetProgress> seen;
    tokenize_dataset(options, f.path / "d", [&](const DatasetProgress& p) { seen.push_back(p); });
    ASSERT_GE(seen.size(), 2u);  // 9 MB in batches of 2 MiB
    for (size_t i = 0; i < seen.size(); ++i) {
      EXPECT_EQ(seen[i].input, text.size() + 20000);
      EXPECT_LT(i ? seen[i - 1].consumed : 0, seen[i].consumed);
      EXPECT_LT(i ? seen[i - 1].documents : 0, seen[i].documents);
    }
    EXPECT_LT(seen[0].consumed, text.size());
    EXPECT_EQ(seen.back().consumed, seen.back().input);
    EXPECT_EQ(seen.back().tokens, seen.back().bytes);
  }
}

TEST(Dataset, ACacheIsFilledOnce) {
  const Folder f;
  std::atomic<int> encodes{0};
  DatasetOptions options;
  options.sources = {"builtin:"};
  options.documents.builtin_bytes = 20000;
  options.encode = [&](std::string_view text) { return ++encodes, by_bytes(text); };
  options.vocab_size = 256;
  const fs::path first = prepare_cached_dataset(options, f.path / "cache");
  const int once = encodes;
  EXPECT_EQ(prepare_cached_dataset(options, f.path / "cache"), first);
  EXPECT_EQ(encodes, once);
  options.documents.builtin_seed = 2;
  const fs::path second = prepare_cached_dataset(options, f.path / "cache");
  EXPECT_NE(first, second);
  EXPECT_NE(open_dataset(first).train.num_tokens(), open_dataset(second).train.num_tokens());
  EXPECT_EQ(std::distance(fs::directory_iterator(f.path / "cache"), fs::directory_iterator()), 2);  // and nothing else
  // What a process left that was killed goes a day later; what is not of that form stays.
  const fs::path abandoned = f.path / "cache" / "0123456789abcdef.77.tmp", other = f.path / "cache" / "my.tmp",
                 at_work = f.path / "cache" / "0123456789abcdef.78.tmp";
  for (const fs::path& folder : {abandoned, other, at_work}) fs::create_directory(folder);
  for (const fs::path& folder : {abandoned, other})
    fs::last_write_time(folder, fs::file_time_type::clock::now() - std::chrono::hours(25));
  options.documents.builtin_seed = 3;
  prepare_cached_dataset(options, f.path / "cache");
  EXPECT_FALSE(fs::exists(abandoned));
  EXPECT_TRUE(fs::exists(other) && fs::exists(at_work));
}

TEST(Dataset, AMixtureKeepsItsSourcesApart) {
  const Folder f;
  DatasetOptions options;
  options.documents.builtin_bytes = 60000;
  options.held_out.hash_fraction = 0.2;
  options.encode = by_bytes;
  options.vocab_size = 256;
  std::vector<fs::path> folders;
  std::vector<Dataset> alone;
  for (const char* source : {"builtin:stories", "builtin:math"}) {
    options.sources = {source};
    folders.push_back(f.path / "mixed" / std::to_string(folders.size()));
    alone.push_back(prepare_dataset(options, folders.back()));
  }
  const Mixture mixture = open_mixture(folders);
  ASSERT_EQ(mixture.train.size(), 2u);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(mixture.train[i].num_tokens(), alone[i].train.num_tokens());
  EXPECT_GT(alone[0].held_out.num_tokens(), 0u);  // of every source
  EXPECT_GT(alone[1].held_out.num_tokens(), 0u);
  EXPECT_EQ(mixture.held_out.num_tokens(), alone[0].held_out.num_tokens() + alone[1].held_out.num_tokens());
  options.tokenizer_hash = 1;
  prepare_dataset(options, folders[1]);
  EXPECT_THROW(open_mixture(folders), UserError);
}

TEST(Dataset, FailuresLeaveNothingBehind) {
  const Folder f;
  DatasetOptions options;
  options.sources = {"builtin:"};
  options.documents.builtin_bytes = 50000;
  options.vocab_size = 256;
  options.encode = [](std::string_view text) -> std::vector<int32_t> {
    if (text.size() > 300) throw UserError("the tokenizer gave up");
    return by_bytes(text);
  };
  EXPECT_THROW(prepare_dataset(options, f.path / "d"), UserError);
  EXPECT_FALSE(fs::exists(f.path / "d"));
  EXPECT_FALSE(fs::exists(f.path / "d.tmp"));
  options.encode = by_bytes;
  options.sources = {};
  EXPECT_THROW(prepare_dataset(options, f.path / "d"), UserError);
  options.sources = {"builtin:"};
  prepare_dataset(options, f.path / "d");
  for (const char* text : {"", "{}", "[]", "{\"version\": 2}", "{\"version\": 1, \"train_shards\": -1}"}) {
    write_file_atomic(f.path / "d" / "dataset.json", text);
    EXPECT_THROW(open_dataset(f.path / "d"), UserError) << text;
  }
}

}  // namespace
}  // namespace minke
