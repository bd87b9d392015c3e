// minke score: flags → run/score.h.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "app/choice_flag.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "app/model_flag.h"
#include "app/runtime.h"
#include "core/human_numbers.h"
#include "core/machine_memory.h"
#include "model/checkpoint.h"
#include "run/score.h"
#include "run/settings.h"

namespace minke {
namespace {

struct ScoreOptions {
  RuntimeOptions runtime;
  std::string model, tokens, out;
  FloatFormat dtype = FloatFormat::f32;
  WeightFormat weights = WeightFormat::keep;
  ActivationFormat activations = ActivationFormat::dtype;
  ScoreSettings settings;
};

void run(ScoreOptions& o) {
  refuse_own_input(o.out, o.tokens);
  Runtime runtime(o.runtime);
  std::fprintf(stderr, "%s\n", runtime.description().c_str());
  CheckpointFiles checkpoint = open_checkpoint(o.model, kAllMtp);
  for (const std::string& note : checkpoint.notes) std::fprintf(stderr, "%s\n", note.c_str());
  const TokenBatch batch = tokens_to_score(o.tokens, checkpoint.config);
  BlockWeights blocks;
  Precision& held = o.settings.precision;
  held = precision(o.dtype);
  if (!o.settings.gradients) {
    held =
        hold_in_blocks(held.for_inference(), blocks, checkpoint.config, checkpoint.weights, o.weights, o.activations);
  } else if (o.weights != WeightFormat::keep) {
    user_error("--weights {} goes without --grad: gradients are of weights in FP32; leave one of them out",
               name_of(o.weights));
  } else if (o.activations != ActivationFormat::dtype) {
    user_error("--activations {} goes without --grad: gradients are of weights in FP32; leave one of them out",
               name_of(o.activations));
  }
  if (!blocks.note.empty()) std::fprintf(stderr, "%s\n", blocks.note.c_str());
  const MemoryEstimate memory = score_memory(runtime.ctx(), checkpoint.config, batch, o.settings);
  std::fprintf(stderr, "memory      %s\n", memory.text().c_str());
  if (memory.all() - double(blocks.experts_in_file) > double(machine_memory()))
    user_error("this needs {} of memory but the machine has {}: give fewer tokens at once{}", human_bytes(memory.all()),
               human_bytes(double(machine_memory())), o.settings.gradients ? ", or leave out --grad" : "");
  runtime.reserve_scratch(size_t(memory.scratch));
  const ScoredLosses losses = score(runtime.ctx(), std::move(checkpoint), batch, o.settings, o.out);
  std::printf("loss %.6f nats per token over %lld tokens", losses.total, static_cast<long long>(losses.tokens));
  if (!losses.of_module.empty())
    std::printf(" (main %.6f + %.3g × MTP %.6f)", losses.main, o.settings.mtp_weight, losses.mtp);
  std::printf("; written to %s\n", o.out.c_str());
  std::fprintf(stderr, "memory      peak %s (estimated %s)\n", human_bytes(double(process_memory().most)).c_str(),
               human_bytes(memory.all()).c_str());
}

}  // namespace

void add_score_command(CLI::App& program) {
  auto o = std::make_shared<ScoreOptions>();
  CLI::App* c = program.add_subcommand("score", "Logits, losses and gradients of a checkpoint on given tokens");
  set_example(*c, "minke score -m runs/out/quickstart/latest --tokens tokens.safetensors --out scores.safetensors");
  add_model_flag(*c, o->model)->required();
  c->add_option("--tokens", o->tokens, "Safetensors file with \"tokens\", int32 [B,T]")->required();
  c->add_option("--out", o->out, "Safetensors file to write: logits, losses, grad.*")->required();
  c->add_flag("--grad", o->settings.gradients, "Also the gradient of the loss, one tensor per parameter");
  add_choice(*c, "--dtype", o->dtype, "Number format of the computation");
  add_weights_flags(*c, o->weights, o->activations);
  c->add_option("--mtp-weight", o->settings.mtp_weight, "Weight of the MTP loss in the total loss")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  add_runtime_flags(*c, o->runtime);
  c->callback([o] { run(*o); });
}

}  // namespace minke
