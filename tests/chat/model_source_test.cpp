#include "chat/model_source.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "chat/fixture.h"
#include "support/gguf_fixture.h"

namespace minke {
namespace {

using namespace test;

class ModelSourceTest : public ::testing::Test {
 protected:
  fs::path folder_ = fs::temp_directory_path() / ("minke-model-source-" + std::to_string(::getpid()));
  void SetUp() override {
    ChatFixture f;
    fs::create_directories(folder_);
    save_weights(f.ctx, f.model, folder_, DType::f32);
    f.source.tokenizer.save(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
};

TEST_F(ModelSourceTest, OpensAFolder) {
  const ModelSource plain = open_model(folder_);
  EXPECT_EQ(plain.files.config.num_hidden_layers, 3);
  EXPECT_FALSE(plain.chat_template);
  EXPECT_EQ(plain.stop_tokens, std::vector<int32_t>{1});
  write_file_atomic(folder_ / "generation_config.json", R"({"temperature": 0.5, "eos_token_id": [1, 2]})");
  write_file_atomic(folder_ / "chat_template.jinja", "{{ messages[0].content }}");
  const ModelSource chatting = open_model(folder_);
  EXPECT_TRUE(chatting.chat_template);
  EXPECT_EQ(chatting.defaults.temperature, 0.5);
  EXPECT_EQ(chatting.stop_tokens, (std::vector<int32_t>{1, 2}));
}

// Which the folder had that it was made of (minke convert).
TEST_F(ModelSourceTest, AGgufFileMayHaveAGenerationConfig) {
  const fs::path file = folder_ / "m.gguf";
  write_gguf_fixture(
      folder_, file,
      {.tokenizer = folder_, .generation_config = R"({"temperature": 0.25, "top_k": 7, "eos_token_id": [1, 2]})"});
  const ModelSource with = open_model(file);
  EXPECT_EQ(with.defaults.temperature, 0.25);
  EXPECT_EQ(with.defaults.top_k, 7);
  EXPECT_NE(std::find(with.stop_tokens.begin(), with.stop_tokens.end(), 2), with.stop_tokens.end());
  write_gguf_fixture(folder_, file, {.tokenizer = folder_});
  EXPECT_EQ(open_model(file).defaults.temperature, std::nullopt);
  write_gguf_fixture(folder_, file, {.tokenizer = folder_, .generation_config = R"({"temperature": "hot"})"});
  try {
    open_model(file);
    FAIL();
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("m.gguf: minke.generation_config"), std::string::npos) << e.what();
  }
}

TEST_F(ModelSourceTest, ATokenizerOfAnotherModelIsRefused) {
  static const std::string_view text[] = {"abc"};
  train_bpe(text, {.vocab_size = 400, .special_tokens = {"<bos>", "<eos>", "<a>", "<b>", "<c>", "<d>", "<e>", "<f>"}})
      .save(folder_);
  try {
    open_model(folder_);
    FAIL();
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("do not belong together"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace minke
