// minke score: logits, losses and gradients of a checkpoint on given tokens, so that anyone can check minke against
// another implementation.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/runtime.h"
#include "formats/safetensors.h"
#include "model/checkpoint.h"
#include "model/model.h"

namespace minke {
namespace {

struct ScoreOptions {
  RuntimeOptions runtime;
  std::string model, tokens, out, dtype = "f32";
  bool grad = false;
  double mtp_weight = 0.3;
};

std::vector<float> to_host(const Context& ctx, const Operand& o) {
  std::vector<float> host(size_t(o.size()));
  ctx.backend->download(ctx, {.device = o, .host = host.data()});
  return host;
}

// Collects what is written, keeping the host copies alive.
struct Output {
  std::deque<std::vector<float>> data;
  std::vector<TensorToWrite> tensors;
  void add(std::string name, std::vector<int64_t> shape, std::vector<float> values) {
    data.push_back(std::move(values));
    tensors.push_back({std::move(name), DType::f32, std::move(shape), data.back().data()});
  }
};

std::vector<float> all_logits(const Context& ctx, const Model& model, const Operand& h) {
  const int64_t n = h.shape[0], vocab = model.config().vocab_size;
  std::vector<float> logits(static_cast<size_t>(n * vocab));
  for (int64_t begin = 0; begin < n; begin += 64) {
    const int64_t end = std::min<int64_t>(n, begin + 64);
    const ArenaScope scope(*ctx.scratch);
    const Operand out = ctx.scratch->take(DType::f32, {end - begin, vocab});
    model.head().logits(ctx, h.slice(0, begin, end), out);
    ctx.backend->download(ctx, {.device = out, .host = logits.data() + begin * vocab});
  }
  return logits;
}

// Mean over the positions that have a target.
double mean_loss(const Context& ctx, const Operand& loss, int64_t targets) {
  double sum = 0;
  for (float v : to_host(ctx, loss)) sum += v;
  return sum / double(targets);
}

void add_gradients(const Context& ctx, const Model& model, Output& out) {
  for (const PublishedTensor& p : published_tensors(model))
    if (p.grad) out.add("grad." + p.name, p.shape, to_host(ctx, p.grad));
}

void score(const ScoreOptions& o) {
  const Runtime runtime(o.runtime);
  const Context& ctx = runtime.ctx();
  std::fprintf(stderr, "%s\n", runtime.description().c_str());

  const SafetensorsFile file = SafetensorsFile::open(o.tokens);
  const TensorInfo* tokens = file.find("tokens");
  if (!tokens) user_error("{} has no tensor \"tokens\" (int32 [B,T])", o.tokens);
  if (tokens->dtype != DType::i32 || tokens->shape.size() != 2 || tokens->shape[0] < 1 || tokens->shape[1] < 2)
    user_error("{}: \"tokens\" must be int32 of shape [B,T] with T ≥ 2", o.tokens);
  const int64_t b = tokens->shape[0], t = tokens->shape[1], n = b * t;
  std::vector<int32_t> ids(static_cast<size_t>(n)), targets(ids.size(), -1);
  std::memcpy(ids.data(), tokens->bytes.data(), tokens->bytes.size());

  const CheckpointFiles files = open_checkpoint(o.model, true);
  if (!files.note.empty()) std::fprintf(stderr, "%s\n", files.note.c_str());
  const Config& config = files.config;
  for (int64_t i = 0; i < n; ++i) {
    if (ids[i] < 0 || ids[i] >= config.vocab_size)
      user_error("{}: token {} at [{},{}] is outside the vocabulary of {}", o.tokens, ids[i], i / t, i % t,
                 config.vocab_size);
    if (i % t + 1 < t) targets[i] = ids[i + 1];
  }
  const int64_t depths = config.num_nextn_predict_layers;
  if (t <= depths + 1) user_error("{}: sequences of {} tokens are too short for {} MTP modules", o.tokens, t, depths);
  Model model(ctx, config, o.dtype == "bf16" ? Precision::bf16() : Precision::f32(), t);
  load_weights(ctx, model, files.weights);
  if (o.grad) model.weights().with_gradients(ctx);

  const auto num_tokens = Model::tokens_per_batch(model.config(), b, t, true);
  Arena measure;
  model.lay_out_saved(measure, num_tokens, o.grad);
  Arena arena(ctx.backend->memory(), measure.high_water());
  const ModelSaved saved = model.lay_out_saved(arena, num_tokens, o.grad);
  BatchBuffers buffers(ctx, n, depths);
  const auto& batches = buffers.fill(ctx, ids, targets, b, t);
  model.forward(ctx, batches, saved);
  LossScales scales{.main = 1.0 / double(b * (t - 1)), .mtp = {}};
  for (int64_t k = 1; k <= depths; ++k) scales.mtp.push_back(o.mtp_weight / double(depths) / double(b * (t - 1 - k)));
  if (o.grad) model.loss_and_backward(ctx, batches, saved, scales);
  else model.loss(ctx, batches, saved);

  Output out;
  const int64_t vocab = model.config().vocab_size;
  out.add("logits", {b, t, vocab}, all_logits(ctx, model, saved.h));
  const double main = mean_loss(ctx, saved.loss, b * (t - 1));
  double mtp = 0;
  for (int64_t k = 1; k <= depths; ++k) {
    const std::string suffix = k == 1 ? "" : fmt::format("_{}", k);
    out.add("mtp_logits" + suffix, {b, t - k, vocab}, all_logits(ctx, model, saved.mtp[k - 1].h));
    const double loss = mean_loss(ctx, saved.mtp[k - 1].loss, b * (t - 1 - k));
    if (depths > 1) out.add(fmt::format("mtp_loss_{}", k), {1}, {float(loss)});
    mtp += loss / double(depths);
  }
  if (depths > 0) {
    out.add("main_loss", {1}, {float(main)});
    out.add("mtp_loss", {1}, {float(mtp)});
  }
  out.add("loss", {1}, {float(main + o.mtp_weight * mtp)});
  if (o.grad) add_gradients(ctx, model, out);
  write_safetensors(o.out, out.tensors);
  std::printf("loss %.6f nats per token over %lld tokens", main + o.mtp_weight * mtp,
              static_cast<long long>(b * (t - 1)));
  if (depths > 0) std::printf(" (main %.6f + %.3g × MTP %.6f)", main, o.mtp_weight, mtp);
  std::printf("; written to %s\n", o.out.c_str());
}

}  // namespace

void add_score_command(CLI::App& program) {
  auto o = std::make_shared<ScoreOptions>();
  CLI::App* c = program.add_subcommand("score", "Logits, losses and gradients of a checkpoint on given tokens");
  set_example(*c, "minke score -m runs/out/quickstart/latest --tokens tokens.safetensors --out scores.safetensors");
  c->add_option("-m,--model", o->model, "Checkpoint folder")->required();
  c->add_option("--tokens", o->tokens, "Safetensors file with \"tokens\", int32 [B,T]")->required();
  c->add_option("--out", o->out, "Safetensors file to write: logits, losses, grad.*")->required();
  c->add_flag("--grad", o->grad, "Also the gradient of the loss, one tensor per parameter");
  c->add_option("--dtype", o->dtype, "Number format of the computation")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  c->add_option("--mtp-weight", o->mtp_weight, "Weight of the MTP loss in the total loss")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  add_runtime_flags(*c, o->runtime);
  c->callback([o] { score(*o); });
}

}  // namespace minke
