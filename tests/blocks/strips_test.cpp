// Interleaved rows: the permutation against its own inverse, and against the layout of one format written out.
#include "blocks/strips.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace minke {
namespace {

TEST(Strips, RowsComeBackAndMissingOnesAreZeros) {
  for (const BlockFormatInfo& info : block_formats()) {
    if (info.group == 0) continue;
    const StripLayout layout = strip_layout(info);
    ASSERT_EQ(layout.head + 4 * layout.words + layout.tail, info.block_bytes) << info.name;
    ASSERT_GE(layout.words, 4) << info.name;
    const int64_t bytes = 3 * info.block_bytes;
    for (const int strip : {4, 8, 16})
      for (const int count : {1, strip - 1, strip}) {
        std::vector<std::byte> rows(size_t(count * bytes)), to(size_t(strip * bytes), std::byte{1}),
            row(size_t(bytes), std::byte{2});
        for (size_t i = 0; i < rows.size(); ++i) rows[i] = std::byte(i * 37 + i / 251 + 1);
        interleave(info, strip, rows.data(), bytes, count, to.data());
        for (int r = 0; r < strip; ++r) {
          take_row(info, strip, to.data(), bytes, r, row.data());
          for (int64_t i = 0; i < bytes; ++i)
            ASSERT_EQ(row[size_t(i)], r < count ? rows[size_t(r * bytes + i)] : std::byte{0})
                << info.name << " row " << r;
        }
      }
  }
}

TEST(Strips, LieAsTheHeaderSays) {
  const BlockFormatInfo& info = info_of(BlockFormat::q8_0);
  std::vector<std::byte> rows(4 * 34), to(4 * 34);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = std::byte(i);
  interleave(info, 4, rows.data(), 34, 4, to.data());
  for (int row = 0; row < 4; ++row) {
    EXPECT_EQ(0, std::memcmp(to.data() + 2 * row, rows.data() + 34 * row, 2)) << "the scale of each row first";
    for (int w = 0; w < 8; ++w)
      EXPECT_EQ(0, std::memcmp(to.data() + 8 + 16 * w + 4 * row, rows.data() + 34 * row + 2 + 4 * w, 4));
  }
}

}  // namespace
}  // namespace minke
