// The matcher against all texts that a grammar writes, enumerated rule by rule.
#include "structured/grammar.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "core/error.h"
#include "core/rng.h"

namespace minke {
namespace {

using Texts = std::set<std::string>;

// All texts of a rule up to a length, by substitution until nothing new comes.
std::vector<Texts> texts_of(const Grammar& g, size_t longest) {
  std::vector<Texts> known(g.num_rules());
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t r = 0; r < g.num_rules(); ++r)
      for (const Grammar::Sequence& s : g.alternatives(int32_t(r))) {
        Texts sofar{""};
        for (const Grammar::Element& e : s) {
          Texts longer;
          for (const std::string& t : sofar) {
            if (e.is_rule) {
              for (const std::string& more : known[size_t(e.index)])
                if (t.size() + more.size() <= longest) longer.insert(t + more);
            } else {
              for (int b = 0; b < 256; ++b)
                if (g.bytes(e.index)[size_t(b)] && t.size() < longest) longer.insert(t + char(b));
            }
          }
          sofar = std::move(longer);
        }
        for (const std::string& t : sofar) changed = known[r].insert(t).second || changed;
      }
  }
  return known;
}

Texts all_texts(size_t longest) {
  Texts all{""};
  std::vector<std::string> last{""};
  for (size_t n = 0; n < longest; ++n) {
    std::vector<std::string> longer;
    for (const std::string& t : last)
      for (const char c : {'a', 'b', 'c'}) longer.push_back(t + c);
    all.insert(longer.begin(), longer.end());
    last = std::move(longer);
  }
  return all;
}

void expect_agreement(const Grammar& g, size_t longest) {
  const Texts written = texts_of(g, longest)[0];
  Texts beginnings;
  for (const std::string& t : written)
    for (size_t n = 0; n <= t.size(); ++n) beginnings.insert(t.substr(0, n));
  Matcher m(g);
  for (const std::string& t : all_texts(longest)) {
    const int32_t state = m.next(m.start(), t);
    for (const char c : {'a', 'b', 'c'}) m.next(state, uint8_t(c));
    if (m.work() > int64_t(Matcher::kMostPlaces)) return;  // so ambiguous that the bound may have cut it
    EXPECT_EQ(m.accepts(state), written.contains(t)) << '"' << t << '"';
    // A beginning of a longer text is none of those that were written: then the state is alive without a witness here.
    if (beginnings.contains(t)) {
      EXPECT_NE(state, Matcher::kDead) << '"' << t << '"';
    }
    const ByteSet allowed = m.allowed(state);
    for (const char c : {'a', 'b', 'c'})
      EXPECT_EQ(allowed[uint8_t(c)], m.next(state, uint8_t(c)) != Matcher::kDead) << '"' << t << c << '"';
    const int32_t again = m.reset(m.next(m.start(), t));
    EXPECT_EQ(m.accepts(again), written.contains(t)) << "after reset, " << t;
    EXPECT_EQ(m.allowed(again), allowed) << "after reset, " << t;
  }
}

TEST(Grammar, ABalancedLanguage) {  // S → ε | a S b S
  Grammar g;
  const int32_t s = g.new_rule();
  g.add_alternative(s, {});
  g.add_alternative(s, {g.literal("a")[0], Grammar::rule(s), g.literal("b")[0], Grammar::rule(s)});
  EXPECT_EQ(g.left_recursive(), -1);
  expect_agreement(g, 8);
}

TEST(Grammar, RandomOnesAgreeWithWhatTheyWrite) {
  int tried = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    Rng rng{{seed, 1}};
    Grammar g;
    const int rules = 1 + int(rng.below(4));
    for (int r = 0; r < rules; ++r) g.new_rule();
    for (int r = 0; r < rules; ++r)
      for (uint64_t n = 1 + rng.below(3); n > 0; --n) {
        Grammar::Sequence s;
        for (uint64_t length = rng.below(4); length > 0; --length) {
          if (rng.below(2) == 0) {
            s.push_back(Grammar::rule(int32_t(rng.below(uint64_t(rules)))));
          } else {
            ByteSet set;
            set.set('a' + size_t(rng.below(3))), set.set('a' + size_t(rng.below(3)));
            s.push_back(g.one_of(set));
          }
        }
        g.add_alternative(r, std::move(s));
      }
    if (g.left_recursive() >= 0) continue;
    ++tried;
    expect_agreement(g, 5);
    if (HasFailure()) FAIL() << "seed " << seed;
  }
  EXPECT_GT(tried, 100);
}

TEST(Grammar, EitherIsAllOfBoth) {
  const auto small = [&](std::string_view word) {  // word, any number of times, then b
    Grammar g;
    const int32_t root = g.new_rule(), more = g.new_rule();
    g.add_alternative(root, {Grammar::rule(more), g.one_of(ByteSet().set('b'))});
    g.add_alternative(more, {});
    Grammar::Sequence again = g.literal(word);
    again.push_back(Grammar::rule(more));
    g.add_alternative(more, again);
    return g;
  };
  const Grammar a = small("a"), c = small("ca"), both = either(a, c);
  Texts expected = texts_of(a, 5)[0];
  expected.merge(texts_of(c, 5)[0]);
  EXPECT_EQ(texts_of(both, 5)[0], expected);
  EXPECT_EQ(expected.size(), 5u + 2u);
  Matcher m(both);
  for (const std::string text : {"b", "aab", "cacab"}) EXPECT_TRUE(m.accepts(m.next(m.start(), text))) << text;
  for (const std::string text : {"acab", "caab", "a"}) EXPECT_FALSE(m.accepts(m.next(m.start(), text))) << text;
}

TEST(Grammar, LeftRecursionIsSeen) {
  Grammar g;
  const int32_t a = g.new_rule(), b = g.new_rule(), none = g.new_rule();
  g.add_alternative(none, {});
  g.add_alternative(a, {Grammar::rule(none), Grammar::rule(b)});
  g.add_alternative(b, g.literal("x"));
  EXPECT_EQ(g.left_recursive(), -1);
  g.add_alternative(b, {Grammar::rule(none), Grammar::rule(a), g.literal("y")[0]});
  EXPECT_GE(g.left_recursive(), 0);
  EXPECT_THROW(Matcher{g}, BugError);
}

TEST(Grammar, OfNothing) {
  Grammar g;
  g.new_rule();
  Matcher m(g);
  EXPECT_EQ(m.start(), Matcher::kDead);
  EXPECT_FALSE(m.accepts(m.start()));
  EXPECT_EQ(m.reset(Matcher::kDead), Matcher::kDead);
}

// A long list needs no more states than a short one.
TEST(Grammar, ListsTakeNoMoreMemoryTheLongerTheyAre) {
  Grammar g;
  const int32_t s = g.new_rule(), more = g.new_rule();
  g.add_alternative(s, {g.literal("a")[0], Grammar::rule(more)});
  g.add_alternative(more, {});
  g.add_alternative(more, {g.literal("b")[0], Grammar::rule(s)});
  Matcher m(g);
  int32_t state = m.start();
  for (int i = 0; i < 1000; ++i) state = m.next(state, "ab");
  EXPECT_TRUE(m.accepts(m.next(state, "a")));
  EXPECT_LT(m.num_states(), 8);
}

// One text can be read in ever more ways: twice as many with every "[". What is kept of them is bounded, and a text of few is read.
TEST(Grammar, AmbiguityTakesBoundedMemory) {
  Grammar g;
  const int32_t a = g.new_rule();
  for (int i = 0; i < 2; ++i)  // with ends of their own, so that no two places are the same
    g.add_alternative(a, {g.literal("[")[0], Grammar::rule(a), g.literal("]")[0]});
  g.add_alternative(a, g.literal("x"));
  Matcher m(g);
  EXPECT_TRUE(m.accepts(m.next(m.start(), "[[[[x]]]]")));
  int32_t state = m.start();
  size_t depth = 0;
  for (; depth < 1000 && state != Matcher::kDead; ++depth) state = m.next(state, "[");
  EXPECT_LT(depth, 20u);
  EXPECT_LT(m.work(), 20 * int64_t(Matcher::kMostPlaces));
}

// The same place by several ways without a byte is one place.
TEST(Grammar, EmptyWaysAreNotCounted) {
  Grammar g;
  const int32_t root = g.new_rule();
  Grammar::Sequence all;
  for (int i = 0; i < 40; ++i) {  // 2^40 ways to be empty
    const int32_t maybe = g.new_rule();
    g.add_alternative(maybe, {});
    g.add_alternative(maybe, {});
    all.push_back(Grammar::rule(maybe));
  }
  all.push_back(g.literal("x")[0]);
  g.add_alternative(root, all);
  Matcher m(g);
  EXPECT_TRUE(m.accepts(m.next(m.start(), "x")));
}

}  // namespace
}  // namespace minke
