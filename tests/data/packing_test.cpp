#include "data/packing.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/error.h"

namespace minke {
namespace {

// Documents of the given lengths; every token of the set has its own id, the eos of document d is kEos + d.
constexpr int32_t kEos = 1000000;

struct Tokens {
  fs::path path = fs::temp_directory_path() / fmt::format("minke_packing_{}.bin", ::getpid());
  TokenSet set;
  std::vector<std::vector<int32_t>> documents;

  explicit Tokens(const std::vector<int>& lengths) {
    ShardWriter writer(1, 2 * kEos);
    int32_t next = 0;
    for (int n : lengths) {
      std::vector<int32_t> ids;
      for (int i = 0; i < n; ++i) ids.push_back(i + 1 < n ? next++ : kEos + int32_t(documents.size()));
      writer.add(ids, uint64_t(n));
      documents.push_back(ids);
    }
    writer.write(path);
    set = TokenSet({path});
  }
  ~Tokens() { fs::remove(path); }
};

struct Sequence {
  std::vector<int32_t> tokens, start;
  int64_t valid;
};

std::vector<Sequence> all_sequences(const EpochPlan& plan, int64_t T) {
  std::vector<Sequence> out;
  for (uint64_t i = 0; i < plan.num_sequences(); ++i) {
    Sequence s{std::vector<int32_t>(size_t(T + 1)), std::vector<int32_t>(size_t(T)), 0};
    s.valid = plan.read(i, -7, s.tokens, s.start);
    out.push_back(std::move(s));
  }
  return out;
}

std::vector<int> some_lengths(uint64_t seed, size_t count, uint64_t longest) {
  std::vector<int> lengths;
  const RngKey key = RngKey{seed}.at("lengths");
  for (size_t i = 0; i < count; ++i) lengths.push_back(1 + int(key.below(i, longest)));
  return lengths;
}

TEST(Permutation, IsABijectionAndDependsOnTheKey) {
  for (uint64_t n : {1ull, 2ull, 3ull, 4ull, 5ull, 16ull, 17ull, 100ull, 1000ull, 4097ull}) {
    const Permutation p(RngKey{1}.at(n), n), q(RngKey{2}.at(n), n);
    std::vector<bool> seen(n);
    uint64_t fixed = 0, equal = 0;
    for (uint64_t i = 0; i < n; ++i) {
      const uint64_t j = p(i);
      ASSERT_LT(j, n);
      ASSERT_FALSE(seen[j]);
      seen[j] = true;
      fixed += j == i, equal += j == q(i);
    }
    // A random permutation has one fixed point on average (Poisson 1: above 8 once in 10^6).
    if (n < 16) continue;
    EXPECT_LE(fixed, 8u);
    EXPECT_LE(equal, 8u);
  }
  // Neighbours land far apart: the mean distance of two random points is n/3.
  const uint64_t n = 1 << 20;
  const Permutation p(RngKey{9}, n);
  double distance = 0;
  for (uint64_t i = 0; i < 2000; ++i) distance += std::abs(double(p(i)) - double(p(i + 1)));
  EXPECT_NEAR(distance / 2000 / double(n), 1.0 / 3, 0.03);  // deviation of the mean: 0.236 / sqrt(2000) = 0.005
}

TEST(Concatenate, EveryTokenIsATargetAndOrderHolds) {
  for (bool shuffle : {false, true})
    for (int64_t T : {1, 7, 64, 1000}) {
      const Tokens tokens(some_lengths(uint64_t(T), 60, 40));
      PackingOptions options;
      options.sequence_length = T;
      options.shuffle = shuffle;
      options.seed = 3;
      const EpochPlan plan(tokens.set, options, 2);
      const uint64_t total = tokens.set.num_tokens();
      EXPECT_EQ(plan.num_sequences(), (total + uint64_t(T) - 1) / uint64_t(T));
      std::map<int32_t, int> targets;
      std::map<int32_t, int32_t> after;  // within a document
      for (const auto& document : tokens.documents)
        for (size_t i = 0; i + 1 < document.size(); ++i) after[document[i]] = document[i + 1];
      for (const Sequence& s : all_sequences(plan, T)) {
        EXPECT_EQ(s.valid, T + 1);
        for (size_t j = 1; j < s.tokens.size(); ++j) ++targets[s.tokens[j]];
        for (size_t j = 0; j + 1 < s.tokens.size(); ++j) {
          if (s.tokens[j] < kEos) {
            ASSERT_EQ(s.tokens[j + 1], after.at(s.tokens[j]));
          }
          // A document starts in the sequence exactly after an eos.
          const int32_t expected = j == 0 ? 0 : s.tokens[j - 1] >= kEos ? int32_t(j) : s.start[j - 1];
          ASSERT_EQ(s.start[j], expected);
        }
      }
      EXPECT_EQ(targets.size(), total);
      uint64_t sum = 0;
      for (const auto& [id, n] : targets) sum += uint64_t(n);
      EXPECT_EQ(sum, plan.num_sequences() * uint64_t(T));  // the surplus over `total` is the wrap-around
    }
}

TEST(Concatenate, EpochsDifferAndRepeat) {
  const Tokens tokens(some_lengths(1, 200, 40));
  PackingOptions options;
  options.sequence_length = 32;
  const auto first = [&](uint64_t seed, uint64_t epoch) {
    options.seed = seed;
    return all_sequences(EpochPlan(tokens.set, options, epoch), 32)[0].tokens;
  };
  EXPECT_EQ(first(1, 0), first(1, 0));
  EXPECT_NE(first(1, 0), first(1, 1));
  EXPECT_NE(first(1, 0), first(2, 0));
  // One long document: the cuts must move from epoch to epoch.
  const Tokens one({5000});
  std::set<int32_t> residues;
  for (uint64_t epoch = 0; epoch < 20; ++epoch)
    for (const Sequence& s : all_sequences(EpochPlan(one.set, options, epoch), 32))
      if (s.tokens[0] < kEos && s.start.back() == 0) residues.insert(s.tokens[0] % 32);
  EXPECT_GT(residues.size(), 10u);
}

TEST(Concatenate, DataShorterThanASequenceWrapsAround) {
  const Tokens tokens({3});
  PackingOptions options;
  options.sequence_length = 8;
  options.shuffle = false;
  const auto s = all_sequences(EpochPlan(tokens.set, options, 0), 8);
  ASSERT_EQ(s.size(), 1u);
  EXPECT_EQ(s[0].tokens, (std::vector<int32_t>{0, 1, kEos, 0, 1, kEos, 0, 1, kEos}));
  EXPECT_EQ(s[0].start, (std::vector<int32_t>{0, 0, 0, 3, 3, 3, 6, 6}));
}

TEST(BestFit, KeepsDocumentsWholeAndLosesNone) {
  for (int64_t T : {15, 63, 200}) {
    const Tokens tokens(some_lengths(uint64_t(T), 400, 150));
    PackingOptions options;
    options.sequence_length = T;
    options.packing = PackingMode::best_fit;
    const EpochPlan plan(tokens.set, options, 0);
    const auto sequences = all_sequences(plan, T);
    std::map<int32_t, std::pair<size_t, size_t>> place;  // token → first sequence and index
    uint64_t padding = 0;
    for (size_t i = 0; i < sequences.size(); ++i) {
      const Sequence& s = sequences[i];
      padding += uint64_t(T + 1 - s.valid);
      for (size_t j = 0; j < s.tokens.size(); ++j) {
        EXPECT_EQ(s.tokens[j] == -7, int64_t(j) >= s.valid);
        if (s.tokens[j] != -7) place.emplace(s.tokens[j], std::pair(i, j));
      }
    }
    EXPECT_EQ(padding, plan.padding_tokens());
    EXPECT_EQ(place.size(), tokens.set.num_tokens());
    uint64_t cut = 0;
    for (const auto& document : tokens.documents) {
      if (int64_t(document.size()) > T + 1) {
        ++cut;
        continue;
      }
      const auto [i, j] = place.at(document[0]);
      for (size_t k = 0; k < document.size(); ++k) ASSERT_EQ(sequences[i].tokens[j + k], document[k]);
      for (size_t k = j; k < j + document.size() && int64_t(k) < T; ++k) ASSERT_EQ(sequences[i].start[k], int32_t(j));
    }
    EXPECT_EQ(cut, plan.documents_cut());
    // Documents of 1 to 150 in sequences of 201: small ones fill the gaps, and only the last bins stay open.
    if (T == 200) {
      EXPECT_LT(double(padding), 0.02 * double(tokens.set.num_tokens()));
    }
  }
}

TEST(BestFit, LongDocumentsOverlapByOneToken) {
  const Tokens tokens({25});
  PackingOptions options;
  options.sequence_length = 9;
  options.packing = PackingMode::best_fit;
  std::map<int32_t, int> targets;
  for (const Sequence& s : all_sequences(EpochPlan(tokens.set, options, 0), 9))
    for (int64_t j = 1; j < s.valid; ++j) ++targets[s.tokens[size_t(j)]];
  EXPECT_EQ(targets.size(), 24u);  // all but the first token
  for (const auto& [id, n] : targets) EXPECT_EQ(n, 1);
}

TEST(FillInTheMiddle, RearrangesTheRightShareAndLosesNothing) {
  const Tokens tokens(some_lengths(8, 2000, 30));
  for (PackingMode packing : {PackingMode::concatenate, PackingMode::best_fit}) {
    PackingOptions options;
    options.sequence_length = 40;
    options.packing = packing;
    options.fim_rate = 0.1;
    options.fim = {1999997, 1999998, 1999999};
    const EpochPlan plan(tokens.set, options, 0);
    std::map<int32_t, int> seen;
    for (const Sequence& s : all_sequences(plan, 40))
      for (int64_t j = 0; j < s.valid; ++j) ++seen[s.tokens[size_t(j)]];
    for (const auto& document : tokens.documents)
      for (int32_t id : document) ASSERT_TRUE(seen.count(id));
    // Documents of 4 tokens and more are eligible: 90 %. Binomial(1800, 0.1): 180 ± 13; five deviations.
    EXPECT_NEAR(seen[options.fim.begin], 180, 70);
    // In best_fit a document of up to 33 tokens is never cut: read them back and check the PSM form.
    if (packing != PackingMode::best_fit) continue;
    int fims = 0, cuts_differ = 0;
    for (const Sequence& s : all_sequences(plan, 40))
      for (int64_t j = 0; j < s.valid; ++j) {
        if (s.tokens[size_t(j)] != options.fim.begin) continue;
        ++fims;
        std::vector<int32_t> prefix, suffix, middle, *part = &prefix;
        int32_t eos = -1;
        for (int64_t k = j + 1; k < s.valid && eos < 0; ++k) {
          const int32_t id = s.tokens[size_t(k)];
          if (id == options.fim.hole) part = &suffix;
          else if (id == options.fim.end) part = &middle;
          else if (id >= kEos) eos = id;
          else part->push_back(id);
        }
        ASSERT_GE(eos, kEos);
        std::vector<int32_t> whole = prefix;
        whole.insert(whole.end(), middle.begin(), middle.end());
        whole.insert(whole.end(), suffix.begin(), suffix.end());
        whole.push_back(eos);
        ASSERT_EQ(whole, tokens.documents[size_t(eos - kEos)]);
        cuts_differ += !prefix.empty() && !middle.empty() && !suffix.empty();
      }
    EXPECT_GT(fims, 100);
    EXPECT_GT(cuts_differ, fims / 2);
  }
}

// bos stays in front of <begin>, as eos stays behind the middle.
TEST(FillInTheMiddle, KeepsTheFirstTokenFirst) {
  const Tokens tokens(some_lengths(8, 500, 30));
  PackingOptions options;
  options.sequence_length = 40;
  options.packing = PackingMode::best_fit;
  options.fim_rate = 1;
  options.fim = {1999997, 1999998, 1999999};
  options.begins_with_bos = true;
  const EpochPlan plan(tokens.set, options, 0);
  int fims = 0;
  for (const Sequence& s : all_sequences(plan, 40))
    for (int64_t j = 1; j < s.valid; ++j) {
      if (s.tokens[size_t(j)] != options.fim.begin) continue;
      int64_t k = j;
      while (k < s.valid && (s.tokens[size_t(k)] < kEos || s.tokens[size_t(k)] >= options.fim.begin)) ++k;
      if (k == s.valid) continue;  // cut
      ++fims;
      ASSERT_EQ(s.tokens[size_t(j - 1)], tokens.documents[size_t(s.tokens[size_t(k)] - kEos)].front());
    }
  EXPECT_GT(fims, 100);
}

TEST(Packing, RefusesWhatMakesNoSense) {
  const Tokens tokens({5, 6});
  PackingOptions options;
  EXPECT_THROW(EpochPlan(tokens.set, options, 0), UserError);  // T = 0
  options.sequence_length = 4;
  options.fim_rate = 0.1;
  EXPECT_THROW(EpochPlan(tokens.set, options, 0), UserError);  // no FIM ids
  options.fim_rate = NAN;
  EXPECT_THROW(EpochPlan(tokens.set, options, 0), UserError);
  options.fim_rate = 0;
  EXPECT_THROW(EpochPlan(TokenSet(), options, 0), UserError);
}

}  // namespace
}  // namespace minke
