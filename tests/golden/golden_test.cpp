// Logits, losses and gradients against an implementation that is not ours, on every instruction set this machine has and
// on the reference: those beside this file (tools/make_golden.py) always, the folders of ../shared/goldens where they are.
// Bounds of the project: |Δlogit| ≤ 2e-4, |Δloss| ≤ 1e-5, gradients within 1e-3 (relative Frobenius), all in FP32.
#include <gtest/gtest.h>

#include <cstring>

#include "formats/safetensors.h"
#include "kernels/cpu/backend.h"
#include "model/checkpoint.h"
#include "support/compare.h"
#include "support/emulated.h"
#include "support/random.h"

namespace minke {
namespace {

using namespace test;

constexpr double kMtpWeight = 0.3;

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

// The reference's names: fused experts (gate rows, then up rows), the MTP module under "mtp.".
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
  if (const TensorInfo* found = file.find(name)) {
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
  const bool mtp = model.config().num_nextn_predict_layers > 0;
  const auto num_tokens = Model::tokens_per_batch(model.config(), b, t, true);
  Arena measure;
  model.lay_out_saved(measure, num_tokens, true);
  Arena arena(ctx.backend->memory(), measure.high_water());
  const ModelSaved saved = model.lay_out_saved(arena, num_tokens, true);
  BatchBuffers buffers(ctx, b * t, model.config().num_nextn_predict_layers);
  const auto& batches = buffers.fill(ctx, ids, targets, b, t);
  model.forward(ctx, batches, saved);
  model.loss_and_backward(ctx, batches, saved,
                          {.main = 1.0 / double(b * (t - 1)), .mtp = {kMtpWeight / double(b * (t - 2))}});

  const auto logits = [&](const Operand& h) {
    const Tensor out(ctx.backend->memory(), DType::f32, {h.shape[0], model.config().vocab_size});
    model.head().logits(ctx, h, out);
    return download(ctx, out);
  };
  EXPECT_TRUE(all_near(logits(saved.h), values_of(expected.at("logits")), {.atol = 2e-4}));
  const double main = mean(download(ctx, saved.loss), b * (t - 1));
  double loss = main;
  if (mtp) {
    EXPECT_TRUE(all_near(logits(saved.mtp[0].h), values_of(expected.at("mtp_logits")), {.atol = 2e-4}));
    const double module_loss = mean(download(ctx, saved.mtp[0].loss), b * (t - 2));
    EXPECT_NEAR(main, values_of(expected.at("main_loss"))[0], 1e-5);
    EXPECT_NEAR(module_loss, values_of(expected.at("mtp_loss"))[0], 1e-5);
    loss += kMtpWeight * module_loss;
  }
  EXPECT_NEAR(loss, values_of(expected.at("loss"))[0], 1e-5);
  int64_t compared = 0;
  for (const PublishedTensor& p : published_tensors(model)) {
    if (!p.grad) continue;
    Values gradient;
    ASSERT_TRUE(expected_gradient(expected, p, model.config().num_hidden_layers, gradient)) << p.name;
    const double error = relative_frobenius(download(ctx, p.grad), gradient);
    EXPECT_TRUE(error <= 1e-3) << p.name << " differs by " << error;
    ++compared;
  }
  EXPECT_GT(compared, 20);
}

std::vector<fs::path> golden_folders() {
  const fs::path own = fs::path(MINKE_SOURCE_DIR) / "tests/golden";
  std::vector<fs::path> folders{own / "tiny-v3", own / "tiny-deepseek"};
  const fs::path shared = fs::path(MINKE_SOURCE_DIR) / "../shared/goldens";
  if (!fs::exists(shared)) return folders;
  for (const auto& entry : fs::directory_iterator(shared)) {
    if (!fs::exists(entry.path() / "expected.safetensors")) continue;
    const SafetensorsFile file = SafetensorsFile::open(entry.path() / "expected.safetensors");
    bool gradients = false;
    for (const TensorInfo& t : file.tensors()) gradients |= t.name.starts_with("grad.");
    if (gradients) folders.push_back(entry.path());  // v3-fp8 has none and comes with inference
  }
  return folders;
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
