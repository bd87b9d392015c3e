#include "blocks/strips.h"

#include <cstring>

namespace minke {
namespace {

// f(bytes, in the block of a row, in the block of the strip) for every piece of `row`.
template <class F> inline void each_piece(const StripLayout& layout, int strip, int row, F&& f) {
  int64_t from = 0, to = 0;
  const auto piece = [&](int bytes) {
    f(bytes, from, to + int64_t(row) * bytes);
    from += bytes, to += int64_t(strip) * bytes;
  };
  if (layout.head) piece(layout.head);
  for (int w = 0; w < layout.words; ++w) piece(4);
  if (layout.tail) piece(layout.tail);
}

}  // namespace

StripLayout strip_layout(const BlockFormatInfo& info) {
  const int odd = int(info.block_bytes % 4);
  // A scale of two bytes stands at the end of these, and at the beginning of all others.
  const bool at_end = info.format == BlockFormat::q3_k || info.format == BlockFormat::q6_k ||
                      info.format == BlockFormat::tq1_0 || info.format == BlockFormat::tq2_0;
  return {.head = at_end ? 0 : odd, .words = int(info.block_bytes / 4), .tail = at_end ? odd : 0};
}

void interleave(const BlockFormatInfo& info, int strip, const std::byte* rows, int64_t row_bytes, int count,
                std::byte* to) {
  const StripLayout layout = strip_layout(info);
  if (count < strip) std::memset(to, 0, size_t(strip * row_bytes));
  for (int64_t block = 0; block < row_bytes; block += info.block_bytes, to += strip * info.block_bytes)
    for (int row = 0; row < count; ++row) {
      const std::byte* from = rows + row * row_bytes + block;
      each_piece(layout, strip, row, [&](int bytes, int64_t in_row, int64_t in_strip) {
        if (bytes == 4) std::memcpy(to + in_strip, from + in_row, 4);
        else std::memcpy(to + in_strip, from + in_row, size_t(bytes));
      });
    }
}

void take_row(const BlockFormatInfo& info, int strip, const std::byte* interleaved, int64_t row_bytes, int row,
              std::byte* to) {
  const StripLayout layout = strip_layout(info);
  for (int64_t block = 0; block < row_bytes; block += info.block_bytes, interleaved += strip * info.block_bytes)
    each_piece(layout, strip, row, [&](int bytes, int64_t in_row, int64_t in_strip) {
      std::memcpy(to + block + in_row, interleaved + in_strip, size_t(bytes));
    });
}

}  // namespace minke
