#include <gtest/gtest.h>

#include "report/text.h"

namespace minke {
namespace {

TEST(Html, TextCannotLeaveItsPlace) {
  EXPECT_EQ(escape_html("<a href=\"x\">'&\n\t"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;\n\t");
  EXPECT_EQ(escape_html(std::string_view("a\0b\x1b\x7f", 5)), "a\ufffdb\ufffd\ufffd");
  EXPECT_EQ(escape_html("é\xff…"), "é\ufffd…");
  EXPECT_EQ(valid_utf8("\xe9 caf\xc3\xa9"), "\ufffd café");
}

}  // namespace
}  // namespace minke
