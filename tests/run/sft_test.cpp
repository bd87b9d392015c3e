// SFT as a stage of a run: what a step minimises is what the conversations say one by one, however they are packed; with the share that a
// teacher's distribution has.
#include "run/sft_stage.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
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
  std::string said;
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

  std::vector<Json> conversations() const {
    std::vector<Json> all;
    for (int i = 0; i < 24; ++i) {
      Json messages = Json::array();
      for (int turn = 0; turn <= i % 2; ++turn) {
        messages.push_back({{"role", "user"}, {"content", fmt::format("{} + {}", i, turn)}});
        messages.push_back({{"role", "assistant"}, {"content", std::string(size_t(i % 5 + 1), char('a' + i))}});
      }
      all.push_back({{"messages", messages}});
    }
    return all;
  }
  // Each answer as a teacher may have drawn it, with what it says of its tokens; but for every fourth, which it has drawn otherwise.
  std::vector<Json> conversations_of_a_teacher(const Tokenizer& tokenizer) const {
    std::vector<Json> all = conversations();
    for (size_t i = 0; i < all.size(); ++i) {
      TopLogProbabilities top{.vocabulary = vocabulary_hash(tokenizer)};
      const std::string answer = all[i]["messages"].back()["content"];
      std::vector<int32_t> ids = tokenizer.encode(i % 4 == 2 ? std::string("?") : answer);
      ids.push_back(tokenizer.eos_id());
      for (const int32_t id : ids) {
        const std::vector<std::pair<int32_t, double>> pairs{{id, std::log(0.5)},
                                                            {id - 1, std::log(0.25 / double(i + 1))}};
        top.add(id, pairs);
      }
      all[i]["top_logprobs"] = to_json(top);
    }
    return all;
  }
  void write(const std::vector<Json>& conversations) const {
    std::string lines;
    for (const Json& line : conversations) lines += line.dump() + "\n";
    write_file_atomic(folder / "c.jsonl", lines);
  }
  bool train(const fs::path& run, std::vector<std::string> settings, bool resume = false) {
    for (const char* s : {"data.held_out_fraction=0", "train.sequence_length=64", "train.micro_batch_size=1",
                          "train.precision=\"f32\"", "sft.epochs=1", "log.sample_tokens=0"})
      settings.emplace_back(s);
    settings.push_back(fmt::format("data.train=[\"{}\"]", (folder / "c.jsonl").string()));
    return sft(parse_recipe("", "r.toml", settings, "", RecipeOf::sft), folder / "base" / "latest", run, resume,
               machine);
  }
  // The loss of a step with all conversations: more sequences than there are would begin the next epoch.
  double loss_of_all(const std::vector<std::string>& settings) {
    for (int64_t batch = 2; batch <= 24; ++batch) {
      const fs::path run = folder / fmt::format("run-{}", batch);
      fs::remove_all(run);
      std::vector<std::string> with_batch = settings;
      with_batch.push_back(fmt::format("train.batch_size={}", batch));
      ::testing::internal::CaptureStdout();
      EXPECT_TRUE(train(run, with_batch));
      ::testing::internal::GetCapturedStdout();
      const std::vector<Json> log = log_of(run);
      if (log.back()["step"] != 1) continue;  // the epoch has more sequences
      for (const Json& j : log)
        if (j.contains("loss")) return j["loss"];
    }
    ADD_FAILURE();
    return 0;
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

// One by one, not packed, by the model that SFT begins with: nats per target. With a teacher's share, where it speaks of one.
struct OneByOne {
  const Tokenizer tokenizer;
  const ChatTemplate chat_template;
  const ConversationEncoder encoder{tokenizer, chat_template};
  int64_t targets = 0, soft = 0;

  explicit OneByOne(const fs::path& base)
      : tokenizer(Tokenizer::load(base)), chat_template(*ChatTemplate::load(base)) {}
  double loss(const TestContext& ctx, const fs::path& base, const std::vector<Json>& conversations, double share) {
    const CheckpointFiles files = open_checkpoint(base, kAllMtp);
    Model model(ctx, files.config, Precision::f32(), 64);
    for (Weight& w : model.weights().all()) w.with_gradient(ctx);
    load_weights(ctx, model, files.weights);
    PlainExecutor executor(ctx, model, 1, 64);
    double nats = 0;
    targets = soft = 0;
    for (const Json& line : conversations)
      for (const TrainedConversation& c : encoder.encode(line, "test")) {
        TokenBatch b{.num_sequences = 1, .sequence_length = int64_t(c.tokens.size()) - 1};
        b.tokens.assign(c.tokens.begin(), c.tokens.end() - 1);
        for (size_t i = 1; i < c.tokens.size(); ++i) b.targets.push_back(c.is_target[i] ? c.tokens[i] : -1);
        if (share > 0) add_teacher(line, c, b);
        const LossSums& sums = executor.losses(ctx, b, false, {.soft_share = share});
        nats += sums.nats[0], targets += sums.targets[0];
      }
    return nats / double(targets);
  }
  void add_teacher(const Json& line, const TrainedConversation& c, TokenBatch& b) {
    const TopLogProbabilities top = top_log_probabilities(line["top_logprobs"], "test");
    const SoftRows rows = soft_rows(tokenizer, c, top);
    b.num_soft = 2;
    for (size_t i = 1; i < c.tokens.size(); ++i)
      for (size_t k = 0; k < 2; ++k) {
        const size_t at = rows.row[i] < 0 ? 0 : size_t(rows.row[i]) * 2 + k;
        b.soft_token.push_back(rows.row[i] < 0 ? -1 : top.ids[at]);
        b.soft_probability.push_back(std::exp(top.log_probabilities[at]));
        soft += k == 0 && rows.row[i] >= 0;
      }
  }
};

TEST_F(Sft, AStepMinimisesTheTargetsOfEachConversationAlone) {
  write(conversations());
  const fs::path base = folder / "base" / "latest";
  const double expected = OneByOne(base).loss(ctx, base, conversations(), 0);
  EXPECT_NEAR(loss_of_all({}), expected, 1e-5);
}

TEST_F(Sft, ATeachersDistributionHasItsShare) {
  const fs::path base = folder / "base" / "latest";
  OneByOne one(base);
  const std::vector<Json> all = conversations_of_a_teacher(one.tokenizer);
  write(all);
  const double hard = one.loss(ctx, base, all, 0), mixed = one.loss(ctx, base, all, 0.75);
  EXPECT_GT(one.soft, one.targets / 3);
  EXPECT_LT(one.soft, one.targets);
  EXPECT_GT(std::abs(hard - mixed), 1e-3);
  EXPECT_NEAR(loss_of_all({"sft.soft_targets=0.75"}), mixed, 1e-5);
  EXPECT_NEAR(loss_of_all({}), hard, 1e-5);
}

TEST_F(Sft, WithoutAShareALinesTeacherIsNotRead) {
  const OneByOne one(folder / "base" / "latest");
  const auto weights = [&](const std::string& name, const std::vector<Json>& lines, std::vector<std::string> settings) {
    write(lines);
    settings.emplace_back("train.batch_size=2");
    ::testing::internal::CaptureStdout();
    EXPECT_TRUE(train(folder / name, settings));
    said = ::testing::internal::GetCapturedStdout();
    return read_file(folder / name / "latest" / "model.safetensors");
  };
  std::vector<Json> all = conversations_of_a_teacher(one.tokenizer);
  const std::string plain = weights("plain", conversations(), {});
  EXPECT_EQ(weights("unread", all, {"sft.soft_targets=0"}), plain);
  EXPECT_EQ(said.find("teacher"), said.npos);
  const std::string taught = weights("taught", all, {"sft.soft_targets=0.5"});
  EXPECT_NE(taught, plain);
  EXPECT_NE(said.find("\nteacher     "), said.npos) << said;
  EXPECT_NE(said.find(" of the targets have its distribution, 0.5 of their loss; 6 answers are not all of its tokens"),
            said.npos)
      << said;
  EXPECT_EQ(weights("again", all, {"sft.soft_targets=0.5"}), taught);
  // A recipe that was edited: the data that it wants are not there.
  const fs::path recipe = folder / "plain" / "recipe.toml";
  std::string text = read_file(recipe);
  const std::string key = "soft_targets = 0.0";
  ASSERT_NE(text.find(key), text.npos);
  write_file_atomic(recipe, text.replace(text.find(key), key.size(), "soft_targets = 0.5"));
  ::testing::internal::CaptureStdout();
  try {
    train(folder / "plain", {}, true);
    ADD_FAILURE();
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("tokenised without a teacher's log-probabilities"), std::string::npos)
        << e.what();
  }
  ::testing::internal::GetCapturedStdout();
}

}  // namespace
}  // namespace minke
