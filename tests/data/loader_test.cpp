#include "data/loader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <thread>

#include "core/error.h"

namespace minke {
namespace {

struct Tokens {
  fs::path path;
  TokenSet set;
  // `documents` documents of `length` tokens counting up from `first`.
  Tokens(int32_t first, int documents, int length)
      : path(fs::temp_directory_path() / fmt::format("minke_loader_{}_{}.bin", ::getpid(), first)) {
    ShardWriter writer(1, 1 << 20);
    for (int d = 0; d < documents; ++d) {
      std::vector<int32_t> ids;
      for (int i = 0; i < length; ++i) ids.push_back(first + d * length + i);
      writer.add(ids, uint64_t(length) * 2 + uint64_t(d));
    }
    writer.write(path);
    set = TokenSet({path});
  }
  ~Tokens() { fs::remove(path); }
};

PackingOptions options_for(int64_t T) {
  PackingOptions options;
  options.sequence_length = T;
  options.seed = 5;
  return options;
}

TEST(Loader, BatchIsAPureFunctionOfThePosition) {
  const Tokens data(0, 50, 13);
  const Loader loader({{&data.set, 1}}, options_for(16), 0);
  const uint64_t per_epoch = loader.sequences_in_epoch(0);
  EXPECT_EQ(per_epoch, (50 * 13 + 15) / 16);
  // Batches of 3 over three epochs = single sequences one by one, by another loader that starts in the middle.
  LoaderPosition position;
  const Loader other({{&data.set, 1}}, options_for(16), 0);
  std::vector<std::vector<int32_t>> rows;
  for (uint64_t i = 0; i < per_epoch; ++i) {
    const SequenceBatch batch = loader.batch(position, 3);
    ASSERT_EQ(batch.tokens.size(), 3u * 17);
    for (size_t b = 0; b < 3; ++b) {
      rows.emplace_back(batch.tokens.begin() + long(b * 17), batch.tokens.begin() + long(b * 17 + 17));
      const LoaderPosition single = other.advance({}, i * 3 + b);
      EXPECT_EQ(other.batch(single, 1).tokens, rows.back());
      EXPECT_EQ(other.batch({0, i * 3 + b}, 1).tokens, rows.back());  // an index beyond the epoch means the next
    }
    position = loader.advance(position, 3);
  }
  EXPECT_EQ(position, (LoaderPosition{3, 0}));
  EXPECT_EQ(loader.epochs(position), 3.0);
  // Each epoch shows all tokens, in another order.
  for (uint64_t e = 0; e < 3; ++e) {
    std::set<int32_t> seen;
    for (uint64_t i = 0; i < per_epoch; ++i)
      seen.insert(rows[e * per_epoch + i].begin() + 1, rows[e * per_epoch + i].end());
    EXPECT_EQ(seen.size(), 650u);
  }
  EXPECT_NE(rows[0], rows[per_epoch]);
  EXPECT_EQ(loader.batch({0, 0}, 0).tokens.size(), 0u);
}

// The same text in an order of its own for each seed and each epoch, and the same again for the same seed.
TEST(Loader, TheSeedDecidesTheOrder) {
  const Tokens data(0, 50, 13);
  for (PackingMode mode : {PackingMode::concatenate, PackingMode::best_fit}) {
    PackingOptions options = options_for(12);  // T + 1 = a document
    options.packing = mode;
    std::vector<std::vector<int32_t>> orders;  // which documents the sequences of an epoch begin with
    for (uint64_t seed : {5, 6, 5}) {
      options.seed = seed;
      const Loader loader({{&data.set, 1}}, options, 0);
      for (uint64_t epoch : {0, 1}) {
        const SequenceBatch batch = loader.batch({epoch, 0}, int64_t(loader.sequences_in_epoch(epoch)));
        std::vector<int32_t> order;
        for (int64_t b = 0; b < batch.batch_size; ++b) order.push_back(batch.tokens[size_t(b * 13)] / 13);
        orders.push_back(order);
      }
    }
    EXPECT_EQ(orders[4], orders[0]);
    EXPECT_EQ(orders[5], orders[1]);
    for (size_t i = 0; i < 4; ++i)
      for (size_t j = i + 1; j < 4; ++j) EXPECT_NE(orders[i], orders[j]) << i << " " << j;
  }
}

TEST(Loader, SeveralThreadsSeeTheSame) {
  const Tokens data(0, 200, 9);
  const Loader loader({{&data.set, 1}}, options_for(8), 0);
  std::vector<std::vector<int32_t>> got(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (uint64_t e = 0; e < 6; ++e) {
        const auto batch = loader.batch({(e + t) % 6, 3}, 5).tokens;
        if ((e + t) % 6 == 4) got[t] = batch;
      }
    });
  for (auto& thread : threads) thread.join();
  for (size_t t = 1; t < 4; ++t) EXPECT_EQ(got[t], got[0]);
}

TEST(Loader, MixtureKeepsItsWeightsAndLosesNothing) {
  const Tokens a(0, 40, 16), b(10000, 30, 16), c(20000, 10, 16);
  for (double fim_rate : {0.0, 0.5}) {
    PackingOptions options = options_for(16);
    options.fim_rate = fim_rate;
    options.fim = {1000000, 1000001, 1000002};
    options.ends_with_eos = false;
    const Loader loader({{&a.set, 6}, {&b.set, 3}, {&c.set, 1}}, options, 0);
    std::vector<uint64_t> count(3);
    std::vector<std::map<int32_t, int>> seen(3);
    LoaderPosition position;
    for (int i = 0; i < 256; ++i) {
      const SequenceBatch batch = loader.batch(position, 8);
      for (size_t r = 0; r < 8; ++r) {
        const size_t source = size_t(batch.source[r]);
        ++count[source];
        for (size_t j = 1; j <= 16; ++j) {
          const int32_t id = batch.tokens[r * 17 + j];
          if (id < 1000000) {
            EXPECT_EQ(size_t(id / 10000), source);
          }
          ++seen[source][id];
        }
      }
      position = loader.advance(position, 8);
    }
    EXPECT_EQ(position, (LoaderPosition{0, 2048}));
    // 2048 = two whole blocks: 614, 307 and 103 of 1024 (largest remainder of 614.4, 307.2, 102.4).
    EXPECT_EQ(count[0] + count[1] + count[2], 2048u);
    EXPECT_NEAR(double(count[0]), 1228.8, 2.01);
    EXPECT_NEAR(double(count[1]), 614.4, 2.01);
    EXPECT_NEAR(double(count[2]), 204.8, 2.01);
    // Sources go through their epochs one after the other: no token is seen much more often than another.
    for (size_t s = 0; s < 3 && fim_rate == 0; ++s) {
      EXPECT_EQ(seen[s].size(), (s == 0 ? 40u : s == 1 ? 30u : 10u) * 16);
      int low = 1 << 30, high = 0;
      for (const auto& [id, n] : seen[s]) low = std::min(low, n), high = std::max(high, n);
      EXPECT_LE(high - low, 1) << s;
    }
    EXPECT_EQ(loader.batch({0, 1500}, 4).tokens,
              Loader({{&a.set, 6}, {&b.set, 3}, {&c.set, 1}}, options, 0).batch({0, 1500}, 4).tokens);
  }
  EXPECT_THROW(Loader({{&a.set, 0}}, options_for(16), 0), UserError);
  EXPECT_THROW(Loader({{&a.set, NAN}}, options_for(16), 0), UserError);
  // A source with a tiny weight still gets its slot.
  const Loader tiny({{&a.set, 1}, {&b.set, 1e-9}}, options_for(16), 0);
  int hits = 0;
  for (uint64_t i = 0; i < 1024; ++i) hits += tiny.batch({0, i}, 1).source[0];
  EXPECT_EQ(hits, 1);
}

// A small source in a long run has been through more epochs than anyone can count one by one.
TEST(Loader, AMixtureIsFastFarFromItsBeginning) {
  const Tokens a(0, 40, 16), b(10000, 1, 16);
  const Loader loader({{&a.set, 1}, {&b.set, 1}}, options_for(16), 0);
  const LoaderPosition far{0, uint64_t(1) << 50};
  const SequenceBatch batch = loader.batch(far, 1024);
  EXPECT_EQ(std::count(batch.source.begin(), batch.source.end(), 1), 512);
  EXPECT_EQ(loader.batch({0, far.sequence_index + 700}, 1).tokens,
            std::vector<int32_t>(batch.tokens.begin() + 700 * 17, batch.tokens.begin() + 701 * 17));
  // Where epochs differ in length they are counted once, from whichever end one looks first.
  PackingOptions options = options_for(16);
  options.fim_rate = 0.5;
  options.fim = {1000000, 1000001, 1000002};
  const Loader there({{&a.set, 1}, {&b.set, 1}}, options, 0), back({{&a.set, 1}, {&b.set, 1}}, options, 0);
  const auto late = there.batch({0, 3000}, 64).tokens, early = there.batch({0, 100}, 64).tokens;
  EXPECT_EQ(back.batch({0, 100}, 64).tokens, early);
  EXPECT_EQ(back.batch({0, 3000}, 64).tokens, late);
}

TEST(Loader, BestFitReportsItsPadding) {
  const Tokens data(0, 5, 10);
  PackingOptions options = options_for(14);
  options.packing = PackingMode::best_fit;
  const Loader loader({{&data.set, 1}}, options, 77);
  const SequenceBatch batch = loader.batch({}, 5);
  for (size_t r = 0; r < 5; ++r) {
    EXPECT_EQ(batch.num_valid[r], 10);
    for (size_t j = 10; j < 15; ++j) EXPECT_EQ(batch.tokens[r * 15 + j], 77);
  }
}

TEST(EvalWindows, EveryTokenIsATargetOnceAndTheBytesAddUp) {
  const Tokens data(100, 7, 11);
  for (int64_t T : {1, 4, 11, 32, 77, 100}) {
    const EvalWindows windows(data.set, T, 3);
    EXPECT_EQ(windows.num_windows(), uint64_t((77 + T - 1) / T));
    uint64_t bytes = 0;
    int32_t next = 100;
    for (uint64_t i = 0; i < windows.num_windows(); ++i) {
      const auto w = windows.window(i);
      ASSERT_EQ(w.tokens.size(), size_t(T + 1));
      ASSERT_EQ(w.document_start.size(), size_t(T));
      bytes += w.text_bytes;
      EXPECT_EQ(w.tokens[0], next == 100 ? 3 : next - 1);
      for (int64_t j = 1; j <= T; ++j) EXPECT_EQ(w.tokens[size_t(j)], j <= w.num_targets ? next++ : 3);
      for (int64_t j = 0; j < w.num_targets; ++j) {
        const int32_t id = w.tokens[size_t(j)];
        const int64_t begin =
            id == 3 ? j : j - (id - 100) % 11;  // where the document begins, if it begins in the window
        const int64_t floor = w.tokens[0] == 3 ? (id == 3 ? 0 : 1) : 0;
        EXPECT_EQ(w.document_start[size_t(j)], std::max(begin, floor)) << "T " << T << " window " << i << " at " << j;
      }
    }
    EXPECT_EQ(next, 177);
    EXPECT_EQ(bytes, data.set.text_bytes());
  }
  EXPECT_EQ(EvalWindows(TokenSet(), 8, 0).num_windows(), 0u);
}

}  // namespace
}  // namespace minke
