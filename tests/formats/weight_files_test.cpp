// One list of weights by published name, whether a folder or a GGUF file holds them.
#include "formats/weight_files.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "core/error.h"
#include "support/gguf_fixture.h"
#include "support/shared_files.h"

namespace minke {
namespace {

class WeightFilesTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  template <class F> static std::string message(const F& f) {
    try {
      f();
    } catch (const UserError& e) {
      return e.what();
    }
    return "no error";
  }
  fs::path folder_ = fs::temp_directory_path() / fmt::format("minke-weight-files-{}", ::getpid());
};

TEST_F(WeightFilesTest, AGgufFileHasWhatTheFolderHas) {
  for (const char* golden : {"llama", "v2", "v3-mtp"}) {
    SCOPED_TRACE(golden);
    const fs::path path = test::source_file("tests/golden") / golden, out = folder_ / "m.gguf";
    test::write_gguf_fixture(path, out);
    // Moved, as it is from one owner to the next: what is listed must still be there.
    WeightFiles opened = WeightFiles::open(out);
    const WeightFiles gguf = std::move(opened), folder = WeightFiles::open(path);
    EXPECT_NE(gguf.gguf(), nullptr);
    EXPECT_EQ(folder.gguf(), nullptr);
    ASSERT_EQ(gguf.all().size(), folder.all().size());
    for (const WeightInfo& expected : folder.all()) {
      const WeightInfo& found = gguf.at(expected.name);
      ASSERT_EQ(std::vector(found.shape.begin(), found.shape.end()),
                std::vector(expected.shape.begin(), expected.shape.end()));
      EXPECT_EQ(found.format, "F32");
      EXPECT_EQ(*found.file, out.string());
      int64_t size = 1;
      for (int64_t s : found.shape) size *= s;
      std::vector<float> a(size_t(size), -99.0f), b(size_t(size), -98.0f);
      const int64_t rows = size / found.shape.back();
      gguf.read_rows_as_f32(expected.name, 0, rows, a.data());
      gguf.read_rows_as_f32(expected.name, 0, rows, a.data());  // again, after its pages have been given back
      folder.read_rows_as_f32(expected.name, 0, rows, b.data());
      ASSERT_EQ(a, b) << expected.name;
    }
    EXPECT_EQ(gguf.find("model.layers.9.none"), nullptr);
    EXPECT_NE(message([&] { gguf.at("model.none"); }).find("m.gguf: tensor model.none is not among its"),
              std::string::npos);
  }
}

TEST_F(WeightFilesTest, WeightsThatAreMade) {
  MadeWeights weights{.path = "shape.json",
                      .list = {{"a", {3, 2}}, {"b", {4}}},
                      .rows = [](size_t weight, int64_t first, int64_t count, float* out) {
                        for (int64_t i = 0; i < count * (weight == 0 ? 2 : 4); ++i)
                          out[i] = float(100 * int64_t(weight) + 10 * first + i);
                      }};
  WeightFiles opened = WeightFiles::made(weights);
  const WeightFiles files = std::move(opened);  // what is listed must still be there
  EXPECT_TRUE(files.are_made());
  EXPECT_EQ(files.gguf(), nullptr);
  ASSERT_EQ(files.all().size(), 2u);
  EXPECT_EQ(files.at("a").name, "a");
  EXPECT_EQ(files.at("b").shape.size(), 1u);
  std::vector<float> values(4);
  files.read_rows_as_f32("a", 1, 2, values.data());
  EXPECT_EQ(values, (std::vector<float>{10, 11, 12, 13}));
  files.read_rows_as_f32("b", 0, 1, values.data());
  EXPECT_EQ(values, (std::vector<float>{100, 101, 102, 103}));
  EXPECT_FALSE(files.stored_rows("a"));
  EXPECT_NE(message([&] { files.at("c"); }).find("shape.json: tensor c is not among"), std::string::npos);
  weights.list.push_back({"a", {1}});
  EXPECT_NE(message([&] { WeightFiles::made(weights); }).find("two of its tensors are"), std::string::npos);
}

TEST_F(WeightFilesTest, WhatIsAGgufFile) {
  const auto make = [&](const char* name, const char* text) { std::ofstream(folder_ / name) << text; };
  make("a.gguf", "anything"), make("blob", "GGUF\3"), make("other", "GGU"), make("empty", "");
  fs::create_directories(folder_ / "folder.gguf");
  EXPECT_TRUE(is_gguf(folder_ / "a.gguf"));
  EXPECT_TRUE(is_gguf(folder_ / "missing.gguf"));
  EXPECT_TRUE(is_gguf(folder_ / "blob"));
  for (const char* name : {"other", "empty", "folder.gguf", "missing"}) EXPECT_FALSE(is_gguf(folder_ / name)) << name;
  EXPECT_NE(message([&] { WeightFiles::open(folder_ / "a.gguf"); }), "no error");
  EXPECT_NE(message([&] { WeightFiles::open(folder_ / "missing.gguf"); }).find("missing.gguf"), std::string::npos);
}

TEST_F(WeightFilesTest, AFolderOfGgufFilesNamesTheOneToGive) {
  refuse_folder_of_gguf(folder_, "config.json");  // nothing to name
  for (const char* name : {"m-00002-of-00002.gguf", "m-00001-of-00002.gguf"}) std::ofstream(folder_ / name) << "x";
  const std::string give = "it has a GGUF file: give " + (folder_ / "m-00001-of-00002.gguf").string();
  EXPECT_NE(message([&] { refuse_folder_of_gguf(folder_, "config.json"); }).find(give), std::string::npos);
  EXPECT_NE(message([&] { WeightFiles::open(folder_); }).find(give), std::string::npos);
  std::ofstream(folder_ / "config.json") << "{}";
  refuse_folder_of_gguf(folder_, "config.json");
}

}  // namespace
}  // namespace minke
