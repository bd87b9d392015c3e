// Checkpoints to convert, in a folder that goes away.
#pragma once
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "convert/convert.h"
#include "core/error.h"
#include "kernels/cpu/backend.h"
#include "support/random.h"
#include "support/shared_files.h"
#include "support/tiny.h"

namespace minke::test {

class Converting : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  static fs::path golden(const std::string& name) { return source_file("tests/golden") / name; }

  // A V3 model whose rows are whole blocks of 256 or 32, but for one of 40.
  fs::path wide_model() {
    Config c = tiny_v3(1);
    c.hidden_size = 256;
    c.q_lora_rank = 64;
    c.kv_lora_rank = c.qk_nope_head_dim = c.qk_rope_head_dim = c.v_head_dim = c.moe_intermediate_size = 32;
    c.intermediate_size = 40;
    Model model(ctx_, c, Precision::f32(), 16);
    model.weights().initialise(ctx_, 0.1);
    fs::create_directories(folder_ / "wide");
    save_weights(ctx_, model, folder_ / "wide", DType::f32);
    return folder_ / "wide";
  }

  // A llama whose rows are whole blocks of 32.
  fs::path wide_llama() { return llama(64, 16); }
  // And whose matrices have more than the million values that are read at once.
  fs::path large_llama() { return llama(1056, 264); }
  fs::path llama(int64_t hidden, int64_t head) {
    Config c = tiny_llama();
    c.hidden_size = hidden;
    c.head_dim = head;
    c.num_key_value_heads = c.num_attention_heads;
    c.num_hidden_layers = 1;
    c.intermediate_size = 96;
    Model model(ctx_, c, Precision::f32(), 16);
    model.weights().initialise(ctx_, 0.8 / std::sqrt(double(hidden)));
    const fs::path path = folder_ / fmt::format("llama-{}", hidden);
    fs::create_directories(path);
    save_weights(ctx_, model, path, DType::f32);
    return path;
  }

  SelfTest to(const fs::path& from, const fs::path& out, WeightType type = WeightType::keep,
              std::optional<WeightType> experts = {}) {
    notes_.clear();
    return convert(ctx_, {.from = from,
                          .to = out,
                          .type = type,
                          .experts = experts,
                          .on_note = [&](const std::string& note) { notes_ += note + "\n"; },
                          .on_progress = [&](std::string_view, size_t done, size_t all) { EXPECT_LE(done, all); }});
  }
  template <class F> static std::string message(F f) {
    try {
      f();
    } catch (const UserError& e) {
      return e.what();
    }
    return "no error";
  }
  static void expect_has(const std::string& text, std::string_view part) {
    EXPECT_NE(text.find(part), text.npos) << text;
  }
  size_t entries() const { return size_t(std::distance(fs::directory_iterator(folder_), fs::directory_iterator())); }

  // The same tensors with the same types and bytes.
  static void expect_same_tensors(const fs::path& a, const fs::path& b) {
    const HfFolder x = HfFolder::open(a), y = HfFolder::open(b);
    EXPECT_EQ(x.tensor_count(), y.tensor_count());
    for (const SafetensorsFile& file : x.files())
      for (const TensorInfo& t : file.tensors()) {
        const TensorInfo& other = y.at(t.name);
        EXPECT_EQ(t.dtype, other.dtype) << t.name;
        EXPECT_EQ(t.shape, other.shape) << t.name;
        ASSERT_EQ(t.bytes.size(), other.bytes.size()) << t.name;
        EXPECT_EQ(std::memcmp(t.bytes.data(), other.bytes.data(), t.bytes.size()), 0) << t.name;
      }
  }

  TestContext ctx_{cpu_backend()};
  std::string notes_;
  fs::path folder_ = fs::temp_directory_path() / fmt::format("minke-convert-{}", ::getpid());
};

}  // namespace minke::test
