// minke score: logits, losses and gradients of a checkpoint on given tokens, so that anyone can check minke against
// another implementation.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>

#include "app/choice_flag.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "app/runtime.h"
#include "core/machine_memory.h"
#include "formats/safetensors.h"
#include "kernels/dry_run.h"
#include "model/checkpoint.h"
#include "model/model.h"
#include "report/console.h"
#include "run/memory_estimate.h"
#include "run/settings.h"

namespace minke {
namespace {

struct ScoreOptions {
  RuntimeOptions runtime;
  std::string model, tokens, out;
  FloatFormat dtype = FloatFormat::f32;
  bool grad = false;
  double mtp_weight = 0.3;
};

std::vector<float> to_host(const Context& ctx, const Operand& o) {
  std::vector<float> host(size_t(o.size()));
  ctx.backend->download(ctx, {.device = o, .host = host.data()});
  return host;
}

// Collects what is written. A tensor comes from the device when its turn in the file is: one is on the host at a time.
struct Output {
  using Fill = std::function<void(std::vector<float>&)>;
  std::vector<TensorToWrite> tensors;
  void add(std::string name, std::vector<int64_t> shape, Fill fill) {
    tensors.push_back({.name = std::move(name),
                       .dtype = DType::f32,
                       .shape = std::move(shape),
                       .data = nullptr,
                       .produce = [this, fill = std::move(fill)]() -> const void* {
                         std::vector<float>().swap(host_);  // growing would hold both
                         fill(host_);
                         return host_.data();
                       }});
  }
  void add(std::string name, double value) {
    add(std::move(name), {1}, [value](std::vector<float>& host) { host.assign(1, float(value)); });
  }

 private:
  std::vector<float> host_;
};

Output::Fill all_logits(const Context& ctx, const Model& model, const Operand& h) {
  return [&ctx, &model, h](std::vector<float>& host) {
    host.resize(size_t(h.shape[0] * model.config().vocab_size));
    model.head().logits_to_host(ctx, h, host.data());
  };
}

// Mean over the positions that have a target.
double mean_loss(const Context& ctx, const Operand& loss, int64_t targets) {
  double sum = 0;
  for (float v : to_host(ctx, loss)) sum += v;
  return sum / double(targets);
}

void add_gradients(const Context& ctx, const Model& model, Output& out) {
  for (const PublishedTensor& p : published_tensors(model))
    if (p.grad)
      out.add("grad." + p.name, p.shape,
              [&ctx, grad = p.grad](std::vector<float>& host) { host = to_host(ctx, grad); });
}

// What is scored: the model, and the state of the one batch.
struct Scored {
  Model model;
  bool grad;
  std::vector<int64_t> num_tokens;
  Arena arena;
  BatchBuffers buffers;
  ModelSaved saved;

  Scored(const Context& ctx, const Config& config, const Precision& precision, int64_t b, int64_t t, bool with_grad)
      : model(ctx, config, precision, t),
        grad(with_grad),
        num_tokens(Model::tokens_per_batch(config, b, t, true)),
        arena(ctx.backend->memory(), model.saved_bytes(num_tokens, grad)),
        buffers(ctx, b * t, config.num_nextn_predict_layers) {
    if (grad) model.weights().with_gradients(ctx);
    saved = model.lay_out_saved(arena, num_tokens, grad);
  }
  void run(const Context& ctx, const TokenBatch& batch, const LossScales& scales) {
    const auto& batches = buffers.fill(ctx, batch.tokens, batch.targets, batch.num_sequences, batch.sequence_length);
    model.forward(ctx, batches, saved);
    if (grad) model.loss_and_backward(ctx, batches, saved, scales);
    else model.loss(ctx, batches, saved);
  }
};

// By a dry run of the same.
MemoryEstimate score_memory(const Context& ctx, const Config& config, const Precision& precision,
                            const TokenBatch& batch, const LossScales& scales, bool grad) {
  DryRun dry(ctx);
  Scored s(dry.ctx(), config, precision, batch.num_sequences, batch.sequence_length, grad);
  MemoryEstimate m;
  for (const Weight& w : s.model.weights().all()) {
    m.parameters += double(host_footprint(w.master().bytes()));
    if (w.grad()) m.gradients += double(host_footprint(w.grad().bytes()));
  }
  m.activations = double(dry.counted().bytes()) - m.parameters - m.gradients;
  s.run(dry.ctx(), batch, scales);
  m.forms = double(dry.counted().bytes()) - m.parameters - m.gradients - m.activations;
  const int64_t rows = std::min(LmHead::kHostRows, s.saved.h.shape[0]);
  std::vector<float> few(size_t(rows * config.vocab_size));
  s.model.head().logits_to_host(dry.ctx(), s.saved.h.slice(0, 0, rows), few.data());
  m.scratch = double(dry.scratch_bytes());
  m.host = 4.0 * double(s.saved.h.shape[0] * config.vocab_size);  // all logits, on their way to the file
  for (const PublishedTensor& p : published_tensors(s.model))
    if (p.grad) m.host = std::max(m.host, double(p.grad.bytes()));
  m.process = double(process_memory().now);
  return m;
}

void score(const ScoreOptions& o) {
  refuse_own_input(o.out, o.tokens);
  Runtime runtime(o.runtime);
  const Context& ctx = runtime.ctx();
  std::fprintf(stderr, "%s\n", runtime.description().c_str());

  const SafetensorsFile file = SafetensorsFile::open(o.tokens);
  const TensorInfo* tokens = file.find("tokens");
  if (!tokens) user_error("{} has no tensor \"tokens\" (int32 [B,T])", o.tokens);
  if (tokens->dtype != DType::i32 || tokens->shape.size() != 2 || tokens->shape[0] < 1 || tokens->shape[1] < 2)
    user_error("{}: \"tokens\" must be int32 of shape [B,T] with T ≥ 2", o.tokens);
  const int64_t b = tokens->shape[0], t = tokens->shape[1], n = b * t;
  TokenBatch batch{.num_sequences = b, .sequence_length = t, .tokens = {}, .targets = {}, .document_start = {}};
  batch.tokens.resize(size_t(n)), batch.targets.assign(size_t(n), -1);
  std::memcpy(batch.tokens.data(), tokens->bytes.data(), tokens->bytes.size());

  CheckpointFiles files = open_checkpoint(o.model, true);
  if (!files.note.empty()) std::fprintf(stderr, "%s\n", files.note.c_str());
  const Config& config = files.config;
  for (int64_t i = 0; i < n; ++i) {
    if (batch.tokens[i] < 0 || batch.tokens[i] >= config.vocab_size)
      user_error("{}: token {} at [{},{}] is outside the vocabulary of {}", o.tokens, batch.tokens[i], i / t, i % t,
                 config.vocab_size);
    if (i % t + 1 < t) batch.targets[i] = batch.tokens[i + 1];
  }
  const int64_t depths = config.num_nextn_predict_layers;
  if (t <= depths + 1) user_error("{}: sequences of {} tokens are too short for {} MTP modules", o.tokens, t, depths);
  const Precision precision = minke::precision(o.dtype);
  LossScales scales{.main = 1.0 / double(b * (t - 1)), .mtp = {}};
  for (int64_t k = 1; k <= depths; ++k) scales.mtp.push_back(o.mtp_weight / double(depths) / double(b * (t - 1 - k)));
  const MemoryEstimate memory = score_memory(ctx, config, precision, batch, scales, o.grad);
  std::fprintf(stderr, "memory      %s\n", memory.text().c_str());
  if (memory.all() > double(machine_memory()))
    user_error("this needs {} of memory but the machine has {}: give fewer tokens at once{}", human_bytes(memory.all()),
               human_bytes(double(machine_memory())), o.grad ? ", or leave out --grad" : "");
  runtime.reserve_scratch(size_t(memory.scratch));
  Scored scored(ctx, config, precision, b, t, o.grad);
  const Model& model = scored.model;
  const ModelSaved& saved = scored.saved;
  {
    const HfFolder weights = std::move(files.weights);  // whose maps go as soon as they have been read
    load_weights(ctx, scored.model, weights);
  }
  scored.run(ctx, batch, scales);

  Output out;
  const int64_t vocab = model.config().vocab_size;
  out.add("logits", {b, t, vocab}, all_logits(ctx, model, saved.h));
  const double main = mean_loss(ctx, saved.loss, b * (t - 1));
  double mtp = 0;
  for (int64_t k = 1; k <= depths; ++k) {
    const std::string suffix = k == 1 ? "" : fmt::format("_{}", k);
    out.add("mtp_logits" + suffix, {b, t - k, vocab}, all_logits(ctx, model, saved.mtp[k - 1].h));
    const double loss = mean_loss(ctx, saved.mtp[k - 1].loss, b * (t - 1 - k));
    if (depths > 1) out.add(fmt::format("mtp_loss_{}", k), loss);
    mtp += loss / double(depths);
  }
  if (depths > 0) {
    out.add("main_loss", main);
    out.add("mtp_loss", mtp);
  }
  out.add("loss", main + o.mtp_weight * mtp);
  if (o.grad) add_gradients(ctx, model, out);
  write_safetensors(o.out, out.tensors);
  std::printf("loss %.6f nats per token over %lld tokens", main + o.mtp_weight * mtp,
              static_cast<long long>(b * (t - 1)));
  if (depths > 0) std::printf(" (main %.6f + %.3g × MTP %.6f)", main, o.mtp_weight, mtp);
  std::printf("; written to %s\n", o.out.c_str());
  std::fprintf(stderr, "memory      peak %s (estimated %s)\n", human_bytes(double(process_memory().most)).c_str(),
               human_bytes(memory.all()).c_str());
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
  add_choice(*c, "--dtype", o->dtype, "Number format of the computation");
  c->add_option("--mtp-weight", o->mtp_weight, "Weight of the MTP loss in the total loss")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  add_runtime_flags(*c, o->runtime);
  c->callback([o] { score(*o); });
}

}  // namespace minke
