// A model ready to write: what generate and chat need, opened the same way. Says what it will take before it takes it.
#pragma once
#include <memory>
#include <string>

#include "app/runtime.h"
#include "chat/model_source.h"
#include "core/json.h"
#include "infer/memory.h"
#include "model/block_weights.h"
#include "recipe/choices.h"

namespace minke {

struct InferenceOptions {
  RuntimeOptions runtime;
  std::string model;
  FloatFormat dtype = FloatFormat::bf16;
  CacheFormat cache_type = CacheFormat::bf16;
  WeightFormat weights = WeightFormat::keep;
  ActivationFormat activations = ActivationFormat::int8;
  bool repack = true;
  int64_t ctx_size = 0;
  bool strict = false;
  bool share_answers = false;  // EngineSettings
  SpeculationMode speculation = SpeculationMode::off;
  int64_t drafts = 1;
  int64_t sequences = 1;  // that run at once, each with cache for a whole context
  int64_t mtp_modules() const { return speculation == SpeculationMode::off ? 0 : 1; }  // that are to be loaded
};

// --dtype, --weights, --activations, --no-repack, --cache-type, --strict, --spec, --drafts.
void add_format_flags(CLI::App& verb, InferenceOptions& options);
// These, and -m, -c, -t, --seed.
void add_inference_flags(CLI::App& verb, InferenceOptions& options);

// How it is to be for this model. UserError for --spec mtp if it has no MTP module.
SpeculationMode speculation_of(const InferenceOptions& options, const Config& config);

// How the options hold the weights (hold_in_blocks), interleaved when they are loaded.
Precision held_precision(const InferenceOptions& options, const CheckpointFiles& files, const Context& ctx,
                         BlockWeights& blocks);

// Where weights stay in their file and memory has nodes: MemoryPlacement::file_note of pages all over them.
std::string file_note(const Runtime& runtime, const Model& model);

// What --ctx-size asks for, by default the model's own, at most 4096.
int64_t context_size(const InferenceOptions& options, const ModelSource& source);
// What the bits of an answer depend on beside the model and the sampling, for files of answers.
Json computation_settings(const InferenceOptions& options);

class LoadedModel {
 public:
  // UserError if it needs more memory than is free, with what comes beside it. The source outlives it: weights may stay in its files.
  LoadedModel(const InferenceOptions& options, const ModelSource& source, bool quiet,
              const std::vector<BesideEngine>& beside = {});
  // With a runtime that others use, too, before and afterwards.
  LoadedModel(Runtime& runtime, const InferenceOptions& options, const ModelSource& source, bool quiet,
              const std::vector<BesideEngine>& beside = {});

  const Context& ctx() const { return runtime_.ctx(); }
  Model& model() { return *model_; }
  Engine& engine() { return *engine_; }

 private:
  LoadedModel(std::unique_ptr<Runtime> own, Runtime* lent, const InferenceOptions& options, const ModelSource& source,
              bool quiet, const std::vector<BesideEngine>& beside);

  std::unique_ptr<Runtime> own_runtime_;
  Runtime& runtime_;
  BlockWeights blocks_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace minke
