#include "formats/hf_folder.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "core/error.h"

namespace minke {
namespace {

class HfFolderTest : public ::testing::Test {
 protected:
  fs::path path_ = fs::temp_directory_path() / ("minke-hf-" + std::to_string(::getpid()));
  void SetUp() override { fs::create_directories(path_); }
  void TearDown() override { fs::remove_all(path_); }

  std::string message() const {
    try {
      HfFolder::open(path_);
    } catch (const UserError& e) {
      return e.what();
    }
    return "no error";
  }
  void write_index(const std::string& text) const { write_file_atomic(path_ / "model.safetensors.index.json", text); }
};

std::vector<TensorToWrite> numbered(const std::vector<std::vector<float>>& data) {
  std::vector<TensorToWrite> tensors;
  for (size_t i = 0; i < data.size(); ++i)
    tensors.push_back({.name = fmt::format("t{}", i), .shape = {int64_t(data[i].size())}, .data = data[i].data()});
  return tensors;
}

TEST_F(HfFolderTest, WritesAndReadsOneFileOrShards) {
  const std::vector<std::vector<float>> data = {{1, 2, 3}, {4, 5}, {6}, {7, 8, 9, 10, 11}, {12}};
  for (const size_t limit : {size_t(1000), size_t(20)}) {
    fs::remove_all(path_);
    fs::create_directories(path_);
    write_hf_folder(path_, {.config_json = "{}",
                            .generation_config_json = "{\"a\":1}",
                            .tensors = numbered(data),
                            .max_shard_bytes = limit});
    EXPECT_EQ(read_file(path_ / "config.json"), "{}");
    EXPECT_EQ(read_file(path_ / "generation_config.json"), "{\"a\":1}");
    const HfFolder folder = HfFolder::open(path_);
    // 20 bytes hold {t0, t1}, then {t2} and {t3} are 4 + 20 > 20, then {t3}, {t4}.
    EXPECT_EQ(folder.files().size(), limit == 20 ? 4u : 1u);
    EXPECT_EQ(fs::exists(path_ / "model-00001-of-00004.safetensors"), limit == 20);
    EXPECT_EQ(folder.tensor_count(), data.size());
    for (size_t i = 0; i < data.size(); ++i) {
      std::vector<float> back(data[i].size());
      folder.read_as_f32(fmt::format("t{}", i), back.data());
      EXPECT_EQ(back, data[i]);
    }
    EXPECT_EQ(folder.find("absent"), nullptr);
    EXPECT_THROW(folder.at("absent"), UserError);
  }
}

TEST_F(HfFolderTest, NamesWhatIsMissing) {
  EXPECT_NE(message().find("neither model.safetensors nor"), std::string::npos);
  write_file_atomic(path_ / "pytorch_model.bin", "x");
  EXPECT_NE(message().find("pytorch_model.bin"), std::string::npos);
  write_index(R"({"weight_map": {"a": "model-1.safetensors"}})");
  EXPECT_NE(message().find("model-1.safetensors is missing"), std::string::npos);
  write_index(std::string(R"({"weight_map": {"a": "model-1.safetensors"}})") + '\0' + "x");
  EXPECT_NE(message().find("is a NUL"), std::string::npos) << message();
  fs::remove_all(path_);
  EXPECT_NE(message().find("is neither a folder of a Hugging Face checkpoint nor a GGUF file"), std::string::npos);
}

TEST_F(HfFolderTest, RefusesHostileIndexes) {
  const std::vector<std::vector<float>> data = {{1, 2}};
  write_safetensors(path_ / "m.safetensors", numbered(data));
  write_safetensors(path_ / "n.safetensors", numbered(data));
  write_index(R"({"metadata": {"total_size": 8, "x": [[{"weight_map": 1}]]}, "weight_map": {"t0": "m.safetensors"}})");
  EXPECT_EQ(message(), "no error");
  const struct {
    const char *index, *named;
  } cases[] = {
      {R"({"weight_map": {"t0": "../m.safetensors"}})", "../m.safetensors"},
      {R"({"weight_map": {"t0": "/etc/passwd"}})", "/etc/passwd"},
      {R"({"weight_map": {"t0": "x/m.safetensors"}})", "same folder"},
      {R"({"weight_map": {"t0": ""}})", "same folder"},
      {R"({"weight_map": {"t0": "config.json"}})", "config.json"},
      {R"({"weight_map": {"t0": "m.safetensors\u0000\u001b"}})", "m.safetensors\\u0000\\u001b"},
      {R"({"weight_map": {"t0": 3}})", "not the name of a file"},
      {R"({"weight_map": {"t0": ["m.safetensors"]}})", "not the name of a file"},
      {R"({"weight_map": {"t0": "m.safetensors", "t0": "m.safetensors"}})", "twice"},
      {R"({"weight_map": {"t0": "m.safetensors", "t1": "m.safetensors"}})",
       "t1 is in m.safetensors, but it is in none"},
      {R"({"weight_map": ["m.safetensors"]})", "weight_map is a list"},
      {R"({"weight_map": {"t0": "m.safetensors", "t1": "n.safetensors"}})", "t0 is also in"},
      {R"({"weight_map": {}})", "names no file"},
      {R"({})", "names no file"},
      {R"([])", "names no file"},
      {R"({"weight_map": )", "not valid JSON"},
  };
  for (const auto& c : cases) {
    write_index(c.index);
    EXPECT_NE(message().find(c.named), std::string::npos) << c.index << "\n" << message();
  }
  write_index(std::string(1000, '['));
  EXPECT_NE(message().find("nested"), std::string::npos);
  const std::vector<std::vector<float>> two = {{1}, {2}};
  write_safetensors(path_ / "n.safetensors", numbered(two));
  write_index(R"({"weight_map": {"t0": "m.safetensors", "t1": "n.safetensors"}})");
  EXPECT_NE(message().find("tensor t0 is also in"), std::string::npos) << message();

  TensorToWrite other = numbered(data)[0];
  other.name = "other";
  write_safetensors(path_ / "n.safetensors", std::vector{other});
  write_index(R"({"weight_map": {"t0": "m.safetensors", "other": "m.safetensors", "more": "n.safetensors"}})");
  EXPECT_NE(message().find("more is in n.safetensors, but it is in none of the files"), std::string::npos) << message();
  write_index(R"({"weight_map": {"t0": "n.safetensors", "other": "n.safetensors", "t0 ": "m.safetensors"}})");
  EXPECT_NE(message().find("t0 is in n.safetensors, but it is in"), std::string::npos) << message();
}

TEST_F(HfFolderTest, ConvertsEveryFloatType) {
  const double f64[2] = {1.5, -1e300};
  const bf16 b[2] = {bf16(1.5f), bf16(-3.0f)};
  const f16 h[3] = {{0x3e00}, {0xc200}, {0x0001}};
  const int32_t i[1] = {3};
  const f8_e4m3 f8[1] = {{0x38}};
  const TensorToWrite tensors[] = {{.name = "f64", .dtype = DType::f64, .shape = {2}, .data = f64},
                                   {.name = "bf16", .dtype = DType::bf16, .shape = {2}, .data = b},
                                   {.name = "f16", .dtype = DType::f16, .shape = {3}, .data = h},
                                   {.name = "i32", .dtype = DType::i32, .shape = {1}, .data = i},
                                   {.name = "f8", .dtype = DType::f8_e4m3, .shape = {1, 1}, .data = f8}};
  write_safetensors(path_ / "model.safetensors", tensors);
  const HfFolder folder = HfFolder::open(path_);
  float out[3];
  folder.read_as_f32("f64", out);
  EXPECT_TRUE(out[0] == 1.5f && out[1] == -std::numeric_limits<float>::infinity());
  folder.read_as_f32("bf16", out);
  EXPECT_TRUE(out[0] == 1.5f && out[1] == -3.0f);
  folder.read_as_f32("f16", out);
  EXPECT_TRUE(out[0] == 1.5f && out[1] == -3.0f && out[2] == 0x1p-24f);
  EXPECT_THROW(folder.read_as_f32("i32", out), UserError);
  EXPECT_THROW(folder.read_as_f32("f8", out), UserError);  // without scales
}

// 5 × 7 in blocks of 3: a 2 × 3 grid whose last row and column of blocks are partial.
TEST_F(HfFolderTest, Fp8BlockScalesWithPartialEdges) {
  std::vector<f8_e4m3> w(35);
  for (size_t i = 0; i < w.size(); ++i) w[i].bits = uint8_t(0x30 + i % 16);
  const float scales[6] = {1, 2, 4, 0.5f, 3, -1};
  const uint8_t exponents[6] = {127, 128, 129, 126, 130, 0};
  const auto write = [&](DType dtype, std::vector<int64_t> grid, const void* data) {
    const TensorToWrite tensors[] = {{.name = "w", .dtype = DType::f8_e4m3, .shape = {5, 7}, .data = w.data()},
                                     {.name = "w_scale_inv", .dtype = dtype, .shape = std::move(grid), .data = data}};
    write_safetensors(path_ / "model.safetensors", tensors);
  };
  std::vector<float> out(35);
  write(DType::f32, {2, 3}, scales);
  HfFolder::open(path_).read_as_f32("w", out.data(), 3);
  for (size_t r = 0; r < 5; ++r)
    for (size_t c = 0; c < 7; ++c)
      EXPECT_EQ(out[r * 7 + c], float(w[r * 7 + c]) * scales[r / 3 * 3 + c / 3]) << r << " " << c;
  std::vector<float> middle(21);  // rows of two blocks
  HfFolder::open(path_).read_rows_as_f32("w", 1, 3, middle.data(), 3);
  EXPECT_EQ(middle, std::vector<float>(out.begin() + 7, out.begin() + 28));

  write(DType::u8, {2, 3}, exponents);
  std::string bytes = read_file(path_ / "model.safetensors");
  const size_t at = bytes.find("\"dtype\":\"U8\",");  // same length with a space less: the header keeps its size
  ASSERT_NE(at, bytes.npos);
  const size_t pad = bytes.find("}}") + 2;
  const size_t spaces = 8 + size_t(*reinterpret_cast<const uint64_t*>(bytes.data())) - pad;
  std::string longer = bytes.substr(8, pad - 8);
  longer.replace(longer.find("\"U8\""), 4, "\"F8_E8M0\"");
  std::string patched(8, '\0');
  const uint64_t length = longer.size();
  std::memcpy(patched.data(), &length, sizeof length);
  write_file_atomic(path_ / "model.safetensors", patched + longer + bytes.substr(pad + spaces));
  HfFolder::open(path_).read_as_f32("w", out.data(), 3);
  for (size_t r = 0; r < 5; ++r)
    for (size_t c = 0; c < 7; ++c)
      EXPECT_EQ(out[r * 7 + c], float(w[r * 7 + c]) * std::ldexp(1.0f, exponents[r / 3 * 3 + c / 3] - 127))
          << r << " " << c;

  for (const std::vector<int64_t>& grid : {std::vector<int64_t>{3, 2}, {6}, {1, 6}}) {
    write(DType::f32, grid, scales);
    EXPECT_THROW(HfFolder::open(path_).read_as_f32("w", out.data(), 3), UserError);
  }
  write(DType::u8, {2, 3}, exponents);  // plain bytes are no scales
  EXPECT_THROW(HfFolder::open(path_).read_as_f32("w", out.data(), 3), UserError);
}

}  // namespace
}  // namespace minke
