#include "tokenize/bpe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "core/rng.h"

namespace minke {
namespace {

struct RandomBpe {
  Bpe bpe;
  std::map<std::pair<int32_t, int32_t>, MergeTable::Merge> merges;
};

// Merges over the first `letters` bytes in a random order of ranks, not one that training could give: the encoder must
// follow any table.
RandomBpe random_bpe(Rng& rng, int letters, int count) {
  RandomBpe r;
  for (int i = 0; i < 256; ++i) r.bpe.id_of_byte[i] = i;
  for (int i = 0; i < count; ++i) {
    const auto pick = [&] {
      const uint64_t n = rng.below(uint64_t(letters + i));
      return int32_t(n < uint64_t(letters) ? n : 256 + n - letters);
    };
    const int32_t a = pick(), b = pick();
    const MergeTable::Merge merge{uint32_t(rng.below(1000)), uint32_t(256 + i)};
    r.bpe.merges.set(a, b, merge);
    r.merges[{a, b}] = merge;
  }
  r.bpe.index_byte_pairs();
  return r;
}

std::vector<int32_t> naive(const RandomBpe& r, std::string_view text) {
  std::vector<int32_t> ids;
  for (char c : text) ids.push_back(uint8_t(c));
  while (true) {
    size_t best = ids.size();
    MergeTable::Merge merge{kNoRank, 0};
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto found = r.merges.find({ids[i], ids[i + 1]});
      if (found != r.merges.end() && found->second.rank < merge.rank) best = i, merge = found->second;
    }
    if (best == ids.size()) return ids;
    ids[best] = int32_t(merge.id);
    ids.erase(ids.begin() + ptrdiff_t(best) + 1);
  }
}

TEST(Bpe, AgreesWithTheDefinition) {
  Rng rng{{5, 0}};
  Bpe::Scratch scratch;
  for (int table = 0; table < 60; ++table) {
    const int letters = 1 + int(rng.below(5));
    const RandomBpe r = random_bpe(rng, letters, int(rng.below(80)));
    for (int i = 0; i < 40; ++i) {
      std::string text(rng.below(i % 8 ? 40 : 400), 0);  // the longer ones go through the heap
      for (char& c : text) c = char(rng.below(uint64_t(letters)));
      std::vector<int32_t> ids = {-7};
      ASSERT_EQ(r.bpe.encode(text, ids, scratch), std::string_view::npos);
      ASSERT_EQ(ids.front(), -7);  // appended
      ids.erase(ids.begin());
      ASSERT_EQ(ids, naive(r, text)) << "table " << table << ", " << text.size() << " bytes";
    }
  }
}

// Starting from characters changes no result, for any table and any bytes, valid UTF-8 or not.
TEST(Bpe, CharactersAreAShortcut) {
  Rng rng{{9, 0}};
  Bpe::Scratch scratch;
  const std::string bytes = "a \xC3\xA9\xE4\xB8\xAD\xA9";
  const std::string_view characters[] = {"a", " ", "\u00E9", "\u00ED", "\u4E2D", "\u4E29", "\u4B78"};
  size_t known = 0, tables_with_some = 0;
  for (int table = 0; table < 400; ++table) {
    RandomBpe r;
    for (int i = 0; i < 256; ++i) r.bpe.id_of_byte[i] = i;
    std::vector<std::string> tokens(256);
    for (int i = 0; i < 256; ++i) tokens[size_t(i)] = char(i);
    const bool ordered = table % 2 == 0;  // as training gives them: ranks grow with the ids
    for (int i = 0, count = 10 + int(rng.below(40)); i < count; ++i) {
      const auto pick = [&] {
        const uint64_t n = rng.below(bytes.size() + uint64_t(i));
        return int32_t(n < bytes.size() ? uint8_t(bytes[n]) : 256 + n - bytes.size());
      };
      int32_t a = pick(), b = pick();
      if (i < 6 && rng.below(2)) a = 0xE4, b = rng.below(2) ? 0xB8 : 0xAD;  // so that characters do come out
      const MergeTable::Merge merge{uint32_t(ordered ? i : rng.below(60)), uint32_t(256 + i)};
      tokens.push_back(tokens[size_t(a)] + tokens[size_t(b)]);
      r.bpe.merges.set(a, b, merge);
      r.merges[{a, b}] = merge;
    }
    r.bpe.index_byte_pairs();
    r.bpe.index_characters(int32_t(tokens.size()), [&](int32_t id) { return std::string_view(tokens[size_t(id)]); });
    const auto some =
        std::count_if(r.bpe.characters.begin(), r.bpe.characters.end(), [](int32_t id) { return id >= 0; });
    known += size_t(some);
    tables_with_some += some > 0;
    for (int i = 0; i < 60; ++i) {
      std::string text;
      for (uint64_t part = rng.below(i % 10 ? 14 : 200); part > 0; --part)
        if (i % 3 == 0 && rng.below(8) == 0) text += bytes[rng.below(bytes.size())];
        else text += characters[rng.below(std::size(characters))];
      std::vector<int32_t> ids;
      ASSERT_EQ(r.bpe.encode(text, ids, scratch), std::string_view::npos);
      ASSERT_EQ(ids, naive(r, text)) << "table " << table;
    }
  }
  EXPECT_GT(tables_with_some, 40u);  // and it was taken
  EXPECT_GT(known, 50u);
}

TEST(Bpe, MissingBytes) {
  Bpe bpe;
  bpe.id_of_byte.fill(-1);
  bpe.id_of_byte['a'] = 0;
  bpe.index_byte_pairs();
  Bpe::Scratch scratch;
  std::vector<int32_t> ids;
  EXPECT_EQ(bpe.encode("aaba", ids, scratch), 2u);
  EXPECT_TRUE(ids.empty());
  bpe.unknown_id = 9;
  bpe.encode("abca", ids, scratch);
  EXPECT_EQ(ids, (std::vector<int32_t>{0, 9, 9, 0}));
  ids.clear();
  bpe.fuse_unknown = true;
  bpe.encode("abca", ids, scratch);
  EXPECT_EQ(ids, (std::vector<int32_t>{0, 9, 0}));
}

// Quadratic work on this would take minutes.
TEST(Bpe, LongPiecesTakeNoQuadraticTime) {
  Bpe bpe;
  for (int i = 0; i < 256; ++i) bpe.id_of_byte[i] = i;
  for (int i = 0; i < 20; ++i) bpe.merges.set(i ? 255 + i : 'a', i ? 255 + i : 'a', {uint32_t(i), uint32_t(256 + i)});
  bpe.index_byte_pairs();
  Bpe::Scratch scratch;
  std::vector<int32_t> ids;
  bpe.encode(std::string(1 << 20, 'a'), ids, scratch);
  EXPECT_EQ(ids, (std::vector<int32_t>{275}));
}

TEST(MergeTable, TheLastOfEqualPairsCounts) {
  MergeTable table;
  std::map<std::pair<int32_t, int32_t>, uint32_t> expected;
  Rng rng{{6, 0}};
  for (uint32_t i = 0; i < 5000; ++i) {
    const int32_t a = int32_t(rng.below(90)), b = int32_t(rng.below(90));
    table.set(a, b, {i, i});
    expected[{a, b}] = i;
  }
  EXPECT_EQ(table.size(), expected.size());
  for (int32_t a = 0; a < 95; ++a)
    for (int32_t b = 0; b < 95; ++b) {
      const auto found = expected.find({a, b});
      ASSERT_EQ(table.find(a, b).rank, found == expected.end() ? kNoRank : found->second);
    }
}

TEST(WordCache, KeepsWhatWasInserted) {
  WordCache cache;
  Rng rng{{7, 0}};
  std::map<std::string, std::vector<int32_t>> expected;
  std::vector<int32_t> got;
  for (int i = 0; i < 20000; ++i) {
    std::string word(1 + rng.below(WordCache::kMaxBytes), 0);
    for (char& c : word) c = char(rng.below(3));  // zero bytes and shared prefixes
    // The key must not depend on what follows the word in memory.
    const std::string followed = word + "0123456789abcdefghij";
    const WordCache::Key key = WordCache::key_of(std::string_view(followed).substr(0, word.size()), followed.size());
    ASSERT_EQ(key, WordCache::key_of(word, word.size()));
    got.clear();
    const bool known = cache.find(key, got);
    const auto before = expected.find(word);
    ASSERT_EQ(known, before != expected.end());
    if (known) {
      ASSERT_EQ(got, before->second);
      continue;
    }
    std::vector<int32_t> ids(1 + rng.below(7));
    for (int32_t& id : ids) id = int32_t(rng.below(1000));
    cache.insert(key, ids.data(), ids.size());
    expected[word] = ids;
  }
}

TEST(WordCache, ForgetsWhenFullAndGoesOn) {
  WordCache cache;
  std::vector<int32_t> got;
  for (int32_t i = 0; i < 300'000; ++i) {
    const std::string word = std::to_string(i);
    const auto key = WordCache::key_of(word, word.size());
    const int32_t ids[] = {i, i, i, i, i};
    cache.insert(key, ids, 5);
    got.clear();
    ASSERT_TRUE(cache.find(key, got));
    ASSERT_EQ(got, std::vector<int32_t>(5, i));
  }
}

}  // namespace
}  // namespace minke
