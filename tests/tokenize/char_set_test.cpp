#include "tokenize/char_set.h"

#include <gtest/gtest.h>

#include "core/rng.h"

namespace minke {
namespace {

TEST(CharSet, AlgebraAgreesWithMembership) {
  Rng rng{{31, 0}};
  for (int i = 0; i < 200; ++i) {
    const auto random_set = [&] {
      std::vector<unicode::Range> ranges;
      for (uint64_t n = rng.below(4); n > 0; --n) {
        const char32_t first = char32_t(rng.below(40));
        ranges.push_back({first, first + char32_t(rng.below(8))});
      }
      return CharSet(ranges);
    };
    const CharSet a = random_set(), b = random_set(), either = a | b, both = a & b, none = ~a;
    for (char32_t c = 0; c < 60; ++c) {
      ASSERT_EQ(either.contains(c), a.contains(c) || b.contains(c));
      ASSERT_EQ(both.contains(c), a.contains(c) && b.contains(c));
      ASSERT_EQ(none.contains(c), !a.contains(c));
    }
    EXPECT_TRUE((~CharSet()).contains(0x10FFFF));
    for (size_t r = 1; r < either.ranges().size(); ++r)
      ASSERT_GT(either.ranges()[r].first, either.ranges()[r - 1].last + 1);
  }
}

TEST(CharSet, NamesAreReadLoosely) {
  for (const char* name : {"Lu", "lu", "LU", "Uppercase_Letter", "uppercase letter", "UPPERCASE-LETTER"}) {
    ASSERT_TRUE(named_set(name)) << name;
    EXPECT_TRUE(*named_set(name) == CharSet(unicode::ranges_of("Lu"))) << name;
  }
  EXPECT_TRUE(named_set("Han")->contains(0x4E2D));
  EXPECT_TRUE(named_set("Han")->contains(0x2EBF0));  // Unicode 15.1
  EXPECT_TRUE(named_set("Han")->contains(0x3005));   // 々, but
  EXPECT_FALSE(named_set("Han")->contains(0x3002));  // 。 is of no script
  EXPECT_TRUE(named_set("Hani")->contains(0x2EBF0));
  EXPECT_TRUE(named_set("InBasicLatin")->contains('!'));
  EXPECT_TRUE(named_set("alpha")->contains(0x1C89));  // Unicode 16
  EXPECT_TRUE(named_set("LC")->contains(0x1C5));
  for (const char* name :
       {"", "Foo", "L&", "IsL", "Script=Han", "Unknown", "Common", "Katakana_Or_Hiragana", "Bidi_Mirrored", "In"})
    EXPECT_FALSE(named_set(name)) << name;
}

TEST(CharSet, PosixNamesDifferFromProperties) {
  EXPECT_TRUE(posix_set("punct")->contains('$'));
  EXPECT_FALSE(named_set("punct")->contains('$'));
  EXPECT_FALSE(posix_set("word")->contains(0xB2));
  EXPECT_TRUE(posix_set("word")->contains(0x24B6));
  EXPECT_FALSE(posix_set("space")->contains(0x180E));
  EXPECT_FALSE(posix_set("Lu"));
}

TEST(CharSet, CaseFolding) {
  EXPECT_TRUE(fold_case(CharSet::of('s')) == CharSet({{'S', 'S'}, {'s', 's'}, {0x17F, 0x17F}}));
  EXPECT_TRUE(fold_case(CharSet::of(0x212A)) == CharSet({{'K', 'K'}, {'k', 'k'}, {0x212A, 0x212A}}));
  EXPECT_TRUE(fold_case(CharSet::of('1')) == CharSet::of('1'));
  EXPECT_TRUE(folds_to_several(CharSet({{0xDE, 0xE0}})));  // ß
  EXPECT_FALSE(folds_to_several(CharSet({{'a', 'z'}})));
  EXPECT_TRUE(is_several_folded('S', 0x17F));
  EXPECT_TRUE(is_several_folded('f', 'I'));
  EXPECT_FALSE(is_several_folded('\'', 's'));
}

}  // namespace
}  // namespace minke
