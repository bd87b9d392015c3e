// minke score as a user runs it, on a random model with two MTP modules: logits and losses by value against the model's own
// forward, and its gradient as the slope of its own loss.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

#include "formats/safetensors.h"
#include "kernels/cpu/backend.h"
#include "model/checkpoint.h"
#include "spec/dense_twin.h"
#include "support/compare.h"
#include "support/random.h"
#include "support/tiny.h"

namespace minke {
namespace {

using namespace test;

constexpr int64_t kSequences = 3, kLength = 12;

Values values_of(const TensorInfo& t) {
  EXPECT_EQ(t.dtype, DType::f32) << t.name;
  std::vector<float> host(size_t(t.size()));
  std::memcpy(host.data(), t.bytes.data(), t.bytes.size());
  return Values(host.begin(), host.end());
}

double number(const SafetensorsFile& file, const char* name) { return values_of(file.at(name)).at(0); }

struct Score : ::testing::Test {
  fs::path folder = fs::path(::testing::TempDir()) / fmt::format("minke-score-{}", ::getpid());
  TestContext ctx{cpu_backend()};
  std::vector<int32_t> ids = random_tokens(11, kSequences* kLength, 23);

  Score() {
    fs::create_directories(folder / "model");
    save_weights(ctx, *random_model(tiny_v3(2)), folder / "model", DType::f32);
    write_safetensors(folder / "tokens", {{{"tokens", DType::i32, {kSequences, kLength}, ids.data()}}});
  }
  ~Score() override { fs::remove_all(folder); }

  std::unique_ptr<Model> random_model(const Config& config) const {
    auto model = std::make_unique<Model>(ctx, config, Precision::f32(), 16);
    model->weights().initialise(ctx, 0.3);
    return model;
  }
  SafetensorsFile score(const fs::path& model, const std::string& options) const {
    const std::string command =
        fmt::format("'{}' score -t 1 -m '{}' --tokens '{}' --out '{}' {} >'{}' 2>&1", MINKE_PROGRAM, model.string(),
                    (folder / "tokens").string(), (folder / "out").string(), options, (folder / "said").string());
    const int status = std::system(command.c_str());
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << command << "\n" << read_file(folder / "said");
    return SafetensorsFile::open(folder / "out");
  }
  Values download(const Operand& o) const {
    std::vector<float> host(size_t(o.size()));
    ctx.backend().download(ctx, {.device = o, .host = host.data()});
    return Values(host.begin(), host.end());
  }
};

TEST_F(Score, LogitsAndLossesAreTheModels) {
  const std::unique_ptr<Model> owner = random_model(tiny_v3(2));
  const Model& model = *owner;
  const auto num_tokens = Model::tokens_per_batch(model.config(), kSequences, kLength, true);
  Arena measure;
  model.lay_out_saved(measure, num_tokens, false);
  Arena arena(ctx.backend().memory(), measure.high_water());
  const ModelSaved saved = model.lay_out_saved(arena, num_tokens, false);
  std::vector<int32_t> targets(ids.size(), -1);
  for (size_t i = 0; i < ids.size(); ++i)
    if (i % kLength + 1 < kLength) targets[i] = ids[i + 1];
  BatchBuffers buffers(ctx, kSequences * kLength, 2);
  model.forward(ctx, buffers.fill(ctx, ids, targets, kSequences, kLength), saved);
  model.loss(ctx, buffers.batches(), saved);
  const auto logits = [&](const Operand& h) {
    const Tensor out(ctx.backend().memory(), DType::f32, {h.shape[0], 23});
    model.head().logits(ctx, h, out);
    return download(out);
  };
  const auto mean = [&](const Operand& loss, int64_t targets_per_sequence) {
    double sum = 0;
    for (double l : download(loss)) sum += l;
    return sum / double(kSequences * targets_per_sequence);
  };
  const double main = mean(saved.loss, 11), first = mean(saved.mtp[0].loss, 10), second = mean(saved.mtp[1].loss, 9);
  EXPECT_GT(std::abs(first - second), 1e-3) << "these cannot be told apart";

  const SafetensorsFile out = score(folder / "model", "--mtp-weight 0.7");
  EXPECT_TRUE(all_near(values_of(out.at("logits")), logits(saved.h), {.atol = 1e-5}));
  EXPECT_TRUE(all_near(values_of(out.at("mtp_logits")), logits(saved.mtp[0].h), {.atol = 1e-5}));
  EXPECT_TRUE(all_near(values_of(out.at("mtp_logits_2")), logits(saved.mtp[1].h), {.atol = 1e-5}));
  EXPECT_EQ(out.at("logits").shape, (std::vector<int64_t>{kSequences, kLength, 23}));
  EXPECT_EQ(out.at("mtp_logits_2").shape, (std::vector<int64_t>{kSequences, kLength - 2, 23}));
  EXPECT_NEAR(number(out, "main_loss"), main, 2e-6);
  EXPECT_NEAR(number(out, "mtp_loss_1"), first, 2e-6);
  EXPECT_NEAR(number(out, "mtp_loss_2"), second, 2e-6);
  EXPECT_NEAR(number(out, "mtp_loss"), (first + second) / 2, 2e-6);
  EXPECT_NEAR(number(out, "loss"), main + 0.7 * (first + second) / 2, 3e-6);
  double said_loss = 0, said_main = 0, said_mtp = 0;
  const std::string said = read_file(folder / "said"), line = said.substr(std::min(said.find("\nloss "), said.size()));
  ASSERT_EQ(std::sscanf(line.c_str(), "\nloss %lf nats per token over 33 tokens (main %lf + 0.7 × MTP %lf)", &said_loss,
                        &said_main, &said_mtp),
            3)
      << said;
  EXPECT_NEAR(said_loss, number(out, "loss"), 2e-6);
  EXPECT_NEAR(said_main, number(out, "main_loss"), 2e-6);
  EXPECT_NEAR(said_mtp, number(out, "mtp_loss"), 2e-6);
  EXPECT_NEAR(number(score(folder / "model", ""), "loss"), main + 0.3 * (first + second) / 2, 3e-6);
  EXPECT_EQ(out.find("grad.lm_head.weight"), nullptr);
}

// Along the gradient g, a step h changes the loss by h |g|: for all tensors together, and for those of the modules, which
// have no gradient but the MTP loss's. Central differences of a model without experts, whose choice jumps: third derivatives
// and the f32 of the loss leave some 1e-4 of it each.
TEST_F(Score, TheGradientIsTheSlopeOfTheLoss) {
  save_weights(ctx, *random_model(dense_twin(tiny_v3(2))), folder / "model", DType::f32);
  std::map<std::string, Values> gradient;
  {
    const SafetensorsFile out = score(folder / "model", "--mtp-weight 0.7 --grad");
    for (const TensorInfo& t : out.tensors())
      if (t.name.starts_with("grad.")) gradient[t.name.substr(5)] = values_of(t);
  }
  const SafetensorsFile weights = SafetensorsFile::open(folder / "model" / "model.safetensors");
  for (const bool modules_only : {true, false}) {
    const auto moves = [&](const std::string& name) {
      const bool of_module = name.starts_with("model.layers.3.") || name.starts_with("model.layers.4.");
      return gradient.count(name) > 0 && (of_module || !modules_only);
    };
    double length = 0;
    int moved_tensors = 0;
    for (const auto& [name, g] : gradient) {
      moved_tensors += moves(name);
      for (double v : g) length += moves(name) ? v * v : 0;
    }
    length = std::sqrt(length);
    ASSERT_GT(length, 0.01);
    ASSERT_GT(moved_tensors, 25);
    const auto loss_at = [&](double h) {
      const fs::path moved = folder / "moved";
      fs::create_directories(moved);
      fs::copy_file(folder / "model" / "config.json", moved / "config.json", fs::copy_options::overwrite_existing);
      std::vector<std::vector<float>> data;
      std::vector<TensorToWrite> tensors;
      data.reserve(weights.tensors().size());
      for (const TensorInfo& t : weights.tensors()) {
        if (t.name.find(".shared_head.head") != t.name.npos ||  // a module's copy of what moves
            (t.name.starts_with("model.layers.") && t.name.ends_with("embed_tokens.weight")))
          continue;
        const Values v = values_of(t);
        data.emplace_back(v.begin(), v.end());
        if (moves(t.name))
          for (size_t i = 0; i < v.size(); ++i) data.back()[i] = float(v[i] + h * gradient[t.name].at(i) / length);
        tensors.push_back({t.name, DType::f32, t.shape, data.back().data()});
      }
      write_safetensors(moved / "model.safetensors", tensors);
      return number(score(moved, "--mtp-weight 0.7"), "loss");
    };
    constexpr double h = 5e-3;
    EXPECT_NEAR((loss_at(h) - loss_at(-h)) / (2 * h) / length, 1, 3e-3)
        << (modules_only ? "modules" : "all") << ": |g| = " << length;
  }
}

}  // namespace
}  // namespace minke
