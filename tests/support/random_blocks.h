// Matrices in quantised blocks of random bytes, as operands of kernels, and their values.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "blocks/strips.h"
#include "core/operand.h"
#include "core/rng.h"

namespace minke::test {

constexpr BlockFormat kLastFormat = BlockFormat::f8_e4m3;

// Groups of matrices [rows,columns] in parts of random bytes, whose values are finite and of ordinary size.
class RandomBlocks {
 public:
  // scale_block: of f8_e4m3; 48 is no divisor of anything.
  RandomBlocks(BlockFormat format, int64_t groups, std::vector<int64_t> part_rows, int64_t columns, uint64_t seed,
               int32_t scale_block = 48)
      : columns_(columns) {
    for (int64_t n : part_rows) rows_ += n;
    groups_ = groups;
    const RngKey key{seed, 1};
    uint64_t draw = 0;
    const auto bytes = size_t(row_bytes(format, columns));
    for (int64_t g = 0; g < groups; ++g)
      for (int64_t first = 0, i = 0; i < int64_t(part_rows.size()); first += part_rows[size_t(i++)]) {
        const int64_t n = part_rows[size_t(i)];
        std::vector<std::byte>& part = bytes_.emplace_back(size_t(n) * bytes);
        std::vector<float>& scales = scales_.emplace_back();
        RowBlocks r{.first_row = first, .row_bytes = int64_t(bytes), .format = format};
        if (format == kLastFormat) {
          r.scale_block = scale_block;
          scales.resize(size_t((n + scale_block - 1) / scale_block * ((columns + scale_block - 1) / scale_block)));
          for (float& s : scales) s = float(0.5 + key.uniform(draw++));
          r.scales = scales.data();
        }
        r.rows = part.data();
        const int64_t block_bytes = info_of(format).block_bytes, block_elements = info_of(format).block_elements;
        std::vector<float> values(static_cast<size_t>(block_elements));
        const auto ordinary = [](float v) { return std::fabs(v) < 1e4f; };
        for (size_t begin = 0; begin < part.size(); begin += size_t(block_bytes)) {
          const auto block = std::span(part).subspan(begin, size_t(block_bytes));
          do {
            for (std::byte& b : block) b = std::byte(key.uniform(draw++) * 256);
            dequantise(format, block, values);
          } while (!std::all_of(values.begin(), values.end(), ordinary));
        }
        values.resize(static_cast<size_t>(columns));
        for (int64_t row = 0; row < n; ++row) {
          decode_row({&r, 1}, r.first_row + row, values);
          values_.insert(values_.end(), values.begin(), values.end());
          add_sizes(info_of(format), part.data() + size_t(row) * bytes);
        }
        table_.push_back(r);
      }
  }
  RandomBlocks(RandomBlocks&&) = default;  // whose memory stays where it is
  RandomBlocks copy() const {
    RandomBlocks c(groups_, rows_, columns_);
    c.bytes_ = bytes_, c.scales_ = scales_, c.values_ = values_, c.sizes_ = sizes_, c.table_ = table_;
    for (size_t i = 0; i < table_.size(); ++i) {
      c.table_[i].rows = c.bytes_[i].data();
      if (table_[i].scales) c.table_[i].scales = c.scales_[i].data();
    }
    return c;
  }
  Operand blocks() const { return described(const_cast<RowBlocks*>(table_.data()), DType::u8); }
  // From now on every part is interleaved in strips.
  void interleave_rows(int strip) {
    for (size_t i = 0; i < table_.size(); ++i) {
      RowBlocks& r = table_[i];
      std::vector<std::byte>& part = bytes_[i];
      const auto row = size_t(r.row_bytes), unit = row * size_t(strip);
      std::vector<std::byte> to((part.size() + unit - 1) / unit * unit);
      for (size_t at = 0; at < part.size(); at += unit)
        interleave(info_of(r.format), strip, part.data() + at, r.row_bytes, int(std::min(unit, part.size() - at) / row),
                   to.data() + at);
      part = std::move(to);
      r.rows = part.data(), r.strip = strip;
    }
  }
  Operand plain() const { return described(const_cast<float*>(values_.data()), DType::f32); }
  const std::vector<float>& values() const { return values_; }
  // Of Q8_0: every element is q.
  void fill_q8_0(int8_t q) {
    for (std::vector<std::byte>& part : bytes_)
      for (size_t at = 0; at < part.size(); at += 34) {
        const uint16_t one = 0x3c00;  // F16
        std::memcpy(part.data() + at, &one, 2);
        std::memset(part.data() + at + 2, q, 32);
      }
  }
  // Of f8_e4m3 in one part, whose values() are then no longer these.
  template <class F> void fill_codes(F code) {
    for (int64_t row = 0; row < rows_; ++row)
      for (int64_t k = 0; k < columns_; ++k) bytes_[0][size_t(row * columns_ + k)] = std::byte{code(row, k)};
  }
  float scale_of(int64_t row, int64_t column) const {
    const RowBlocks& r = table_[0];
    return r.scales[row / r.scale_block * ((columns_ + r.scale_block - 1) / r.scale_block) + column / r.scale_block];
  }
  // Of formats of integers: |scale · q| + |min| of every element, whose sum is the value.
  const std::vector<float>& sizes() const { return sizes_; }

 private:
  RandomBlocks(int64_t groups, int64_t rows, int64_t columns) : groups_(groups), rows_(rows), columns_(columns) {}
  void add_sizes(const BlockFormatInfo& info, const std::byte* row) {
    for (int64_t begin = 0; info.group > 0 && begin < columns_; begin += info.block_elements, row += info.block_bytes) {
      IntegerBlock b;
      info.unpack(reinterpret_cast<const uint8_t*>(row), b);
      for (int e = 0; e < info.block_elements; ++e)
        sizes_.push_back(std::fabs(b.scale[e / info.group] * float(b.q[e])) +
                         (info.has_min ? std::fabs(b.min[e / info.group]) : 0.0f));
    }
  }
  Operand described(void* data, DType dtype) const {
    Operand o = groups_ > 1 ? Operand::of(data, dtype, {groups_, rows_, columns_})
                            : Operand::of(data, dtype, {rows_, columns_});
    if (dtype == DType::u8) o.packing = Packing::blocks, o.parts = int32_t(int64_t(table_.size()) / groups_);
    return o;
  }
  int64_t groups_ = 1, rows_ = 0, columns_;
  std::vector<std::vector<std::byte>> bytes_;
  std::vector<std::vector<float>> scales_;
  std::vector<float> values_, sizes_;
  std::vector<RowBlocks> table_;
};

inline Operand product_side(const Operand& b) { return b.rank == 3 ? b.transposed(1, 2) : b.transposed(); }

}  // namespace minke::test
