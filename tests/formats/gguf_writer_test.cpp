#include "formats/gguf_writer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

#include "core/error.h"
#include "formats/gguf_bytes.h"

namespace minke {
namespace {

class GgufWriter : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_ = fs::temp_directory_path() / fmt::format("minke-gguf-writer-{}", ::getpid());
};

TEST_F(GgufWriter, WritesWhatIsReadBack) {
  GgufMetadataToWrite keys;
  keys.add_text("general.architecture", "llama");
  keys.add_u16("u16", 7);
  keys.add_u32("u32", 4000000000);
  keys.add_i32("i32", -4);
  keys.add_f32("f32", 0.1f);
  keys.add_flag("flag", true);
  const std::string_view texts[] = {"a", "", "b c"};
  keys.add_texts("texts", texts);
  const int32_t numbers[] = {1, -1};
  keys.add_i32s("i32s", numbers);
  const float reals[] = {0.5f, -2.0f, 0.25f};
  keys.add_f32s("f32s", reals);

  const float a[6] = {1, 2, 3, 4, 5, 6};
  std::vector<std::byte> b(5 * 34, std::byte{7});
  int calls = 0;
  const GgufTensorToWrite tensors[] = {
      {.name = "a", .shape = {3, 2}, .data = std::as_bytes(std::span(a))},
      {.name = "b",
       .format = BlockFormat::q8_0,
       .shape = {5, 1, 32},
       .produce =
           [&] {
             b[0] = std::byte(++calls);
             return std::span<const std::byte>(b).first(34);
           }},
      {.name = "scalar", .shape = {}, .data = std::as_bytes(std::span(a, 1))},
  };
  const fs::path path = folder_ / "t.gguf";
  write_gguf(path, keys, tensors);
  EXPECT_EQ(calls, 5);

  const Gguf file = Gguf::open(path);
  const GgufMetadata& m = file.metadata();
  EXPECT_EQ(m.entries().size(), keys.count());
  EXPECT_EQ(m.text("general.architecture"), "llama");
  EXPECT_EQ(m.integer("u16"), 7);
  EXPECT_EQ(m.integer("u32"), 4000000000);
  EXPECT_EQ(m.integer("i32"), -4);
  EXPECT_EQ(m.real("f32"), 0.1);
  EXPECT_EQ(m.flag("flag"), true);
  EXPECT_EQ(m.texts("texts"), (std::vector<std::string_view>{"a", "", "b c"}));
  EXPECT_EQ(m.integers("i32s"), (std::vector<int64_t>{1, -1}));
  EXPECT_EQ(m.reals("f32s"), (std::vector<double>{0.5, -2, 0.25}));
  EXPECT_EQ(file.at("a").shape, (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(std::memcmp(file.at("a").bytes.data(), a, sizeof a), 0);
  EXPECT_EQ(file.at("b").shape, (std::vector<int64_t>{5, 1, 32}));
  for (size_t part = 0; part < 5; ++part) EXPECT_EQ(size_t(file.at("b").bytes[34 * part]), part + 1);
  EXPECT_EQ(file.at("scalar").size(), 1);
  for (const GgufTensor& t : file.files()[0].tensors())
    EXPECT_EQ(reinterpret_cast<uintptr_t>(t.bytes.data()) % 32, 0u) << t.name;

  // All keys copied and all tensors written again: the same file.
  GgufMetadataToWrite copy;
  for (const auto& [key, value] : m.entries()) copy.copy(key, value);
  std::vector<GgufTensorToWrite> again;
  for (const GgufTensor& t : file.files()[0].tensors())
    again.push_back({.name = std::string(t.name), .format = t.format, .shape = t.shape, .data = t.bytes});
  write_gguf(folder_ / "again.gguf", copy, again);
  EXPECT_EQ(read_file(path), read_file(folder_ / "again.gguf"));
}

// The bytes are those of the format's description, made independently.
TEST_F(GgufWriter, LayoutIsThatOfTheFormat) {
  GgufMetadataToWrite keys;
  keys.add_u32("n", 5);
  keys.add_text("t", "x");
  const float a[4] = {1, 2, 3, 4};
  const GgufTensorToWrite tensors[] = {{.name = "w", .shape = {2, 2}, .data = std::as_bytes(std::span(a))}};
  write_gguf(folder_ / "t.gguf", keys, tensors);
  test::GgufBytes expected;
  expected.key("n", 5u).key("t", "x").tensor("w", {2, 2}, 0, 0);
  expected.data = std::string(reinterpret_cast<const char*>(a), sizeof a) + std::string(16, '\0');
  EXPECT_EQ(read_file(folder_ / "t.gguf"), expected.build());
}

TEST_F(GgufWriter, AFailedWriteLeavesNothing) {
  const GgufTensorToWrite fails[] = {
      {.name = "a", .shape = {1}, .produce = []() -> std::span<const std::byte> { throw UserError("stop"); }}};
  EXPECT_THROW(write_gguf(folder_ / "t", {}, fails), UserError);
  const float f = 1;
  const GgufTensorToWrite short_data[] = {{.name = "a", .shape = {2}, .data = std::as_bytes(std::span(&f, 1))}};
  EXPECT_THROW(write_gguf(folder_ / "t", {}, short_data), BugError);
  const GgufTensorToWrite twice[] = {{.name = "a", .shape = {1}, .data = std::as_bytes(std::span(&f, 1))},
                                     {.name = "a", .shape = {1}, .data = std::as_bytes(std::span(&f, 1))}};
  EXPECT_THROW(write_gguf(folder_ / "t", {}, twice), BugError);
  EXPECT_TRUE(fs::is_empty(folder_));
  GgufMetadataToWrite keys;
  keys.add_u32("n", 5);
  EXPECT_THROW(keys.add_text("n", "again"), BugError);
}

}  // namespace
}  // namespace minke
