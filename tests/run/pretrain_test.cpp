// Whole runs of a tiny model, looked at from outside: what lies in the folder
// and in the log against what this file works out from the text, the shards and
// the weights by other ways.
#include "run/pretrain_stage.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/human_numbers.h"
#include "core/json.h"
#include "eval/likelihood.h"
#include "formats/safetensors.h"
#include "model/checkpoint.h"
#include "support/random.h"

namespace minke {
namespace {

using namespace test;

const char* const kRecipe = R"(
[tokenizer]
vocab_size = 280
[data]
train = ["text.txt"]
documents = "blank-lines"
held_out_fraction = 0.1
[train]
steps = 6
sequence_length = 16
batch_size = 4
micro_batch_size = 2
precision = "f32"
seed = 3
lr = 0.01
warmup = 0.34
[log]
eval_every = 0.5
save_every = 0.5
sample_tokens = 3
sample_prompts = ["The whale"]
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
norm_topk_prob = true
num_nextn_predict_layers = 1
)";

constexpr double kHeldOut = 0.1;
const char* const kSecret = "quixotry";  // stands in held-out documents only

// Documents, those held out with a word of their own, which is as frequent as
// any other.
std::vector<std::string> documents() {
  std::vector<std::string> all;
  int held_out = 0;
  for (int i = 0; all.size() < 150 || held_out < 12; ++i) {
    const std::string plain = fmt::format("The whale number {} sings, and the sea is blue.", i);
    const std::string secret = plain + fmt::format(" {0} {0} {0} {0} {0} {0}!", kSecret);
    if (!split_document(secret, {.hash_fraction = kHeldOut}).held_out.empty()) {
      all.push_back(secret);
      ++held_out;
    } else if (split_document(plain, {.hash_fraction = kHeldOut}).held_out.empty()) {
      all.push_back(plain);
    }
  }
  return all;
}

struct Folder {
  fs::path path = fs::path(::testing::TempDir()) / fmt::format("minke-run-{}-{}", ::getpid(), count++);
  static inline int count = 0;
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
};

struct TinyPretrain {
  Folder folder;
  TestContext ctx{cpu_backend()};
  Recipe recipe;
  fs::path run = folder.path / "run";
  std::vector<Json> log;
  std::string console;

  explicit TinyPretrain(std::vector<std::string> set = {}) {
    std::string text;
    for (const std::string& d : documents()) text += d + "\n\n";
    write_file_atomic(folder.path / "text.txt", text);
    set.insert(set.begin(), fmt::format("data.train=[\"{}\"]", (folder.path / "text.txt").string()));
    recipe = parse_recipe(kRecipe, "r.toml", set);
    const RunMachine machine{ctx.context(), "a test", [](const Context&, DType) { return 1e9; }};
    ::testing::internal::CaptureStdout();
    EXPECT_TRUE(pretrain(recipe, run, false, machine));
    console = ::testing::internal::GetCapturedStdout();
    const std::string lines = read_file(run / "log.jsonl");
    for (size_t begin = 0; begin < lines.size();) {
      const size_t end = lines.find('\n', begin);
      log.push_back(parse_json(lines.substr(begin, end - begin), "log"));
      begin = end + 1;
    }
  }
  // The line of a step that has this key; fails without one.
  const Json& line(int64_t step, const char* key) const {
    for (const Json& j : log)
      if (j["step"] == step && j.contains(key)) return j;
    ADD_FAILURE() << "no line of step " << step << " with " << key;
    return log[0];
  }
  Tokenizer tokenizer() const { return Tokenizer::load(run / "tokenizer"); }
  Dataset data() const { return open_dataset(run / "data"); }
  fs::path latest() const { return run / "latest"; }
};

std::vector<int32_t> document(const TokenSet& set, uint64_t d) {
  std::vector<int32_t> ids(set.document_length(d));
  set.copy_document(d, 0, ids.size(), ids.data());
  return ids;
}

TEST(Pretrain, DocumentsAreWholeAndHeldOutOnesAreNeverTrainedOn) {
  const TinyPretrain r;
  const Tokenizer tokenizer = r.tokenizer();
  const Dataset data = r.data();
  std::multiset<std::string> expected_train, expected_held_out;
  for (const std::string& d : documents())
    (split_document(d, {.hash_fraction = kHeldOut}).held_out.empty() ? expected_train : expected_held_out).insert(d);
  const auto texts = [&](const TokenSet& set) {
    std::multiset<std::string> all;
    for (uint64_t d = 0; d < set.num_documents(); ++d) {
      const std::vector<int32_t> ids = document(set, d);
      EXPECT_EQ(ids.front(), tokenizer.bos_id());
      EXPECT_EQ(ids.back(), tokenizer.eos_id());
      all.insert(tokenizer.decode(std::span(ids).subspan(1, ids.size() - 2)));
    }
    return all;
  };
  EXPECT_GE(tokenizer.bos_id(), 0);
  EXPECT_NE(tokenizer.bos_id(), tokenizer.eos_id());
  EXPECT_EQ(texts(data.train), expected_train);
  EXPECT_EQ(texts(data.held_out), expected_held_out);
  EXPECT_GE(expected_held_out.size(), 12u);
  // The tokenizer has not seen them either: their word stays bytes, while a
  // word of the training text has become tokens.
  EXPECT_EQ(tokenizer.encode(kSecret).size(), std::string_view(kSecret).size());
  EXPECT_LT(tokenizer.encode(" whale").size(), 5u);
  EXPECT_EQ(tokenizer.vocab_size(), 280);
}

// Loss of the first step of a run: initial weights and the first batch, both
// made again here.
void expect_first_step(const TinyPretrain& r, const PackingOptions& packing, bool mask_documents) {
  const Context seeded = [&] {
    Context c = r.ctx.context();
    c.rng = {.seed = 3};
    return c;
  }();
  Model model(seeded, load_config(r.latest()), Precision::f32(), 16);
  model.weights().initialise(seeded, 0.02);
  const Dataset data = r.data();
  const Loader loader({{&data.train}}, packing, r.tokenizer().eos_id());
  const SequenceBatch batch = loader.batch({}, 4);
  double nats = 0;
  int64_t targets = 0;
  for (int64_t s = 0; s < 4; ++s) {
    std::vector<int32_t> tokens, target, start;
    for (int64_t i = 0; i < 16; ++i) {
      tokens.push_back(batch.tokens[size_t(17 * s + i)]);
      target.push_back(i + 1 < batch.num_valid[size_t(s)] ? batch.tokens[size_t(17 * s + i + 1)] : -1);
      targets += target.back() >= 0;
      start.push_back(batch.document_start[size_t(16 * s + i)]);
    }
    const std::vector<int64_t> n{16};
    Arena measure;
    model.lay_out_saved(measure, n, false);
    Arena arena(seeded.backend->memory(), measure.high_water());
    const ModelSaved saved = model.lay_out_saved(arena, n, false);
    BatchBuffers buffers(seeded, 16, 0);
    const auto& batches = buffers.fill(seeded, tokens, target, 1, 16,
                                       mask_documents ? std::span<const int32_t>(start) : std::span<const int32_t>());
    model.forward(seeded, batches, saved);
    model.loss(seeded, batches, saved);
    std::vector<float> loss(16);
    seeded.backend->download(seeded, {.device = saved.loss, .host = loss.data()});
    for (float l : loss) nats += double(l);
  }
  // f32 logits of order 0.1 around ln 280.
  EXPECT_NEAR(r.line(1, "loss")["loss"].get<double>(), nats / double(targets), 1e-6);
}

TEST(Pretrain, TheFirstBatchIsTheLoadersFirst) {
  const TinyPretrain r;
  const PackingOptions packing{.sequence_length = 16, .seed = 3, .begins_with_bos = true};
  expect_first_step(r, packing, false);
  // The whole run by its log: 24 sequences of 16 tokens.
  const Dataset data = r.data();
  for (int64_t step = 1; step <= 6; ++step) {
    const Json& j = r.line(step, "loss");
    EXPECT_EQ(j["tokens"], 64);
    EXPECT_NEAR(j["epochs"].get<double>(), double(4 * step) / double((data.train.num_tokens() + 15) / 16), 1e-12);
    EXPECT_GT(j["grad_norm"].get<double>(), 0);
    EXPECT_GT(j["seconds"].get<double>(), 0);
    if (step > 1) {
      EXPECT_NEAR(j["train_seconds"].get<double>() - r.line(step - 1, "loss")["train_seconds"].get<double>(),
                  j["seconds"].get<double>(), 1e-9);
    }
  }
  // 0.34 of 6 steps is two of warm-up; then the peak until half of the tokens,
  // where the cosine to a tenth begins.
  EXPECT_DOUBLE_EQ(r.line(1, "lr")["lr"], 0.005);
  EXPECT_DOUBLE_EQ(r.line(2, "lr")["lr"], 0.01);
  EXPECT_DOUBLE_EQ(r.line(4, "lr")["lr"], 0.01);
  EXPECT_DOUBLE_EQ(r.line(5, "lr")["lr"], 0.001 + 0.0045 * (1 + std::cos(M_PI / 3)));
}

TEST(Pretrain, DocumentsAreMaskedAndPackedAsAsked) {
  const TinyPretrain r({"data.mask_documents=true", "data.packing=best-fit"});
  const PackingOptions packing{
      .sequence_length = 16, .packing = PackingMode::best_fit, .seed = 3, .begins_with_bos = true};
  expect_first_step(r, packing, true);
}

// What a checkpoint's weights say of the held-out text, window by window.
struct HeldOutText {
  double nats = 0, bytes = 0;
  int64_t tokens = 0;
};
HeldOutText held_out_text(const TinyPretrain& r, const fs::path& checkpoint) {
  Model model(r.ctx, load_config(checkpoint), Precision::f32(), 17);
  load_weights(r.ctx, model, open_weights(model.config(), checkpoint));
  Likelihood likelihood(r.ctx, model, 17);
  const Dataset data = r.data();
  const Tokenizer tokenizer = r.tokenizer();
  HeldOutText all;
  std::vector<int32_t> ids{tokenizer.eos_id()};  // as if a document had just ended
  for (uint64_t d = 0; d < data.held_out.num_documents(); ++d) {
    const std::vector<int32_t> text = document(data.held_out, d);
    ids.insert(ids.end(), text.begin(), text.end());
    all.bytes += double(tokenizer.decode(std::span(text).subspan(1, text.size() - 2)).size());
  }
  all.tokens = int64_t(ids.size()) - 1;
  for (size_t begin = 1; begin < ids.size(); begin += 16) {
    const std::vector<int32_t> text(ids.begin() + long(begin), ids.begin() + long(std::min(begin + 16, ids.size())));
    all.nats -= likelihood(r.ctx, {{{ids[begin - 1]}, text}})[0].nats;
  }
  return all;
}

TEST(Pretrain, TheLastEvaluationIsOfAllHeldOutText) {
  const TinyPretrain r({"train.ema_decay=0.8"});
  const HeldOutText plain = held_out_text(r, r.latest()), average = held_out_text(r, r.latest() / "average");
  const auto logged = [&](const char* key) { return r.line(6, key)[key].get<double>(); };
  EXPECT_TRUE(r.line(6, "eval_bits_per_byte")["final"]);
  EXPECT_EQ(logged("eval_tokens"), double(plain.tokens));
  EXPECT_NEAR(logged("eval_nats_per_token"), plain.nats / double(plain.tokens), 1e-5);
  EXPECT_NEAR(logged("eval_bits_per_byte"), plain.nats / M_LN2 / plain.bytes, 1e-5);
  EXPECT_NEAR(logged("eval_average_nats_per_token"), average.nats / double(plain.tokens), 1e-5);
  EXPECT_NEAR(logged("eval_average_bits_per_byte"), average.nats / M_LN2 / plain.bytes, 1e-5);
  EXPECT_GT(std::abs(average.nats - plain.nats) / double(plain.tokens), 1e-3) << "these cannot be told apart";
}

// A part of it during the run: as many whole micro-batches as it takes.
TEST(Pretrain, EvaluationsOnTheWayTakeAsManyTokensAsAsked) {
  const TinyPretrain r({"log.eval_tokens=33"});
  EXPECT_EQ(r.line(3, "eval_tokens")["eval_tokens"],
            64);  // two windows of 16 at a time
  EXPECT_FALSE(r.line(3, "eval_tokens")["final"]);
  EXPECT_GT(r.line(6, "eval_tokens")["eval_tokens"], 64);
  for (const Json& j : r.log)
    if (j.contains("eval_tokens")) {
      EXPECT_TRUE(j["step"] == 3 || j["step"] == 6) << j;
    }
}

std::vector<float> values(const SafetensorsFile& file, const std::string& name) {
  const TensorInfo& t = file.at(name);
  EXPECT_EQ(t.dtype, DType::f32) << name;
  std::vector<float> host(size_t(t.size()));
  std::memcpy(host.data(), t.bytes.data(), t.bytes.size());
  return host;
}

// A checkpoint holds the weights of its state, and its average/ those of the
// average: not one in place of the other.
TEST(Pretrain, TheAverageIsSavedAsTheAverage) {
  const TinyPretrain r({"train.ema_decay=0.8"});
  const SafetensorsFile state = SafetensorsFile::open(r.latest() / "train" / "state.safetensors");
  for (const auto& [folder, prefix] : {std::pair{r.latest(), "w."}, {r.latest() / "average", "e."}}) {
    Model model(r.ctx, load_config(folder), Precision::f32(), 16);
    load_weights(r.ctx, model, open_weights(model.config(), folder));
    for (const Weight& w : model.weights().all()) {
      std::vector<float> host(size_t(w.master().size()));
      r.ctx.backend().download(r.ctx, {.device = w.master(), .host = host.data()});
      EXPECT_EQ(host, values(state, prefix + w.storage().name)) << folder;
    }
  }
  EXPECT_NE(values(state, "w.lm_head"), values(state, "e.lm_head"));
  EXPECT_TRUE(fs::exists(r.latest() / "average" / "tokenizer.json"));
  const TinyPretrain without;
  EXPECT_FALSE(fs::exists(without.latest() / "average"));
}

// Masters in f32, the checkpoint for others in the precision of the run.
TEST(Pretrain, TheCheckpointHasThePrecisionOfTheRun) {
  const auto dtype = [](const char* precision) {
    const TinyPretrain r({fmt::format("train.precision={}", precision), "train.steps=1"});
    return SafetensorsFile::open(r.latest() / "model.safetensors").at("lm_head.weight").dtype;
  };
  EXPECT_EQ(dtype("bf16"), DType::bf16);
  EXPECT_EQ(dtype("f32"), DType::f32);
}

TEST(Pretrain, SavesSamplesAndEvaluatesAsOftenAsAsked) {
  const TinyPretrain r({"log.save_every=0.34", "log.keep=2", "log.eval_every=0.3334"});
  std::set<std::string> kept;
  for (const auto& entry : fs::directory_iterator(r.run / "checkpoints")) kept.insert(entry.path().filename().string());
  EXPECT_EQ(kept.size(), 2u);
  std::map<int64_t, int> samples;
  for (const Json& j : r.log)
    if (j.contains("sample")) {
      ++samples[j["step"].get<int64_t>()];
      EXPECT_EQ(j["prompt"], "The whale");
    }
  EXPECT_EQ(samples, (std::map<int64_t, int>{{3, 1}, {5, 1}, {6, 1}}));
  EXPECT_EQ(r.line(0, "run")["run"]["steps"], 6);
  EXPECT_EQ(r.line(0, "run")["run"]["machine"], "a test");
  EXPECT_EQ(r.line(0, "run")["run"]["product_flops"], 1e9);
}

// Every expert layer is in the log, the MTP module's (layer 2) too: 2 of 4
// experts for each of its tokens.
TEST(Pretrain, TheLogCountsEveryExpertLayer) {
  const TinyPretrain r;
  for (int64_t step = 1; step <= 6; ++step) {
    const Json& load = r.line(step, "load")["load"];
    const Json& violation = r.line(step, "max_vio")["max_vio"];
    ASSERT_EQ(load.size(), 2u);
    for (const auto& [layer, tokens] : {std::pair{"1", 64}, {"2", 60}}) {
      double sum = 0, most = 0;
      for (const Json& n : load[layer]) {
        sum += n.get<double>();
        most = std::max(most, n.get<double>());
      }
      EXPECT_EQ(load[layer].size(), 4u);
      EXPECT_EQ(sum, 2 * tokens) << "layer " << layer;
      EXPECT_NEAR(violation[layer].get<double>(), most / (sum / 4) - 1, 1e-12);
    }
    EXPECT_EQ(r.line(step, "mtp_loss")["mtp_loss"].size(), 1u);
  }
  EXPECT_GT(r.line(1, "balance_loss")["balance_loss"].get<double>(), 0);
}

// V2's token dropping at its capacity of 1: devices are never loaded evenly, so that something is dropped; without it the
// log says nothing of it.
TEST(Pretrain, TheLogSaysWhatWasDropped) {
  const TinyPretrain r({"balance.capacity=1", "balance.devices=2", "balance.protected=0", "train.steps=2"});
  for (int64_t step = 1; step <= 2; ++step) {
    const double share = r.line(step, "dropped")["dropped"].get<double>();
    EXPECT_GT(share, 0);
    EXPECT_LE(share, 0.5);  // one of two devices keeps its half
  }
  const TinyPretrain without({"train.steps=1"});
  EXPECT_FALSE(without.line(1, "loss").contains("dropped"));
}

// The lines for people say what the log says: every step, the evaluations, the
// text, the end.
TEST(Pretrain, TheConsoleSaysWhatTheLogSays) {
  const TinyPretrain r;
  const auto says = [&](const std::string& line) {
    EXPECT_NE(r.console.find(line), r.console.npos) << line << "\nis not in\n" << r.console;
  };
  double rate = 0, mean_vio = 0;
  for (int64_t step = 1; step <= 6; ++step) {
    const Json& j = r.line(step, "loss");
    const double now = j["tokens"].get<double>() / j["seconds"].get<double>();
    rate = step == 1 ? now : 0.9 * rate + 0.1 * now;
    double load = 0;  // max ÷ mean, over the layers
    for (const auto& [layer, vio] : j["max_vio"].items()) load += (1 + vio.get<double>()) / double(j["max_vio"].size());
    const Json& window = j["max_vio_100"];
    mean_vio += (load - 1) / 6;
    const double share = rate * r.line(0, "run")["run"]["flops_per_token"].get<double>() / 1e9;
    StepLine line{.step = step,
                  .steps = 6,
                  .loss = j["loss"].get<double>(),
                  .lr = j["lr"].get<double>(),
                  .grad_norm = j["grad_norm"].get<double>(),
                  .tokens_per_second = rate,
                  .eta_seconds = double(6 - step) * 64 / rate,
                  .mtp_loss = j["mtp_loss"].get<std::vector<double>>(),
                  .load_max_over_mean = load,
                  .max_violation = window["mean"].get<double>(),
                  .worst_layer = window["worst_layer"].get<int64_t>(),
                  .worst_max_violation = window["worst"].get<double>(),
                  .share_of_peak = share};
    says(step_line(line) + "\n");
  }
  EXPECT_NEAR(r.line(6, "loss")["max_vio_100"]["mean"].get<double>(), mean_vio,
              1e-9);  // all six batches
  const Dataset data = r.data();
  double bytes = 0;
  for (const std::string& d : documents()) bytes += double(d.size());
  const double train = double(data.train.num_tokens()), held_out = double(data.held_out.num_tokens());
  says(fmt::format("data        {} train and {} held-out tokens, {:.2f} bytes per token\n", human_count(train),
                   human_count(held_out), bytes / (train + held_out)));
  for (int64_t step : {3, 6}) {
    const Json& e = r.line(step, "eval_tokens");
    says(
        fmt::format("{} step {}: held-out {:.4f} nats per token, {:.4f} bits "
                    "per byte ({} tokens, ",
                    step == 6 ? "final      " : "evaluation ", step, e["eval_nats_per_token"].get<double>(),
                    e["eval_bits_per_byte"].get<double>(), human_count(e["eval_tokens"].get<double>())));
    says("sample      The whale▶" + r.line(step, "sample")["sample"].get<std::string>() + "\n");
  }
  const Json& last = r.line(6, "loss")["max_vio_100"];
  says(
      fmt::format("balance     MaxVio {:.3f}, mean over 2 layers and the last "
                  "6 batches of 64 tokens; worst layer {}: {:.3f}\n",
                  last["mean"].get<double>(), last["worst_layer"].get<int64_t>(), last["worst"].get<double>()));
  says("done        6 steps in ");
  says("a test\n");
}

// A seed of its own gives a run of its own: other weights, other order of the
// same text.
TEST(Pretrain, TheSeedChangesTheRun) {
  const TinyPretrain a({"train.steps=1"}), b({"train.steps=1", "train.seed=4"});
  EXPECT_NE(a.line(1, "loss")["loss"], b.line(1, "loss")["loss"]);
  const Dataset x = a.data(), y = b.data();
  EXPECT_EQ(x.train.num_tokens(), y.train.num_tokens());
}

// Sources that are mixed by weight: a training set each, and the held-out text
// of all of them.
TEST(Pretrain, SourcesAreMixedByTheirWeights) {
  Folder other;
  std::string text;
  for (int i = 0; i < 80; ++i) text += fmt::format("An otter number {} swims in the river.\n\n", i);
  write_file_atomic(other.path / "otters.txt", text);
  const Folder cache;
  TestContext ctx{cpu_backend()};
  write_file_atomic(other.path / "whales.txt",
                    documents()[0] + "\n\n" + documents()[1] + "\n\n" + documents()[2] + "\n\n");
  const Recipe recipe = parse_recipe(
      kRecipe, "r.toml",
      {fmt::format("data.train=[\"{0}/otters.txt\",\"{0}/whales.txt\"]", other.path.string()), "data.weights=[1,3]",
       "train.steps=1", "log.sample_tokens=0", fmt::format("data.cache=\"{}\"", (cache.path / "shards").string())});
  const fs::path run = other.path / "run";
  const RunMachine machine{ctx.context(), "a test", [](const Context&, DType) { return 1e9; }};
  EXPECT_TRUE(pretrain(recipe, run, false, machine));
  const Tokenizer tokenizer = Tokenizer::load(run / "tokenizer");
  const Mixture mixture = open_mixture({run / "data" / "0", run / "data" / "1"});
  ASSERT_EQ(mixture.train.size(), 2u);
  EXPECT_EQ(tokenizer.decode(document(mixture.train[0], 0), true).substr(0, 9), "An otter ");
  EXPECT_EQ(tokenizer.decode(document(mixture.train[1], 0), true).substr(0, 9), "The whale");
  int shards = 0;
  for (const auto& entry : fs::directory_iterator(cache.path / "shards")) shards += entry.is_directory();
  EXPECT_EQ(shards, 2);
}

}  // namespace
}  // namespace minke
