#include "core/error.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace minke {
namespace {

TEST(Error, UserErrorFormatsItsMessage) {
  try {
    user_error("{}: {} is {}", "file", "hidden_size", -5);
    FAIL();
  } catch (const UserError& e) {
    EXPECT_STREQ(e.what(), "file: hidden_size is -5");
  }
}

TEST(Error, CheckNamesPlaceAndValues) {
  check(true, "fine");
  check_equal(3, 3, "fine");
  try {
    check_equal(3, 4, "rows");
    FAIL();
  } catch (const BugError& e) {
    const std::string message = e.what();
    EXPECT_NE(message.find("rows: 3 != 4"), message.npos) << message;
    EXPECT_NE(message.find("error_test.cpp:"), message.npos) << message;
  }
  EXPECT_THROW(check(false, "x"), BugError);
}

TEST(Error, EditDistance) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("ab", "ba"), 2u);
}

TEST(Error, NearestSuggestsOnlyWhatIsNear) {
  const std::vector<std::string> words = {"hidden_size", "vocab_size", "head_dim"};
  EXPECT_EQ(nearest("hiden_size", words), "hidden_size");
  EXPECT_EQ(nearest("completely_else", words), "");
}

}  // namespace
}  // namespace minke
