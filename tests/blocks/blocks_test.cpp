#include "blocks/blocks.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <set>

#include "core/error.h"
#include "formats/safetensors.h"
#include "support/shared_files.h"

namespace minke {
namespace {

bool same_bits(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

// Compares every NAME.blocks with NAME.values of the gguf library; adds the names to `seen`.
void compare(const fs::path& path, std::set<std::string>& seen) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  for (const TensorInfo& blocks : file.tensors()) {
    if (!blocks.name.ends_with(".blocks")) continue;
    const std::string name = blocks.name.substr(0, blocks.name.size() - 7);
    SCOPED_TRACE(path.filename().string() + " " + name);
    const BlockFormatInfo* format = find_block_format(name);
    ASSERT_TRUE(format);
    EXPECT_EQ(format->name, name);
    const TensorInfo& expected = file.at(name + ".values");
    ASSERT_EQ(blocks.shape[1], format->block_bytes);
    ASSERT_EQ(expected.shape, (std::vector<int64_t>{blocks.shape[0], format->block_elements}));
    std::vector<float> values(size_t(expected.size()), std::nanf(""));
    dequantise(format->format, blocks.bytes, values);
    size_t wrong = 0, first = 0;
    for (size_t i = values.size(); i-- > 0;) {
      const float e = std::bit_cast<float>(reinterpret_cast<const uint32_t*>(expected.bytes.data())[i]);
      if (!same_bits(values[i], e)) ++wrong, first = i;
    }
    EXPECT_EQ(wrong, 0u) << "first at value " << first << ": " << values[first];
    seen.insert(name);
  }
}

// Three blocks of each format stand in the clone (tools/make_gguf_goldens.py), 64 in the shared folder.
TEST(GgufBlocks, ValuesAreThoseOfTheGgufLibrary) {
  std::set<std::string> seen;
  compare(test::source_file("tests/blocks/blocks.safetensors"), seen);
  EXPECT_EQ(seen.size(), block_formats().size() - 1) << "every format but F32";
  for (const char* name : {"gguf-quants.safetensors", "gguf-quants-low.safetensors"})
    if (const auto path = test::shared_file(fs::path("goldens") / name)) compare(*path, seen);
}

TEST(GgufBlocks, PlainNumbers) {
  const float values[] = {1.5f, -0.0f, 1e-40f, INFINITY};
  float out[4];
  dequantise(BlockFormat::f32, std::as_bytes(std::span(values)), out);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(same_bits(out[i], values[i]));
  EXPECT_THROW(dequantise(BlockFormat::f32, std::as_bytes(std::span(values, 3)), out), BugError);
  EXPECT_THROW(dequantise(BlockFormat::q8_0, std::as_bytes(std::span(values)), out), BugError) << "no whole block";
}

TEST(GgufBlocks, TableIsConsistent) {
  std::set<uint32_t> ids;
  for (const BlockFormatInfo& info : block_formats()) {
    EXPECT_TRUE(ids.insert(info.file_id).second) << info.name;
    EXPECT_EQ(&info_of(info.format), &info);
    EXPECT_EQ(find_block_format(info.file_id), &info);
    EXPECT_EQ(find_block_format(info.name), &info);
    EXPECT_EQ(block_format_text(info.file_id), info.name);
    EXPECT_EQ(row_bytes(info.format, 3 * info.block_elements), 3 * info.block_bytes);
  }
  EXPECT_EQ(find_block_format("q4_k")->format, BlockFormat::q4_k);
  EXPECT_EQ(find_block_format("q4_kk"), nullptr);
  EXPECT_EQ(find_block_format(uint32_t(9)), nullptr);
  EXPECT_EQ(block_format_text(9), "Q8_1");
  EXPECT_EQ(block_format_text(99), "99, which is unknown");
}

}  // namespace
}  // namespace minke
