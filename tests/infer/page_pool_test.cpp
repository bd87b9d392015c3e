#include "infer/page_pool.h"

#include <gtest/gtest.h>

#include <set>

#include "support/poison.h"
#include "support/random.h"
#include "support/tiny.h"

namespace minke {
namespace {

using namespace test;

constexpr int64_t kPage = 4;
struct PagePoolTest : ::testing::Test {
  TestContext ctx{cpu_backend()};
  PagePool pool{ctx, tiny_v3(), DType::bf16, 4, kPage};
};

// V2 §2.1.4: kv_lora_rank + qk_rope_head_dim values per token and layer; GQA: keys and values.
TEST_F(PagePoolTest, HoldsLatentsOnly) {
  EXPECT_EQ(pool.bytes(), size_t(3 * 4 * kPage * (5 + 4) * 2));
  EXPECT_EQ(PagePool(ctx, tiny_llama(), DType::f32, 3, kPage).bytes(), size_t(2 * 3 * kPage * 2 * 2 * 6 * 4));
}

// A row of the FP8 cache: codes, the scale of the one group, BF16.
TEST_F(PagePoolTest, Fp8HoldsLatentsOnly) {
  EXPECT_EQ(PagePool(ctx, tiny_v3(), DType::f8_e4m3, 4, kPage).bytes(), size_t(3 * 4 * kPage * (5 + 4 + 4 * 2)));
  EXPECT_THROW(PagePool(ctx, tiny_llama(), DType::f8_e4m3, 4, kPage), UserError);
}

TEST_F(PagePoolTest, GivesEachPageToOneHolder) {
  std::set<int32_t> pages;
  for (int i = 0; i < 4; ++i) pages.insert(pool.take());
  EXPECT_EQ(pages, (std::set<int32_t>{0, 1, 2, 3}));
  EXPECT_EQ(pool.num_free(), 0);
  EXPECT_THROW(pool.take(), BugError);
  pool.release(2);
  EXPECT_EQ(pool.take(), 2);
  pool.hold(1), pool.release(1);
  EXPECT_EQ(pool.num_free(), 0);  // one holder is left
  pool.release(1);
  EXPECT_EQ(pool.num_free(), 1);
  EXPECT_THROW(pool.release(1), BugError);
  EXPECT_THROW(pool.hold(1), BugError);  // nobody knows what is in it
}

TEST_F(PagePoolTest, FindsWhatBeginsAlike) {
  const std::vector<int32_t> a{1, 2, 3, 4}, b{5, 6, 7, 8}, other{1, 2, 9, 9};
  const int32_t first = pool.take(), second = pool.take();
  pool.learn(first, 0, a), pool.learn(second, pool.number_of(first), b);
  const auto found = [&](int32_t before, std::vector<int32_t> tokens) {
    const PagePool::Match m = pool.find(before, tokens);
    return std::pair(m.page, m.count);
  };
  EXPECT_EQ(found(-1, {1, 2, 3, 4, 5}), std::pair(first, int64_t(4)));
  EXPECT_EQ(found(first, {5, 6, 7, 8}), std::pair(second, int64_t(4)));
  EXPECT_EQ(found(-1, {5, 6, 7, 8}), std::pair(-1, int64_t(0)));  // only after the first
  EXPECT_EQ(found(-1, other), std::pair(first, int64_t(2)));
  EXPECT_EQ(found(-1, {1}), std::pair(first, int64_t(1)));
  EXPECT_EQ(found(-1, {}), std::pair(-1, int64_t(0)));
  EXPECT_EQ(found(second, {1, 2, 3, 4}), std::pair(-1, int64_t(0)));
}

// The page at the end of a prompt is filled further by the answer, and known for more then, under its number.
TEST_F(PagePoolTest, AKnownPageIsKnownForMoreWhenItIsFilled) {
  const std::vector<int32_t> part{1, 2}, whole{1, 2, 3, 4}, behind{5, 6, 7, 8};
  const int32_t p = pool.take(), q = pool.take();
  const uint64_t number = pool.learn(p, 0, part);
  EXPECT_EQ(pool.learn(p, 0, whole), number);
  EXPECT_EQ(pool.find(-1, whole).count, 4);
  EXPECT_EQ(pool.learn(p, 0, part), number);  // for no fewer
  EXPECT_EQ(pool.find(-1, whole).count, 4);
  pool.learn(q, number, behind);
  EXPECT_EQ(pool.find(p, behind).page, q);
  // One that another page is known for stays as it is.
  const int32_t r = pool.take();
  pool.learn(r, 0, std::vector<int32_t>{1, 2, 9});
  EXPECT_EQ(pool.learn(r, 0, std::vector<int32_t>{1, 2, 3, 4}), number);
  EXPECT_EQ(pool.find(-1, std::vector<int32_t>{1, 2, 9, 9}).page, r);
}

TEST_F(PagePoolTest, KeepsWhatIsKnownUntilItsMemoryIsNeeded) {
  const std::vector<int32_t> a{1, 2, 3, 4}, b{5, 6, 7, 8};
  const int32_t first = pool.take(), second = pool.take();
  pool.learn(first, 0, a), pool.learn(second, 0, b);
  pool.release(second), pool.release(first);
  EXPECT_EQ(pool.num_free(), 4);
  pool.take(), pool.take();  // those that nobody knows go first
  EXPECT_EQ(pool.find(-1, a).page, first);
  pool.hold(first);
  EXPECT_EQ(pool.num_free(), 1);
  EXPECT_EQ(pool.take(), second);
  EXPECT_EQ(pool.find(-1, b).page, -1);
  EXPECT_EQ(pool.find(-1, a).page, first);
  pool.forget_all();
  EXPECT_EQ(pool.find(-1, a).page, -1);
  pool.release(first);
  EXPECT_EQ(pool.num_free(), 1);
}

// The slot of an MTP module depends on the token behind it, too: a slot counts only where that one agrees.
TEST_F(PagePoolTest, ModulesLookOneTokenAhead) {
  PagePool two(ctx, tiny_v3(1), DType::bf16, 4, kPage, 1);
  EXPECT_EQ(two.bytes(), size_t(4 * 4 * kPage * (5 + 4) * 2));
  EXPECT_EQ(two.layers().size(), 4u);
  const int32_t first = two.take(), second = two.take();
  const auto found = [&](int32_t before, std::vector<int32_t> tokens) {
    const PagePool::Match m = two.find(before, tokens);
    return std::pair(m.page, m.count);
  };
  const std::vector<int32_t> a{1, 2, 3, 4, 5}, b{5, 6, 7};
  two.learn(first, 0, a), two.learn(second, two.number_of(first), b, false);
  EXPECT_EQ(found(-1, {1, 2, 3, 4, 5, 6}), std::pair(first, kPage));
  EXPECT_EQ(found(-1, {1, 2, 3, 4, 6}), std::pair(first, kPage - 1));
  EXPECT_EQ(found(-1, {1, 2, 3, 4}), std::pair(first, kPage - 1));
  EXPECT_EQ(found(-1, {1, 2, 9}), std::pair(first, int64_t(1)));
  EXPECT_EQ(found(-1, {1, 9}), std::pair(-1, int64_t(0)));
  EXPECT_EQ(found(first, {5, 6, 7, 8}), std::pair(second, int64_t(2)));
  EXPECT_TRUE(two.has_modules(first));
  EXPECT_FALSE(two.has_modules(second));
  EXPECT_THROW(two.learn(two.take(), 0, std::vector<int32_t>{7}), BugError);  // no slot of it is whole
  EXPECT_THROW(two.learn(two.take(), 0, std::vector<int32_t>(kPage + 2)), BugError);
}

TEST_F(PagePoolTest, TheLongestUnusedGoesFirstAndWhatFollowsItIsNotFound) {
  std::vector<int32_t> pages;
  for (int i = 0; i < 4; ++i) pages.push_back(pool.take());
  for (int32_t i = 0; i < 4; ++i)
    pool.learn(pages[size_t(i)], pool.number_of(i ? pages[size_t(i - 1)] : -1), std::vector<int32_t>(4, i));
  for (int32_t p : pages) pool.release(p);
  const int32_t taken = pool.take();
  EXPECT_EQ(taken, pages[0]);
  // The same beginning computed anew is another page; what came after the old one is not found after it.
  pool.learn(taken, 0, std::vector<int32_t>(4, 0));
  EXPECT_EQ(pool.find(-1, std::vector<int32_t>(4, 0)).page, taken);
  EXPECT_EQ(pool.find(taken, std::vector<int32_t>(4, 1)).page, -1);
}

TEST_F(PagePoolTest, LearnsTheSameOnlyOnce) {
  const std::vector<int32_t> a{1, 2, 3, 4}, part{1, 2};
  const int32_t first = pool.take(), twin = pool.take(), shorter = pool.take();
  const uint64_t number = pool.learn(first, 0, a);
  EXPECT_EQ(number, pool.number_of(first));
  EXPECT_EQ(pool.learn(twin, 0, a), number);  // what comes after the twin is known after the first
  EXPECT_EQ(pool.learn(shorter, 0, part), number);
  EXPECT_EQ(pool.learn(first, 0, a), number);
  EXPECT_EQ(pool.number_of(twin), 0u);
  pool.release(twin), pool.release(shorter);
  EXPECT_EQ(pool.find(-1, a).page, first);
  EXPECT_EQ(pool.find(-1, part).page, first);
  pool.release(first);
  EXPECT_EQ(pool.find(-1, a).page, first);
}

TEST_F(PagePoolTest, CopiesTheFirstSlotsInEveryLayer) {
  PagePool gqa(ctx, tiny_llama(), DType::f32, 2, kPage);
  const int32_t from = gqa.take(), to = gqa.take();
  for (const LayerCache& l : gqa.layers())
    for (const Operand& o : {l.k, l.v}) {
      ctx.backend().fill(ctx, {.dst = o, .value = 1});
      ctx.backend().fill(ctx, {.dst = o.slice(0, from * kPage, from * kPage + kPage), .value = 5});
    }
  gqa.copy(ctx, from, to, 3);
  for (const LayerCache& l : gqa.layers())
    for (const Operand& o : {l.k, l.v}) {
      std::vector<float> host(size_t(o.size()));
      ctx.backend().download(ctx, {.device = o, .host = host.data()});
      for (int64_t slot = 0; slot < kPage; ++slot)
        for (int64_t i = 0; i < 12; ++i)
          EXPECT_EQ(host[size_t((to * kPage + slot) * 12 + i)], slot < 3 ? 5 : 1) << slot << " " << i;
    }
}

}  // namespace
}  // namespace minke
