#include "run/score.h"

#include <cstring>
#include <functional>

#include "core/machine_memory.h"
#include "eval/likelihood.h"
#include "formats/safetensors.h"
#include "kernels/dry_run.h"
#include "model/block_weights.h"
#include "model/model.h"

namespace minke {
namespace {

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
    for (float v : host) check_finite(v);
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

// Positions of the batch that have a target `ahead` tokens later.
int64_t targets_of(const TokenBatch& batch, int64_t ahead) {
  return batch.num_sequences * (batch.sequence_length - ahead);
}

LossScales loss_scales(const TokenBatch& batch, const ScoreSettings& settings, int64_t depths) {
  LossScales scales{.main = 1.0 / double(targets_of(batch, 1)), .mtp = {}};
  for (int64_t k = 1; k <= depths; ++k)
    scales.mtp.push_back(settings.mtp_weight / double(depths) / double(targets_of(batch, 1 + k)));
  return scales;
}

// The model, and the state of the one batch.
struct Scored {
  Model model;
  bool grad;
  std::vector<int64_t> num_tokens;
  Arena arena;
  BatchBuffers buffers;
  ModelSaved saved;

  Scored(const Context& ctx, const Config& config, const TokenBatch& batch, const ScoreSettings& settings)
      : model(ctx, config, settings.precision, batch.sequence_length),
        grad(settings.gradients),
        num_tokens(Model::tokens_per_batch(config, batch.num_sequences, batch.sequence_length, true)),
        arena(ctx.backend->memory(), model.saved_bytes(num_tokens, grad)),
        buffers(ctx, batch.num_sequences * batch.sequence_length, config.num_nextn_predict_layers) {
    if (grad) model.weights().with_gradients(ctx);
    saved = model.lay_out_saved(arena, num_tokens, grad);
  }
  void run(const Context& ctx, const TokenBatch& batch, const ScoreSettings& settings) {
    const auto& batches = buffers.fill(ctx, batch.tokens, batch.targets, batch.num_sequences, batch.sequence_length);
    model.forward(ctx, batches, saved);
    if (grad)
      model.loss_and_backward(ctx, batches, saved,
                              loss_scales(batch, settings, model.config().num_nextn_predict_layers));
    else model.loss(ctx, batches, saved);
  }
};

}  // namespace

TokenBatch tokens_to_score(const std::string& path, const Config& config) {
  std::error_code none;
  if (fs::file_size(path, none) == 0 && !none)
    user_error("--tokens {} is empty: give a safetensors file with \"tokens\", int32 [B,T]", path);
  const SafetensorsFile file = SafetensorsFile::open(path);
  const TensorInfo* tokens = file.find("tokens");
  if (!tokens) user_error("{} has no tensor \"tokens\" (int32 [B,T])", path);
  if (tokens->dtype != DType::i32 || tokens->shape.size() != 2 || tokens->shape[0] < 1 || tokens->shape[1] < 2)
    user_error("{}: \"tokens\" must be int32 of shape [B,T] with T ≥ 2", path);
  const int64_t b = tokens->shape[0], t = tokens->shape[1], depths = config.num_nextn_predict_layers;
  if (t <= depths + 1) user_error("{}: sequences of {} tokens are too short for {} MTP modules", path, t, depths);
  TokenBatch batch{.num_sequences = b, .sequence_length = t, .tokens = {}, .targets = {}, .document_start = {}};
  batch.tokens.resize(size_t(b * t)), batch.targets.assign(size_t(b * t), -1);
  std::memcpy(batch.tokens.data(), tokens->bytes.data(), tokens->bytes.size());
  for (int64_t i = 0; i < b * t; ++i) {
    if (batch.tokens[i] < 0 || batch.tokens[i] >= config.vocab_size)
      user_error("{}: token {} at [{},{}] is outside the vocabulary of {}", path, batch.tokens[i], i / t, i % t,
                 config.vocab_size);
    if (i % t + 1 < t) batch.targets[i] = batch.tokens[i + 1];
  }
  return batch;
}

MemoryEstimate score_memory(const Context& ctx, const Config& config, const TokenBatch& batch,
                            const ScoreSettings& settings) {
  DryRun dry(ctx);
  Scored s(dry.ctx(), config, batch, settings);
  MemoryEstimate m;
  const double loading = double(load_nothing(dry.ctx(), s.model));
  for (const Weight& w : s.model.weights().all()) {
    m.parameters += double(host_footprint(w.bytes()));
    if (w.grad()) m.gradients += double(host_footprint(w.grad().bytes()));
  }
  m.activations = double(dry.counted().bytes()) - m.parameters - m.gradients;
  s.run(dry.ctx(), batch, settings);
  m.forms = double(dry.counted().bytes()) - m.parameters - m.gradients - m.activations;
  const int64_t rows = std::min(LmHead::kHostRows, s.saved.h.shape[0]);
  std::vector<float> few(size_t(rows * config.vocab_size));
  s.model.head().logits_to_host(dry.ctx(), s.saved.h.slice(0, 0, rows), few.data());
  m.scratch = double(dry.scratch_bytes());
  m.host = 4.0 * double(s.saved.h.shape[0] * config.vocab_size);  // all logits, on their way to the file
  for (const PublishedTensor& p : published_tensors(s.model))
    if (p.grad) m.host = std::max(m.host, double(p.grad.bytes()));
  if (settings.precision.blocks) m.in_file = double(settings.precision.blocks->in_file);
  m.process = double(process_memory().now);
  m.reached = m.process + m.in_file + loading;
  return m;
}

ScoredLosses score(const Context& ctx, CheckpointFiles checkpoint, const TokenBatch& batch,
                   const ScoreSettings& settings, const std::string& path) {
  Scored scored(ctx, checkpoint.config, batch, settings);
  const Model& model = scored.model;
  const ModelSaved& saved = scored.saved;
  load_weights(ctx, scored.model, checkpoint.weights);
  const BlockWeights* blocks = settings.precision.blocks;
  if (!blocks || blocks->in_file == 0) checkpoint.weights = {};  // the maps go as soon as they have been read
  scored.run(ctx, batch, settings);

  Output out;
  const int64_t b = batch.num_sequences, t = batch.sequence_length, vocab = model.config().vocab_size;
  const int64_t depths = model.config().num_nextn_predict_layers;
  ScoredLosses losses{.of_module = {}, .tokens = targets_of(batch, 1)};
  out.add("logits", {b, t, vocab}, all_logits(ctx, model, saved.h));
  losses.main = mean_loss(ctx, saved.loss, losses.tokens);
  for (int64_t k = 1; k <= depths; ++k) {
    const MtpSaved& module = saved.mtp[k - 1];
    out.add(k == 1 ? "mtp_logits" : fmt::format("mtp_logits_{}", k), {b, t - k, vocab},
            all_logits(ctx, model, module.h));
    losses.of_module.push_back(mean_loss(ctx, module.loss, targets_of(batch, 1 + k)));
    if (depths > 1) out.add(fmt::format("mtp_loss_{}", k), losses.of_module.back());
    losses.mtp += losses.of_module.back() / double(depths);
  }
  if (depths > 0) {
    out.add("main_loss", losses.main);
    out.add("mtp_loss", losses.mtp);
  }
  losses.total = losses.main + settings.mtp_weight * losses.mtp;
  check_finite(losses.total);
  out.add("loss", losses.total);
  if (settings.gradients) add_gradients(ctx, model, out);
  write_safetensors(path, out.tensors);
  return losses;
}

}  // namespace minke
