#include "run/memory_estimate.h"

#include <deque>

#include "core/human_numbers.h"
#include "core/machine_memory.h"
#include "eval/likelihood.h"
#include "infer/engine.h"
#include "kernels/dry_run.h"
#include "run/settings.h"

namespace minke {
namespace {

double footprint(const Operand& o) { return o ? double(host_footprint(o.bytes())) : 0; }

// Of save_weights and save_tensors: the tensor that is being written, in f32 and as it goes to the file.
double saving_bytes(const Model& model) {
  size_t largest = 0;
  for (const Weight& w : model.weights().all()) largest = std::max(largest, w.bytes());
  return 1.5 * double(largest);
}

}  // namespace

std::string MemoryEstimate::text() const {
  std::string text;
  const auto add = [&](double bytes, const char* what) {
    if (bytes > 0) text += fmt::format("{}{} {}", text.empty() ? "" : " + ", human_bytes(bytes), what);
  };
  add(in_file, "weights in the file"), add(parameters, "parameters"), add(forms, "compute forms"),
      add(gradients, "gradients"), add(moments, "moments");
  add(average, "average"), add(copies, "reference policy"), add(critic, "critic"), add(judge, "judge"),
      add(activations, "activations"), add(scratch, "scratch"), add(evaluation, "samples and questions");
  add(host, "batches and saving"), add(process, "program and data");
  text += " = " + human_bytes(sum());
  if (reached > sum()) text += fmt::format(" (before that, {})", human_bytes(reached));
  return text;
}

MemoryEstimate training_memory(const Context& ctx, const Config& config, const Recipe& r, const Phase& p,
                               int64_t sequences, const StageMemory& stage) {
  DryRun dry(ctx);
  const Context& d = dry.ctx();
  double before = 0;
  const auto taken = [&] {
    const double now = double(dry.counted().bytes()), more = now - before;
    before = now;
    return more;
  };
  MemoryEstimate m;
  Model model(d, config, precision(r), p.sequence_length, nullptr, stage.head);
  model.set_recompute(recompute(r));
  m.parameters = taken();
  std::deque<WeightCopy> copies;
  for (int64_t i = 0; i < stage.weight_copies; ++i) copies.emplace_back(d, model);
  m.copies = taken();
  TrainSettings settings = train_settings(r, p);
  settings.objective = stage.objective;
  if (!stage.trains_mtp) settings.mtp = {.early = 0, .late = 0};
  Trainer trainer(
      d, model, settings,
      std::make_unique<PlainExecutor>(d, model, sequences, p.sequence_length, stage.replays_experts, stage.trains_mtp));
  for (const Weight& w : model.weights().all()) m.gradients += footprint(w.grad());
  for (const auto& [name, o] : trainer.state()) {
    if (name[0] == 'm' || name[0] == 'v') m.moments += footprint(o);
    if (name[0] == 'e') m.average += footprint(o);
  }
  m.activations = taken() - m.gradients - m.moments - m.average;
  if (m.sum() > double(machine_memory())) return m;  // too much already: its batches would not even fit on the host
  TokenBatch batch{.num_sequences = sequences,
                   .sequence_length = p.sequence_length,
                   .tokens = {},
                   .targets = {},
                   .document_start = {}};
  batch.tokens.assign(size_t(sequences * p.sequence_length), 0);
  batch.targets = batch.tokens;
  if (r.data.mask_documents) batch.document_start = batch.tokens;
  if (stage.objective.policy) {
    batch.weight.assign(batch.tokens.size(), 0);
    batch.advantage = batch.old_loss = batch.reference_loss = batch.weight;
  }
  if (stage.head == Head::value) batch.rival = batch.targets;
  if (stage.num_soft > 0) {
    batch.num_soft = stage.num_soft;
    batch.soft_token.assign(batch.tokens.size() * size_t(stage.num_soft), 0);
    batch.soft_probability.assign(batch.soft_token.size(), 0);
  }
  TokenLosses tokens;
  trainer.step(d, {&batch, 1}, stage.asks_token_losses ? &tokens : nullptr);
  m.forms = taken();
  const std::shared_ptr<void> critic = stage.critic ? stage.critic(d, model, sequences) : nullptr;
  m.critic = taken();
  const std::shared_ptr<void> judge = stage.judge ? stage.judge(d) : nullptr;
  m.judge = taken();
  if (stage.engine || (r.log.sample_tokens > 0 && stage.head == Head::tokens)) {
    Engine engine(d, model, stage.engine ? *stage.engine : sample_settings(model));
    engine.run_largest(d);
    double host = engine.host_bytes();
    std::optional<Engine> second;
    if (stage.second_engine) {
      second.emplace(d, model, *stage.second_engine).run_largest(d);
      host += second->host_bytes();
    }
    m.evaluation = double(dry.counted().bytes()) - before + host;
  }
  if (!r.log.choices.empty() || !r.log.needle_lengths.empty()) {
    Likelihood likelihood(d, model, model.max_positions());
    likelihood.run_longest(d);
    m.evaluation = std::max(m.evaluation, double(dry.counted().bytes()) - before);
  }
  m.scratch = double(dry.scratch_bytes());
  // The loader's batch of i32, as micro-batches of tokens and targets, and what is uploaded: 5 rows a depth.
  m.host = saving_bytes(model) + stage.host_bytes +
           4.0 * double(p.largest_batch() * p.sequence_length) * double(4 + 5 * (config.num_nextn_predict_layers + 1));
  return m;
}

double weight_bytes(const Config& config, const Recipe& r) {
  double bytes = 0;
  for (const Storage& s : storages(config))
    bytes += double(s.size()) * (4 + (s.trainable ? 4 + 2 * double(size_of(dtype_of(r.train.moments))) : 0) +
                                 (r.train.ema_decay > 0 ? 4 : 0));
  return bytes;
}

}  // namespace minke
