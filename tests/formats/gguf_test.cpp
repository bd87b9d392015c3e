#include "formats/gguf.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "core/error.h"
#include "formats/gguf_bytes.h"
#include "support/shared_files.h"

namespace minke {
namespace {
using test::bytes_of;
using test::GgufBytes;

std::string message_of(const std::string& file) {
  try {
    GgufFile::parse(bytes_of(file), "x.gguf");
  } catch (const UserError& e) {
    return e.what();
  }
  return "no error";
}

// One tensor of 64 elements in F32 and some keys.
GgufBytes small() {
  GgufBytes g;
  g.key("general.architecture", "llama").key("a.count", 7u).tensor("w", {4, 16}, 0, 0);
  g.data = std::string(256, '\1');
  return g;
}

TEST(Gguf, ReadsKeysOfEveryType) {
  GgufBytes g;
  const auto n = [](auto x) { return GgufBytes::number(x); };
  g.key("u8", GgufType::u8, n(uint8_t(200))).key("i8", GgufType::i8, n(int8_t(-3)));
  g.key("u16", GgufType::u16, n(uint16_t(60000))).key("i16", GgufType::i16, n(int16_t(-300)));
  g.key("u32", GgufType::u32, n(uint32_t(4000000000))).key("i32", GgufType::i32, n(int32_t(-5)));
  g.key("u64", GgufType::u64, n(uint64_t(1) << 62)).key("i64", GgufType::i64, n(INT64_MIN));
  g.key("huge", GgufType::u64, n(UINT64_MAX));
  g.key("f32", GgufType::f32, n(1e-6f)).key("f64", GgufType::f64, n(0.1));
  g.key("infinite", GgufType::f32, n(std::numeric_limits<float>::infinity()));
  g.key("yes", GgufType::boolean, n(true)).key("no", GgufType::boolean, n(false));
  g.key("text", "minke \xe9\xaf\xa8").key("empty", "");
  g.list("ids", GgufType::i32, 3, n(1) + n(-2) + n(3)).list("none", GgufType::f32, 0, "");
  g.list("texts", GgufType::text, 3, GgufBytes::text("a") + GgufBytes::text("") + GgufBytes::text("ccc"));
  g.list("reals", GgufType::f32, 2, n(0.1f) + n(2.0f)).list("flags", GgufType::boolean, 2, n(true) + n(false));
  const std::string bytes = g.build();
  const GgufFile file = GgufFile::parse(bytes_of(bytes), "x.gguf");
  const GgufMetadata& m = file.metadata();

  EXPECT_EQ(m.entries().size(), 21u);
  EXPECT_EQ(m.entries()[0].first, "u8");
  EXPECT_EQ(m.integer("u8"), 200);
  EXPECT_EQ(m.integer("i8"), -3);
  EXPECT_EQ(m.integer("u16"), 60000);
  EXPECT_EQ(m.integer("i16"), -300);
  EXPECT_EQ(m.integer("u32"), 4000000000);
  EXPECT_EQ(m.integer("i32"), -5);
  EXPECT_EQ(m.integer("u64"), int64_t(1) << 62);
  EXPECT_EQ(m.integer("i64"), INT64_MIN);
  EXPECT_EQ(m.real("f32"), 1e-6) << "as it was written, not 9.99999997e-07";
  EXPECT_EQ(m.real("f64"), 0.1);
  EXPECT_EQ(m.real("u8"), 200);
  EXPECT_TRUE(std::isinf(*m.real("infinite")));
  EXPECT_EQ(m.flag("yes"), true);
  EXPECT_EQ(m.flag("no"), false);
  EXPECT_EQ(m.text("text"), "minke \xe9\xaf\xa8");
  EXPECT_EQ(m.text("empty"), "");
  EXPECT_EQ(m.integers("ids"), (std::vector<int64_t>{1, -2, 3}));
  EXPECT_EQ(m.reals("reals"), (std::vector<double>{0.1, 2}));
  EXPECT_EQ(m.reals("none"), std::vector<double>{});
  EXPECT_EQ(m.texts("texts"), (std::vector<std::string_view>{"a", "", "ccc"}));
  EXPECT_EQ(m.integer("absent"), std::nullopt);
  EXPECT_EQ(m.texts("absent").size(), 0u);

  const auto refused = [&](auto call, const char* named) {
    try {
      call();
      FAIL() << named;
    } catch (const UserError& e) {
      EXPECT_NE(std::string(e.what()).find(named), std::string::npos) << e.what();
    }
  };
  refused([&] { m.integer("huge"); }, "huge is 18446744073709551615");
  refused([&] { m.integer("f32"); }, "f32 is f32; it must be a whole number");
  refused([&] { m.text("u8"); }, "u8 is u8; it must be text");
  refused([&] { m.flag("u8"); }, "must be bool");
  refused([&] { m.integer("ids"); }, "ids is a list of i32");
  refused([&] { m.integers("u8"); }, "must be a list of whole numbers");
  refused([&] { m.integers("texts"); }, "texts is a list of text");
}

TEST(Gguf, ReadsTensors) {
  GgufBytes g;
  g.key("general.alignment", 64u);
  g.tensor("b", {32, 2}, 8, 0).tensor("a", {3}, 0, 128).tensor("scalar", {}, 0, 192).tensor("s", {2, 3, 4}, 1, 256);
  g.data = std::string(256 + 48, '\0');
  for (size_t i = 0; i < g.data.size(); ++i) g.data[i] = char(i);
  g.alignment = 64;
  for (uint32_t version : {2u, 3u}) {
    g.version = version;
    const std::string bytes = g.build();
    const GgufFile file = GgufFile::parse(bytes_of(bytes), "x.gguf");
    ASSERT_EQ(file.tensors().size(), 4u);
    const GgufTensor& b = file.tensors()[0];
    EXPECT_EQ(b.name, "b");
    EXPECT_EQ(b.format, BlockFormat::q8_0);
    EXPECT_EQ(b.shape, (std::vector<int64_t>{2, 32}));
    EXPECT_EQ(b.bytes.size(), 68u);
    EXPECT_EQ(b.bytes.data(), bytes_of(bytes).data() + bytes.size() - g.data.size());
    EXPECT_EQ(file.tensors()[1].shape, std::vector<int64_t>{3});
    EXPECT_EQ(int(file.tensors()[1].bytes[0]), 128);
    EXPECT_EQ(file.tensors()[2].size(), 1);
    EXPECT_EQ(file.tensors()[3].shape, (std::vector<int64_t>{4, 3, 2}));
    EXPECT_EQ(*b.file, "x.gguf");
  }
}

TEST(Gguf, RefusesHostileFiles) {
  EXPECT_EQ(message_of(small().build()), "no error");
  const auto n = [](auto x) { return GgufBytes::number(x); };
  const auto with = [](auto change) {
    GgufBytes g = small();
    change(g);
    return g.build();
  };
  const struct {
    std::string file;
    const char* named;
  } cases[] = {
      {"", "the first word needs 4 bytes"},
      {"GGU", "cut off"},
      {"PK\3\4 a zip file", "not a GGUF file"},
      {with([](GgufBytes& g) { g.magic = "FUGG"; }), "big-endian"},
      {with([](GgufBytes& g) { g.version = 3u << 24; }), "big-endian"},
      {with([](GgufBytes& g) { g.version = 1; }), "version 1"},
      {with([](GgufBytes& g) { g.version = 0; }), "version 0"},
      {with([](GgufBytes& g) { g.version = 4; }), "version 4"},
      {with([](GgufBytes& g) { g.key_count = 3; }), "the name of a tensor has"},
      {with([](GgufBytes& g) { g.key_count = UINT64_MAX; }), "18446744073709551615 keys"},
      {with([](GgufBytes& g) { g.tensor_count = UINT64_MAX; }), "18446744073709551615 tensors"},
      {with([](GgufBytes& g) { g.tensor_count = 2; }), "a tensor has no name"},
      {with([&](GgufBytes& g) { g.keys = n(UINT64_MAX), g.key_count = 1; }), "a key has 18446744073709551615 bytes"},
      {with([&](GgufBytes& g) { g.keys = n(uint64_t(70000)) + std::string(70000, 'k'), g.key_count = 1; }),
       "a key has 70000 bytes"},
      {with([&](GgufBytes& g) { g.key("k", GgufType(13), ""); }), "key k has a value of type 13"},
      {with([&](GgufBytes& g) { g.key("k", GgufType::text, n(UINT64_MAX)); }),
       "the value of k needs 18446744073709551615"},
      {with([&](GgufBytes& g) { g.key("k", GgufType::boolean, n(uint8_t(2))); }), "key k is true or false"},
      {with([&](GgufBytes& g) { g.list("k", GgufType::list, 1, n(GgufType::u8) + n(uint64_t(0))); }), "list of lists"},
      {with([&](GgufBytes& g) { g.list("k", GgufType(99), 1, ""); }), "type 99"},
      {with([&](GgufBytes& g) { g.list("k", GgufType::u64, UINT64_MAX / 8 + 2, ""); }), "more than any file holds"},
      {with([&](GgufBytes& g) { g.list("k", GgufType::u8, UINT64_MAX, ""); }), "cut off or damaged"},
      {with([&](GgufBytes& g) { g.list("k", GgufType::text, UINT64_MAX, ""); }), "cut off or damaged"},
      {with([&](GgufBytes& g) { g.list("k", GgufType::boolean, 2, "\1\2"); }), "its byte is 2"},
      {with([&](GgufBytes& g) { g.key("a.count", 8u); }), "key a.count twice"},
      {with([&](GgufBytes& g) { g.key("general.alignment", 0u); }), "general.alignment is 0"},
      {with([&](GgufBytes& g) { g.key("general.alignment", 24u); }), "general.alignment is 24"},
      {with([&](GgufBytes& g) { g.key("general.alignment", 1u << 31); }), "general.alignment is 2147483648"},
      {with([&](GgufBytes& g) { g.key("general.alignment", "32"); }), "general.alignment is text"},
      {with([](GgufBytes& g) { g.tensor("w", {4}, 0, 256); }), "tensor w twice"},
      {with([](GgufBytes& g) { g.tensor("", {4}, 0, 256); }), "no name"},
      {with([](GgufBytes& g) { g.tensor(std::string(300, 'n'), {4}, 0, 256); }), "has 300 bytes"},
      {with([](GgufBytes& g) {
         g.tensor("v", {1, 1, 1, 1, 1}, 0, 256);
       }),
       "tensor v has 5 dimensions"},
      {with([](GgufBytes& g) {
         g.tensor("v", {4, 0}, 0, 256);
       }),
       "a dimension of 0"},
      {with([](GgufBytes& g) { g.tensor("v", {UINT64_MAX}, 0, 256); }), "a dimension of 18446744073709551615"},
      {with([](GgufBytes& g) { g.tensor("v", {uint64_t(1) << 60}, 0, 256); }), "takes 4611686018427387904 bytes"},
      {with([](GgufBytes& g) { g.tensor("v", {uint64_t(1) << 62}, 0, 256); }), "impossible shape"},
      {with([](GgufBytes& g) {
         g.tensor("v", {1u << 31, 1u << 31, 1u << 31}, 0, 256);
       }),
       "impossible shape"},
      {with([](GgufBytes& g) {
         g.tensor("v", {uint64_t(1) << 62, 4}, 12, 256);
       }),
       "impossible shape"},
      {with([](GgufBytes& g) { g.tensor("v", {4}, 9, 256); }), "tensor v has the format Q8_1; supported are F32, F16"},
      {with([](GgufBytes& g) { g.tensor("v", {4}, 26, 256); }), "the format I32"},
      {with([](GgufBytes& g) { g.tensor("v", {4}, 77, 256); }), "the format 77, which is unknown"},
      {with([](GgufBytes& g) { g.tensor("v", {48}, 8, 256); }), "rows of 48 elements, but Q8_0 needs a multiple of 32"},
      {with([](GgufBytes& g) { g.tensor("v", {}, 2, 256); }), "rows of 1 elements"},
      {with([](GgufBytes& g) { g.tensor("v", {4}, 0, 8); }), "multiple of the alignment 32"},
      {with([](GgufBytes& g) { g.tensor("v", {4}, 0, 32); }), "tensors w and v overlap"},
      {with([](GgufBytes& g) { g.tensor("v", {4}, 0, 256); }),
       "tensor v of shape [4] in F32 takes 16 bytes from byte 256"},
      {with([](GgufBytes& g) { g.tensor("v", {4}, 0, UINT64_MAX - 31); }), "from byte 18446744073709551584"},
      {with([](GgufBytes& g) { g.data.pop_back(); }), "which has only 255"},
      {with([](GgufBytes& g) { g.data.clear(); }), "which has only 0"},
  };
  for (const auto& c : cases) {
    const std::string message = message_of(c.file);
    EXPECT_NE(message.find(c.named), message.npos) << c.named << "\n" << message;
    EXPECT_EQ(message.find("x.gguf: "), 0u) << message;
    EXPECT_LT(message.size(), 600u);
  }
}

TEST(Gguf, EveryTruncationIsRefused) {
  const std::string whole = small().build();
  for (size_t n = 0; n < whole.size(); ++n) EXPECT_NE(message_of(whole.substr(0, n)), "no error") << n;
}

TEST(Gguf, ManyTensorsAreReadInLinearTime) {
  GgufBytes g;
  for (uint64_t i = 0; i < 200000; ++i) g.tensor(fmt::format("t{}", i), {1}, 0, 32 * i);
  g.data = std::string(200000 * 32, '\0');
  const std::string bytes = g.build();
  const GgufFile file = GgufFile::parse(bytes_of(bytes), "x");  // quadratic: minutes, beyond ctest's patience
  EXPECT_EQ(file.tensors().size(), 200000u);
}

class Parts : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / fmt::format("minke-gguf-{}", ::getpid());
    fs::create_directories(folder_);
    for (uint16_t part = 0; part < 3; ++part) write(part, part, 3, fmt::format("w{}", part));
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path name(int part, const char* stem = "m") const {
    return folder_ / fmt::format("{}-{:05}-of-00003.gguf", stem, part + 1);
  }
  void write(int part, uint16_t number, uint16_t parts, const std::string& tensor) const {
    GgufBytes g;
    g.key("split.no", GgufType::u16, GgufBytes::number(number))
        .key("split.count", GgufType::u16, GgufBytes::number(parts));
    g.key("split.tensors.count", GgufType::i32, GgufBytes::number(int32_t(3)));
    if (part == 0) g.key("general.architecture", "llama");
    g.tensor(tensor, {4}, 0, 0);
    g.data = std::string(16, char(part));
    std::ofstream(name(part), std::ios::binary) << g.build();
  }
  std::string message(const fs::path& path) const {
    try {
      Gguf::open(path);
    } catch (const UserError& e) {
      return e.what();
    }
    return "no error";
  }
  void expect_refused(const fs::path& path, const std::string& named) const {
    EXPECT_NE(message(path).find(named), std::string::npos) << message(path);
  }
  fs::path folder_;
};

TEST_F(Parts, AreOneModelWhicheverIsNamed) {
  for (int part = 0; part < 3; ++part) {
    const Gguf model = Gguf::open(name(part));
    EXPECT_EQ(model.tensor_count(), 3u);
    EXPECT_EQ(model.files().size(), 3u);
    EXPECT_EQ(model.metadata().text("general.architecture"), "llama");
    EXPECT_EQ(int(model.at("w2").bytes[0]), 2);
    EXPECT_EQ(*model.at("w1").file, name(1).string());
    EXPECT_EQ(model.find("absent"), nullptr);
    EXPECT_THROW(model.at("absent"), UserError);
  }
}

TEST_F(Parts, AMissingOneIsNamed) {
  fs::remove(name(1));
  expect_refused(name(0), "part 2 of 3, m-00002-of-00003.gguf, is missing");
}

TEST_F(Parts, OfOtherModelsAreRefused) {
  write(1, 2, 3, "w1");
  expect_refused(name(0), "says part 3 of 3");
  write(1, 1, 4, "w1");
  expect_refused(name(0), "says part 2 of 4");
  write(1, 1, 3, "w0");
  expect_refused(name(0), "tensor w0 is also in");
  write(1, 1, 3, "w1");
  EXPECT_EQ(message(name(0)), "no error");
  fs::copy_file(name(0), folder_ / "renamed.gguf");
  expect_refused(folder_ / "renamed.gguf", "must end in -00001-of-00003.gguf");
  fs::copy_file(name(0), folder_ / "m-00001-of-00004.gguf");
  expect_refused(folder_ / "m-00001-of-00004.gguf", "says part 1 of 3");
  expect_refused(folder_, "is a folder");
  expect_refused(folder_ / "absent.gguf", "absent.gguf");
}

// The file that Hugging Face and llama.cpp made, if it is there.
TEST(Gguf, ReadsAPublishedFile) {
  const auto path = test::shared_file("data/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
  if (!path) GTEST_SKIP() << "not in MINKE_SHARED";
  const Gguf model = Gguf::open(*path);
  EXPECT_EQ(model.tensor_count(), 272u);
  EXPECT_EQ(model.metadata().entries().size(), 33u);
  EXPECT_EQ(model.metadata().real("llama.attention.layer_norm_rms_epsilon"), 1e-5);
  EXPECT_EQ(model.metadata().texts("tokenizer.ggml.tokens").size(), 49152u);
  const GgufTensor& q = model.at("blk.0.attn_q.weight");
  EXPECT_EQ(q.shape, (std::vector<int64_t>{576, 576}));
  EXPECT_EQ(q.format, BlockFormat::q4_1);
  std::vector<float> values(size_t(q.size()));
  read_as_f32(q, values.data());
  double sum = 0, squares = 0;
  for (float v : values) sum += v, squares += double(v) * v;
  EXPECT_NEAR(sum, 59.22322082519531, 1e-9) << "as the gguf library has it";
  EXPECT_NEAR(squares, 26749.573275085306, 1e-6);
}

}  // namespace
}  // namespace minke
