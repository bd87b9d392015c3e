#include "formats/safetensors.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

#include "core/error.h"

namespace minke {
namespace {

struct TemporaryFolder {
  fs::path path = fs::temp_directory_path() / ("minke-safetensors-" + std::to_string(::getpid()));
  TemporaryFolder() { fs::create_directories(path); }
  ~TemporaryFolder() { fs::remove_all(path); }
};

// A file's bytes: length, header, data.
std::string file_of(const std::string& header, size_t data_bytes, int64_t announced = -1) {
  const uint64_t length = announced < 0 ? header.size() : uint64_t(announced);
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + std::string(data_bytes, '\1');
}
std::string message_of(const std::string& bytes) {
  try {
    SafetensorsFile::parse(std::as_bytes(std::span(bytes)), "x.safetensors");
  } catch (const UserError& e) {
    return e.what();
  }
  return "no error";
}

TEST(Safetensors, ReadsBackWhatItWrites) {
  const TemporaryFolder folder;
  const float a[6] = {1, 2, 3, 4, 5, 6};
  const int64_t b[2] = {-7, 1ll << 60};
  const uint8_t c[3] = {1, 2, 3};
  const double d = 2.5;
  int produced = 0;
  const TensorToWrite tensors[] = {
      {.name = "c", .dtype = DType::u8, .shape = {3}, .data = c},
      {.name = "with \"quotes\"\n", .dtype = DType::f32, .shape = {2, 3}, .data = a},
      {.name = "b",
       .dtype = DType::i64,
       .shape = {2},
       .produce =
           [&] {
             ++produced;
             return static_cast<const void*>(b);
           }},
      {.name = "scalar", .dtype = DType::f64, .shape = {}, .data = &d},
      {.name = "empty", .dtype = DType::bf16, .shape = {0, 4}},
  };
  const fs::path path = folder.path / "t.safetensors";
  write_safetensors(path, tensors, {{"format", "pt"}, {"note", "x\"y"}});
  EXPECT_EQ(produced, 1);

  const SafetensorsFile file = SafetensorsFile::open(path);
  ASSERT_EQ(file.tensors().size(), 5u);
  EXPECT_EQ(file.metadata(), (std::vector<std::pair<std::string, std::string>>{{"format", "pt"}, {"note", "x\"y"}}));
  const auto same = [&](const char* name, DType dtype, std::vector<int64_t> shape, const void* data, size_t bytes) {
    const TensorInfo& t = file.at(name);
    EXPECT_EQ(t.dtype, dtype);
    EXPECT_EQ(t.shape, shape);
    EXPECT_EQ(*t.file, path.string());
    ASSERT_EQ(t.bytes.size(), bytes);
    EXPECT_EQ(std::memcmp(t.bytes.data(), data, bytes), 0) << name;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(t.bytes.data()) % size_of(dtype), 0u) << name;
  };
  same("with \"quotes\"\n", DType::f32, {2, 3}, a, sizeof a);
  same("b", DType::i64, {2}, b, sizeof b);
  same("c", DType::u8, {3}, c, sizeof c);
  same("scalar", DType::f64, {}, &d, sizeof d);
  EXPECT_EQ(file.at("empty").size(), 0);
  EXPECT_EQ(file.find("absent"), nullptr);
  EXPECT_THROW(file.at("absent"), UserError);
}

TEST(Safetensors, WritesSortedAndAligned) {
  const TemporaryFolder folder;
  const float f = 1;
  const uint8_t u = 1;
  const TensorToWrite tensors[] = {{.name = "a", .dtype = DType::u8, .shape = {1}, .data = &u},
                                   {.name = "z", .dtype = DType::f32, .shape = {1}, .data = &f},
                                   {.name = "y", .dtype = DType::f32, .shape = {1}, .data = &f}};
  write_safetensors(folder.path / "t", tensors, {});
  const std::string text = read_file(folder.path / "t");
  uint64_t header = 0;
  std::memcpy(&header, text.data(), sizeof header);
  EXPECT_EQ(header % 8, 0u);
  EXPECT_EQ(text.size(), 8 + header + 9);
  EXPECT_LT(text.find("\"y\""), text.find("\"z\""));
  EXPECT_LT(text.find("\"z\""), text.find("\"a\""));
}

TEST(Safetensors, AFailedWriteLeavesNothing) {
  const TemporaryFolder folder;
  const TensorToWrite bad[] = {
      {.name = "a", .dtype = DType::f32, .shape = {1}, .produce = []() -> const void* { throw UserError("stop"); }}};
  EXPECT_THROW(write_safetensors(folder.path / "t", bad), UserError);
  EXPECT_TRUE(fs::is_empty(folder.path));
  const float f = 1;
  const TensorToWrite twice[] = {{.name = "a", .shape = {1}, .data = &f}, {.name = "a", .shape = {1}, .data = &f}};
  EXPECT_THROW(write_safetensors(folder.path / "t", twice), BugError);
}

TEST(Safetensors, AcceptsPaddingAndAnyOrder) {
  const std::string bytes = file_of(
      R"({"b":{"shape":[1],"data_offsets":[4,8],"dtype":"F32"},"a":{"dtype":"F8_E8M0","shape":[2,2],"data_offsets":[0,4]}}   )",
      8);
  const SafetensorsFile file = SafetensorsFile::parse(std::as_bytes(std::span(bytes)), "x");
  ASSERT_EQ(file.tensors().size(), 2u);
  EXPECT_EQ(file.tensors()[0].name, "a");
  EXPECT_TRUE(file.at("a").power_of_two);
  EXPECT_FALSE(file.at("b").power_of_two);
}

TEST(Safetensors, RefusesHostileFiles) {
  const std::string one = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  EXPECT_EQ(message_of(file_of(one, 8)), "no error");
  const struct {
    std::string bytes;
    const char* named;
  } cases[] = {
      {"", "too few"},
      {"1234567", "too few"},
      {file_of("", 0), "not valid JSON"},
      {file_of(one + std::string(1, '\0') + "x", 8), "is a NUL"},
      {file_of(one, 8, 1 << 20), "cut off"},
      {file_of(one, 8, INT64_MAX), "cut off"},
      {std::string(8, '\xff') + one, "cut off"},
      {file_of(one, 7), "tensor a is at bytes 0 to 8"},
      {file_of(one, 9), "belong to no tensor"},
      {file_of("[]", 0), "JSON object"},
      {file_of("3", 0), "JSON object"},
      {file_of("{", 0), "not valid JSON"},
      {file_of(
           R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
           8),
       "\"a\" twice"},
      {file_of(
           R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
           12),
       "overlaps"},
      {file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12),
       "bytes before it that belong to no tensor"},
      {file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8), "bytes 8 to 0"},
      {file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]}})", 8),
       "18446744073709551615"},
      {file_of(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8), "needs 12 bytes but has 8"},
      {file_of(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0), "impossible shape"},
      {file_of(R"({"a":{"dtype":"U8","shape":[4611686018427387904,3,0],"data_offsets":[0,0]}})", 0),
       "impossible shape"},
      {file_of(R"({"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]}})", 8), "dimension of"},
      {file_of(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8), "-2"},
      {file_of(R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", 8), "2.0"},
      {file_of(R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}})", 8), "dimensions"},
      {file_of(R"({"a":{"dtype":"F4","shape":[2],"data_offsets":[0,8]}})", 8), "dtype \"F4\""},
      {file_of(R"({"a":{"dtype":7,"shape":[2],"data_offsets":[0,8]}})", 8), "7"},
      {file_of(R"({"a":{"dtype":["F32"],"shape":[2],"data_offsets":[0,8]}})", 8), "list"},
      {file_of(R"({"a":{"dtype":"F32","data_offsets":[0,8]}})", 8), "lacks"},
      {file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", 8), "lacks"},
      {file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}})", 8), "more than two"},
      {file_of(R"({"a":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}})", 8), "shape twice"},
      {file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"extra":"x"}})", 8), "extra"},
      {file_of(R"({"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}})", 8), "list"},
      {file_of(R"({"a":{"dtype":"F32","shape":{"x":2},"data_offsets":[0,8]}})", 8), "object"},
      {file_of(R"({"a":null})", 0), "null"},
      {file_of(R"({"__metadata__":{"x":1}})", 0), "__metadata__"},
      {file_of(R"({"__metadata__":[1]})", 0), "list"},
      {file_of(R"({"__metadata__":{},"__metadata__":{}})", 0), "twice"},
      {file_of("{\"" + std::string(2000, 'n') + "\":{}}", 0), "name"},
      {file_of(std::string(1 << 20, '['), 0), "list"},
      {file_of(R"({"a":)" + std::string(1 << 20, '{'), 0), "not valid JSON"},
      {file_of("{\"\xff\":{}}", 0), "not valid JSON"},
  };
  for (const auto& c : cases) {
    const std::string message = message_of(c.bytes);
    EXPECT_NE(message.find(c.named), message.npos) << c.bytes.substr(8, 100) << "\n" << message;
    EXPECT_EQ(message.find("x.safetensors: "), 0u) << message;
  }
}

TEST(Safetensors, EveryTruncationIsRefused) {
  const std::string whole = file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8);
  for (size_t n = 0; n < whole.size(); ++n) EXPECT_NE(message_of(whole.substr(0, n)), "no error") << n;
}

TEST(Safetensors, AHeaderOfManyNamesIsReadInLinearTime) {
  std::string header = "{";
  for (int i = 0; i < 200000; ++i)
    header +=
        fmt::format("{}\"t{}\":{{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[{},{}]}}", i ? "," : "", i, i, i + 1);
  const std::string bytes = file_of(header + "}", 200000);
  const SafetensorsFile file =
      SafetensorsFile::parse(std::as_bytes(std::span(bytes)), "x");  // quadratic: minutes, beyond ctest's patience
  EXPECT_EQ(file.tensors().size(), 200000u);
  EXPECT_EQ(file.at("t199999").bytes.data(), std::as_bytes(std::span(bytes)).data() + bytes.size() - 1);
}

}  // namespace
}  // namespace minke
