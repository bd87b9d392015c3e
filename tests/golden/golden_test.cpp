// Logits, losses and gradients against an implementation that is not ours (tools/make_golden.py), on every instruction
// set this machine has and on the reference, all in FP32: the folders beside this file and those of the shared folder.
// Bounds, some five times what is measured (docs/results.md): both sides round 24 bits in sums of some hundred terms, so
// logits and losses of a few nats differ by some 2e-6, gradients by some 2e-6 of their norm.
#include <gtest/gtest.h>

#include <cstring>

#include "formats/safetensors.h"
#include "kernels/cpu/backend.h"
#include "model/checkpoint.h"
#include "support/compare.h"
#include "support/emulated.h"
#include "support/random.h"
#include "support/shared_files.h"

namespace minke {
namespace {

using namespace test;

constexpr double kMtpWeight = 0.3;
constexpr double kLogitBound = 2e-5, kLossBound = 5e-6, kGradientBound = 1e-5;

Values values_of(const TensorInfo& t) {
  std::vector<float> host(size_t(t.size()));
  std::memcpy(host.data(), t.bytes.data(), t.bytes.size());
  return Values(host.begin(), host.end());
}

Values download(const Context& ctx, const Operand& o) {
  std::vector<float> host(size_t(o.size()));
  ctx.backend->download(ctx, {.device = o, .host = host.data()});
  return Values(host.begin(), host.end());
}

double mean(const Values& v, int64_t count) {
  double sum = 0;
  for (double x : v) sum += x;
  return sum / double(count);
}

// Names of the shared goldens: fused experts (gate rows, then up rows), the MTP module under "mtp.".
std::string reference_name(std::string name, int64_t layers) {
  const std::string mtp = fmt::format("model.layers.{}.", layers);
  if (!name.starts_with(mtp)) return name;
  name = name.substr(mtp.size());
  if (name == "eh_proj.weight") return "mtp.eh.weight";
  if (name == "shared_head.norm.weight") return "mtp.snorm.weight";
  if (name.starts_with("enorm") || name.starts_with("hnorm")) return "mtp." + name;
  return "mtp.blk." + name;
}

// The expected gradient of a published tensor, cut out of the reference's fused one where it has that.
bool expected_gradient(const SafetensorsFile& file, const PublishedTensor& t, int64_t layers, Values& out) {
  const std::string name = "grad." + reference_name(t.name, layers);
  for (const std::string& candidate : {"grad." + t.name, name})
    if (const TensorInfo* found = file.find(candidate)) {
      out = values_of(*found);
      return true;
    }
  const size_t experts = name.find("experts.");
  if (experts == name.npos) return false;
  const size_t number = experts + 8, dot = name.find('.', number);
  const int64_t e = std::stoll(name.substr(number, dot - number));
  const bool down = name.find("down_proj") != name.npos, up = name.find("up_proj") != name.npos && !down;
  const TensorInfo* fused = file.find(name.substr(0, number) + (down ? "down_proj" : "gate_up_proj"));
  if (!fused) return false;
  const Values all = values_of(*fused);
  const int64_t size = t.shape[0] * t.shape[1], per_expert = down ? size : 2 * size;
  const int64_t begin = e * per_expert + (up ? size : 0);
  out.assign(all.begin() + begin, all.begin() + begin + size);
  return true;
}

// The balance loss that a folder's gradients hold: alphas, devices, devices a token may use, flags.
BalanceTerms balance_terms(const SafetensorsFile& file) {
  const TensorInfo* terms = file.find("balance_terms");
  if (!terms) return {};
  const Values v = values_of(*terms);
  return {.alpha_expert = v.at(0),
          .alpha_device = v.at(1),
          .alpha_comm = v.at(2),
          .num_devices = int64_t(v.at(3)),
          .top_devices = int64_t(v.at(4)),
          .normalise_affinity = v.at(5) != 0,
          .count_unbiased = v.at(6) != 0};
}

void expect_gradients(const Context& ctx, const Model& model, const SafetensorsFile& expected) {
  int64_t compared = 0;
  for (const PublishedTensor& p : published_tensors(model)) {
    if (!p.grad) continue;
    Values gradient;
    ASSERT_TRUE(expected_gradient(expected, p, model.config().num_hidden_layers, gradient)) << p.name;
    const double error = relative_frobenius(download(ctx, p.grad), gradient);
    EXPECT_TRUE(error <= kGradientBound) << p.name << " differs by " << error;
    ++compared;
  }
  EXPECT_GT(compared, 15);
}

void check_folder(const fs::path& folder, Backend& backend) {
  SCOPED_TRACE(folder.string() + " on " + backend.name());
  const TestContext context(backend, 2, size_t(512) << 20);
  const Context& ctx = context;
  const SafetensorsFile expected = SafetensorsFile::open(folder / "expected.safetensors");
  const TensorInfo& tokens = expected.at("tokens");
  const int64_t b = tokens.shape[0], t = tokens.shape[1];
  std::vector<int32_t> ids(static_cast<size_t>(b * t)), targets(ids.size(), -1);
  std::memcpy(ids.data(), tokens.bytes.data(), tokens.bytes.size());
  for (int64_t i = 0; i < b * t; ++i)
    if (i % t + 1 < t) targets[size_t(i)] = ids[size_t(i + 1)];

  Model model(ctx, load_config(folder), Precision::f32(), t);
  load_weights(ctx, model, open_weights(model.config(), folder));
  model.weights().with_gradients(ctx);
  const int64_t depths = model.config().num_nextn_predict_layers;
  const auto num_tokens = Model::tokens_per_batch(model.config(), b, t, true);
  Arena measure;
  model.lay_out_saved(measure, num_tokens, true);
  Arena arena(ctx.backend->memory(), measure.high_water());
  const ModelSaved saved = model.lay_out_saved(arena, num_tokens, true);
  BatchBuffers buffers(ctx, b * t, depths);
  buffers.fill(ctx, ids, targets, b, t);
  const Tensor balance_loss(ctx.backend->memory(), DType::f32, {1});
  ctx.backend->fill(ctx, {.dst = balance_loss, .value = 0});
  const bool balanced = expected.find("balance_terms") != nullptr;
  for (Batch& batch : buffers.batches()) {
    batch.balance.terms = balance_terms(expected);
    batch.balance_grad_scale = 1;
    batch.balance_loss = balanced ? balance_loss.operand() : Operand{};
  }
  LossScales scales{.main = 1.0 / double(b * (t - 1)), .mtp = {}};
  for (int64_t k = 1; k <= depths; ++k) scales.mtp.push_back(kMtpWeight / double(depths) / double(b * (t - 1 - k)));
  model.forward(ctx, buffers.batches(), saved);
  model.loss_and_backward(ctx, buffers.batches(), saved, scales);

  const auto logits = [&](const Operand& h) {
    const Tensor out(ctx.backend->memory(), DType::f32, {h.shape[0], model.config().vocab_size});
    model.head().logits(ctx, h, out);
    return download(ctx, out);
  };
  EXPECT_TRUE(all_near(logits(saved.h), values_of(expected.at("logits")), {.atol = kLogitBound}));
  const double main = mean(download(ctx, saved.loss), b * (t - 1));
  double loss = main;
  if (depths > 0) {
    EXPECT_NEAR(main, values_of(expected.at("main_loss"))[0], kLossBound);
  }
  for (int64_t k = 1; k <= depths; ++k) {
    const MtpSaved& module = saved.mtp[size_t(k - 1)];
    const TensorInfo* named = expected.find(fmt::format("mtp{}_logits", k));
    EXPECT_TRUE(
        all_near(logits(module.h), values_of(named ? *named : expected.at("mtp_logits")), {.atol = kLogitBound}))
        << "MTP module " << k;
    const double module_loss = mean(download(ctx, module.loss), b * (t - 1 - k));
    EXPECT_NEAR(module_loss, values_of(expected.at("mtp_loss")).at(size_t(k - 1)), kLossBound);
    loss += kMtpWeight / double(depths) * module_loss;
  }
  if (const TensorInfo* whole = expected.find("loss")) {
    EXPECT_NEAR(loss, values_of(*whole)[0], kLossBound);
  }
  if (balanced) {
    EXPECT_NEAR(download(ctx, balance_loss)[0], values_of(expected.at("balance_loss"))[0], 1e-6);
  }
  bool gradients = false;  // the shared v3-fp8 has none
  for (const TensorInfo& info : expected.tensors()) gradients |= info.name.starts_with("grad.");
  if (gradients) expect_gradients(ctx, model, expected);
}

TEST(Golden, Reference) {
  for (const fs::path& folder : golden_folders()) check_folder(folder, reference_backend());
}

TEST(Golden, EveryInstructionSet) {
  for (const std::string& isa : tested_isas())
    for (const fs::path& folder : golden_folders()) check_folder(folder, tested_backend(isa));
}

}  // namespace
}  // namespace minke
