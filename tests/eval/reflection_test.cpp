#include "eval/reflection.h"

#include <gtest/gtest.h>

#include <string>

namespace minke {
namespace {

struct Case {
  const char* thought;
  int64_t equations, wrong, caught, corrections, false_alarms;
};

TEST(Reflection, CountsWhatIsNamedAndPutRight) {
  const Case cases[] = {
      {"", 0, 0, 0, 0, 0},
      {"12+7=19\n19*3=57", 2, 0, 0, 0, 0},
      {"12+7=19\n19*3=47", 2, 1, 0, 0, 0},
      {"12+7=19\n19*3=47\ncheck\n12+7=19 ok\n19*3=57 not 47", 3, 1, 1, 1, 0},
      {"19*3=47\n19*3=58 not 47", 1, 1, 0, 1, 0},  // named, but not put right
      {"19*3=47\n19*3=57 not 48", 1, 1, 0, 1, 1},  // another value than was said
      {"19*3=57\n19*3=47 not 57", 1, 0, 0, 1, 1},  // it was right
      {"19*3=57 not 47\n19*3=47", 1, 1, 0, 1, 1},  // before it is said
      {"19*3=47\n18*3=54 not 47", 1, 1, 0, 1, 1},  // of another equation
      {"19*3=47\n19*3=47\n19*3=57 not 47", 2, 2, 2, 1, 0},
      {"25-7=18 and 3\n18*3=54 ok", 2, 0, 0, 0, 0},
      {"7/2=3\n8/2=4\n5/0=1\n3-5=2\nwait, 3+4=8", 4, 3, 0, 0, 0},  // a sentence is no equation
      {"9999999999*9999999999=1\n-3+5=2\n3+-5=2\n3++5=8\n3+5\n3+5=", 0, 0, 0, 0, 0},
  };
  for (const Case& c : cases) {
    const Reflection r = reflection_of(c.thought);
    EXPECT_EQ(r.equations, c.equations) << c.thought;
    EXPECT_EQ(r.wrong, c.wrong) << c.thought;
    EXPECT_EQ(r.caught, c.caught) << c.thought;
    EXPECT_EQ(r.corrections, c.corrections) << c.thought;
    EXPECT_EQ(r.false_alarms, c.false_alarms) << c.thought;
  }
  Reflection sum = reflection_of(cases[3].thought);
  sum.add(reflection_of(cases[6].thought));
  EXPECT_EQ(sum.equations, 4);
  EXPECT_EQ(sum.wrong, 1);
  EXPECT_EQ(sum.caught, 1);
  EXPECT_EQ(sum.corrections, 2);
  EXPECT_EQ(sum.false_alarms, 1);
}

TEST(Reflection, AHostileThoughtCostsLittle) {
  std::string many;
  for (int i = 0; i < 200'000; ++i) many += "1+1=3\n";
  EXPECT_EQ(reflection_of(many).equations, 1000);
}

}  // namespace
}  // namespace minke
