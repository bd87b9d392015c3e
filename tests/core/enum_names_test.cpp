#include "core/enum_names.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace minke {

enum class Fruit : uint8_t { apple, blood_orange };
template <> struct EnumNames<Fruit> {
  static constexpr EnumName<Fruit> all[] = {{Fruit::apple, "apple"}, {Fruit::blood_orange, "blood-orange"}};
};

namespace {

TEST(EnumNames, ReadWhatTheyWrite) {
  for (Fruit fruit : {Fruit::apple, Fruit::blood_orange}) EXPECT_EQ(find_named<Fruit>(name_of(fruit)), fruit);
  EXPECT_STREQ(name_of(Fruit::blood_orange), "blood-orange");
  EXPECT_THROW(name_of(Fruit(7)), BugError);
}

TEST(EnumNames, KnowNothingElse) {
  for (const char* name : {"", "appl", "apples", "Apple", "blood_orange"})
    EXPECT_FALSE(find_named<Fruit>(name)) << name;
  EXPECT_EQ(names_of<Fruit>(" or "), "apple or blood-orange");
}

}  // namespace
}  // namespace minke
