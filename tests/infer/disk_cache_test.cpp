// The cache on disk as a store of pages: what was written comes back, also after a restart, or does not come at all.
#include "infer/disk_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <fstream>
#include <functional>

#include "core/error.h"

namespace minke {
namespace {

namespace fs = std::filesystem;

struct DiskCacheTest : ::testing::Test {
  fs::path folder = fs::path(::testing::TempDir()) /
                    ("disk_cache_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
  DiskCacheTest() { fs::remove_all(folder); }
  ~DiskCacheTest() override { fs::remove_all(folder); }
  DiskCache::Settings settings(uint64_t bytes = 1 << 20, const std::string& by = "v3 bf16") const {
    return {.folder = folder, .bytes = bytes, .computed_by = by};
  }
  static std::vector<std::byte> page(int fill) { return std::vector<std::byte>(1000, std::byte(fill)); }
  static std::vector<int32_t> tokens(int first) { return {first, first + 1, first + 2, first + 3}; }
  // Writes pages 1 … n one behind another; their keys.
  static std::vector<PageKey> fill(DiskCache& disk, int n) {
    std::vector<PageKey> keys;
    for (int i = 1; i <= n; ++i) {
      const PageKey before = keys.empty() ? disk.beginning() : keys.back();
      keys.push_back(key_after(before, tokens(i)));
      put(disk, keys.back(), before, i);
    }
    return keys;
  }
  static void put(DiskCache& disk, PageKey key, PageKey before, int i) {
    if (disk.takes(key, 1000)) disk.write(key, before, tokens(i), page(i));
    disk.wait_until_written();
  }
  // The first pages of n conversations.
  static std::vector<PageKey> beginnings(DiskCache& disk, int n) {
    std::vector<PageKey> keys;
    for (int i = 1; i <= n; ++i) {
      keys.push_back(key_after(disk.beginning(), tokens(i)));
      put(disk, keys.back(), disk.beginning(), i);
    }
    return keys;
  }
  static bool gives(DiskCache& disk, PageKey key, int i) {
    std::vector<std::byte> bytes(1000);
    return disk.read(key, tokens(i), bytes) && bytes == page(i);
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    for (const auto& f : fs::directory_iterator(folder)) found.push_back(f.path());
    return found;
  }
};

TEST_F(DiskCacheTest, GivesBackWhatWasWrittenAlsoAfterARestart) {
  std::vector<PageKey> keys;
  {
    DiskCache disk(settings());
    keys = fill(disk, 3);
    EXPECT_TRUE(gives(disk, keys[1], 2));
    EXPECT_EQ(disk.counts().written, 3u);
    struct stat about;
    ASSERT_EQ(::stat(files().front().c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777, 0600u);
  }
  DiskCache disk(settings());
  EXPECT_EQ(disk.counts().pages, 3u);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(gives(disk, keys[size_t(i)], i + 1));
  EXPECT_FALSE(disk.has(key_after(keys[2], tokens(4))));
}

TEST_F(DiskCacheTest, APageIsThatOfAllTokensBeforeItAndOfWhatComputedIt) {
  DiskCache disk(settings());
  const PageKey a = key_after(disk.beginning(), tokens(1)), b = key_after(disk.beginning(), tokens(2));
  EXPECT_NE(key_after(a, tokens(3)), key_after(b, tokens(3)));
  EXPECT_NE(a, b);
  const PageKey other = [&] {
    DiskCache::Settings s = settings(1 << 20, "v3 fp8");
    s.folder = folder / "other";
    return DiskCache(s).beginning();
  }();
  EXPECT_NE(other, disk.beginning());
}

// Any byte of a file that is another, any byte that is missing, one too many tokens asked for: it is not there, and the file goes.
TEST_F(DiskCacheTest, ADamagedFileCountsAsAbsent) {
  const auto damaged = [&](const std::function<void(std::string&)>& f) {
    fs::remove_all(folder);
    DiskCache disk(settings());
    const PageKey key = fill(disk, 1).front();
    std::string content;
    {
      std::ifstream in(files().front(), std::ios::binary);
      content.assign(std::istreambuf_iterator<char>(in), {});
    }
    f(content);
    std::ofstream(files().front(), std::ios::binary | std::ios::trunc) << content;
    const bool given = gives(disk, key, 1);
    EXPECT_EQ(disk.counts().damaged, given ? 0u : 1u);
    EXPECT_EQ(files().size(), given ? 1u : 0u);
    EXPECT_EQ(disk.has(key), given);
    return !given;
  };
  EXPECT_FALSE(damaged([](std::string&) {}));
  size_t size = 0;
  damaged([&](std::string& s) { size = s.size(); });
  ASSERT_GT(size, 1016u);
  for (size_t i = 0; i < size; i += i < 80 ? 1 : 97) {
    EXPECT_TRUE(damaged([&](std::string& s) { s[i] = char(s[i] ^ 1); })) << i;
    EXPECT_TRUE(damaged([&](std::string& s) { s.resize(i); })) << i;
  }
}

TEST_F(DiskCacheTest, OtherTokensAreNotGivenUnderTheSameName) {
  DiskCache disk(settings());
  const PageKey key = fill(disk, 1).front();
  EXPECT_FALSE(gives(disk, key, 2));
}

TEST_F(DiskCacheTest, TheLongestUnusedGoesFirstAlsoAfterARestart) {
  std::vector<PageKey> keys;
  {
    DiskCache disk(settings(3 * 1100));
    keys = beginnings(disk, 3);
    disk.touch(std::span(keys).first(1));
    keys.push_back(key_after(disk.beginning(), tokens(4)));
    put(disk, keys[3], disk.beginning(), 4);
    EXPECT_FALSE(disk.has(keys[1]));
    EXPECT_TRUE(disk.has(keys[0]) && disk.has(keys[2]) && disk.has(keys[3]));
    EXPECT_LE(disk.counts().bytes, 3u * 1100);
    EXPECT_EQ(disk.counts().dropped, 1u);
    disk.touch(std::span(keys).subspan(2, 1));
  }
  DiskCache smaller(settings(1100));  // a bound that is smaller than what is there
  EXPECT_EQ(files().size(), 1u);
  EXPECT_TRUE(smaller.has(keys[2]));
}

// Without its beginning an end is of no use: so the end goes first, as it was written and as it was used, also after a restart.
TEST_F(DiskCacheTest, OfAConversationTheEndGoesFirst) {
  std::vector<PageKey> keys;
  const auto left = [&](const DiskCache& disk) {
    std::string all;
    for (const PageKey& key : keys) all += disk.has(key) ? 'x' : '-';
    return all;
  };
  {
    DiskCache disk(settings(4 * 1100));
    keys = fill(disk, 4);
    put(disk, key_after(disk.beginning(), tokens(8)), disk.beginning(), 8);
    EXPECT_EQ(left(disk), "xxx-");
    disk.touch(keys);
    put(disk, key_after(disk.beginning(), tokens(9)), disk.beginning(), 9);  // the other one goes, which was not used
    EXPECT_EQ(left(disk), "xxx-");
    put(disk, key_after(disk.beginning(), tokens(10)), disk.beginning(), 10);
    EXPECT_EQ(left(disk), "xx--");
  }
  DiskCache again(settings(3 * 1100));
  EXPECT_EQ(left(again), "x---");
}

TEST_F(DiskCacheTest, WhatCannotBeTakenIsNotWritten) {
  DiskCache::Settings s = settings();
  s.queued_bytes = 999;
  DiskCache disk(s);
  fill(disk, 1);
  EXPECT_EQ(disk.counts().skipped, 1u);
  EXPECT_EQ(disk.counts().pages, 0u);
}

// What cannot be written is told once, and costs nothing but the page.
TEST_F(DiskCacheTest, WhatCannotBeWrittenIsTold) {
  std::vector<std::string> told;
  DiskCache::Settings s = settings(1000);  // less than a page
  s.on_failure = [&](const std::string& why) { told.push_back(why); };
  DiskCache disk(s);
  fill(disk, 3);
  EXPECT_EQ(told, std::vector<std::string>{"it is larger than the cache may be"});
  EXPECT_EQ(disk.counts().skipped, 3u);
  EXPECT_TRUE(files().empty());
}

// Somebody deletes the folder: it is made anew, and what was in it counts as absent, not as damaged.
TEST_F(DiskCacheTest, ADeletedFolderIsMadeAnew) {
  DiskCache disk(settings());
  const std::vector<PageKey> keys = fill(disk, 2);
  fs::remove_all(folder);
  EXPECT_FALSE(gives(disk, keys[0], 1));
  EXPECT_EQ(disk.counts().damaged, 0u);
  EXPECT_FALSE(disk.has(keys[0]));
  put(disk, keys[0], disk.beginning(), 1);
  EXPECT_TRUE(gives(disk, keys[0], 1));
}

TEST_F(DiskCacheTest, LeavesAloneWhatIsNotItsOwn) {
  fs::create_directories(folder);
  std::ofstream(folder / "letter.txt") << "Dear Whale";
  std::ofstream(folder / "00000000000000000000000000000000.kv.tmp") << "half";
  DiskCache disk(settings(0));
  ASSERT_EQ(files().size(), 1u);
  EXPECT_EQ(files().front().filename(), "letter.txt");
}

TEST_F(DiskCacheTest, OneProcessAtATime) {
  DiskCache disk(settings());
  EXPECT_THROW(DiskCache second(settings()), UserError);
  std::ofstream(folder / "file") << "";
  DiskCache::Settings in_a_file = settings();
  in_a_file.folder = folder / "file";
  EXPECT_THROW(DiskCache third(in_a_file), UserError);
}

}  // namespace
}  // namespace minke
