// SFT as a stage of a run: what a step minimises is what the conversations say one by one, however they are packed.
#include "run/sft_stage.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "model/checkpoint.h"
#include "run/pretrain_stage.h"
#include "support/poison.h"
#include "support/random.h"
#include "support/tiny.h"

namespace minke {
namespace {

using namespace test;

const char* const kBase = R"(
[tokenizer]
vocab_size = 290
[data]
documents = "blank-lines"
[train]
steps = 2
sequence_length = 64
batch_size = 4
precision = "f32"
lr = 0.01
[log]
sample_tokens = 0
[model]
hidden_size = 16
num_hidden_layers = 2
num_attention_heads = 2
q_lora_rank = 8
kv_lora_rank = 8
qk_nope_head_dim = 8
qk_rope_head_dim = 4
v_head_dim = 8
intermediate_size = 24
first_k_dense_replace = 1
n_routed_experts = 4
num_experts_per_tok = 2
moe_intermediate_size = 8
n_group = 2
topk_group = 1
num_nextn_predict_layers = 1
)";

class Sft : public ::testing::Test {
 protected:
  fs::path folder = fs::path(::testing::TempDir()) / fmt::format("minke-sft-{}", ::getpid());
  TestContext ctx{cpu_backend()};
  RunMachine machine{ctx.context(), "a test", [](const Context&, DType) { return 1e9; }};

  void SetUp() override {
    fs::create_directories(folder);
    std::string text;
    for (int i = 0; i < 60; ++i) text += fmt::format("The whale number {} sings, and the sea is blue.\n\n", i);
    write_file_atomic(folder / "text.txt", text);
    ::testing::internal::CaptureStdout();
    EXPECT_TRUE(
        pretrain(parse_recipe(kBase, "r.toml", {fmt::format("data.train=[\"{}\"]", (folder / "text.txt").string())}),
                 folder / "base", false, machine));
    ::testing::internal::GetCapturedStdout();
  }
  void TearDown() override { fs::remove_all(folder); }

  std::vector<Json> write_conversations() {
    std::vector<Json> all;
    std::string lines;
    for (int i = 0; i < 24; ++i) {
      Json messages = Json::array();
      for (int turn = 0; turn <= i % 2; ++turn) {
        messages.push_back({{"role", "user"}, {"content", fmt::format("{} + {}", i, turn)}});
        messages.push_back({{"role", "assistant"}, {"content", std::string(size_t(i % 5 + 1), char('a' + i))}});
      }
      all.push_back({{"messages", messages}});
      lines += all.back().dump() + "\n";
    }
    write_file_atomic(folder / "c.jsonl", lines);
    return all;
  }
  std::vector<Json> log_of(const fs::path& run) {
    std::vector<Json> log;
    const std::string lines = read_file(run / "log.jsonl");
    for (size_t begin = 0; begin < lines.size();) {
      const size_t end = lines.find('\n', begin);
      log.push_back(parse_json(lines.substr(begin, end - begin), "log"));
      begin = end + 1;
    }
    return log;
  }
};

TEST_F(Sft, AStepMinimisesTheTargetsOfEachConversationAlone) {
  const std::vector<Json> conversations = write_conversations();
  const fs::path base = folder / "base" / "latest";
  // One by one, not packed, by the model that SFT begins with.
  const Tokenizer tokenizer = Tokenizer::load(base);
  const ChatTemplate chat_template = *ChatTemplate::load(base);
  const ConversationEncoder encoder(tokenizer, chat_template);
  const CheckpointFiles files = open_checkpoint(base, kAllMtp);
  Model model(ctx, files.config, Precision::f32(), 64);
  for (Weight& w : model.weights().all()) w.with_gradient(ctx);
  load_weights(ctx, model, files.weights);
  PlainExecutor executor(ctx, model, 1, 64);
  double nats = 0;
  int64_t targets = 0;
  for (const Json& line : conversations)
    for (const TrainedConversation& c : encoder.encode(line, "test")) {
      TokenBatch b{.num_sequences = 1, .sequence_length = int64_t(c.tokens.size()) - 1};
      b.tokens.assign(c.tokens.begin(), c.tokens.end() - 1);
      for (size_t i = 1; i < c.tokens.size(); ++i) b.targets.push_back(c.is_target[i] ? c.tokens[i] : -1);
      const LossSums& sums = executor.losses(ctx, b, false);
      nats += sums.nats[0], targets += sums.targets[0];
    }

  ::testing::internal::CaptureStdout();
  // All conversations in one step: more sequences than there are would begin the next epoch.
  for (int64_t batch = 1;; ++batch) {
    ASSERT_LE(batch, 24);
    const fs::path run = folder / fmt::format("run-{}", batch);
    EXPECT_TRUE(
        sft(parse_recipe("", "r.toml",
                         {fmt::format("data.train=[\"{}\"]", (folder / "c.jsonl").string()), "data.held_out_fraction=0",
                          "train.sequence_length=64", fmt::format("train.batch_size={}", batch),
                          "train.micro_batch_size=1", "train.precision=\"f32\"", "sft.epochs=1", "log.sample_tokens=0"},
                         "", RecipeOf::sft),
            base, run, false, machine));
    const std::vector<Json> log = log_of(run);
    if (log.back()["step"] != 1) continue;  // the epoch has more sequences
    for (const Json& j : log)
      if (j.contains("loss")) {
        EXPECT_GT(batch, 1);
        EXPECT_NEAR(double(j["loss"]), nats / double(targets), 1e-5);
        ::testing::internal::GetCapturedStdout();
        return;
      }
  }
}

}  // namespace
}  // namespace minke
