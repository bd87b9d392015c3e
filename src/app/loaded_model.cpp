#include "app/loaded_model.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/choice_flag.h"
#include "app/model_flag.h"
#include "core/machine_memory.h"
#include "run/settings.h"

namespace minke {

void add_inference_flags(CLI::App& verb, InferenceOptions& o) {
  add_model_flag(verb, o.model)->required();
  verb.add_option("-c,--ctx-size", o.ctx_size, "Tokens of context; 0 = the model's longest context, at most 4096")
      ->check(CLI::Range(0, 1 << 30))
      ->capture_default_str();
  add_format_flags(verb, o);
  add_runtime_flags(verb, o.runtime);
}

void add_format_flags(CLI::App& verb, InferenceOptions& o) {
  add_choice(verb, "--dtype", o.dtype, "Number format of the computation");
  add_weights_flags(verb, o.weights, o.activations);
  verb.add_flag("!--no-repack", o.repack,
                "Leave quantised weights as they are in the file, as happens where memory is short: loads faster, "
                "computes slower");
  add_choice(verb, "--cache-type", o.cache_type, "Number format of the KV cache; fp8 with latent attention only");
  verb.add_flag("--strict", o.strict,
                "Compute prompts as answers are: an answer then has the bits that it would have as a prompt; slower");
  add_choice(
      verb, "--spec", o.speculation,
      "Let the model's MTP module draft tokens, which are checked together: the same text, faster where many drafts "
      "are right; auto = only while it is");
  verb.add_option("--drafts", o.drafts, "With --spec: tokens that the module drafts for a step")
      ->needs(verb.get_option("--spec"))
      ->check(CLI::Range(1, 8))
      ->capture_default_str();
}

SpeculationMode speculation_of(const InferenceOptions& o, const Config& config) {
  if (config.num_nextn_predict_layers > 0) return o.speculation;
  if (o.speculation == SpeculationMode::mtp)
    user_error("--spec mtp: {} has no MTP module: use --spec off, or auto, which does without",
               o.model.empty() ? "this shape" : o.model);
  return SpeculationMode::off;
}

Precision held_precision(const InferenceOptions& o, const CheckpointFiles& files, const Context& ctx,
                         BlockWeights& blocks) {
  return hold_in_blocks(minke::precision(o.dtype).for_inference(), blocks, files.config, files.weights, o.weights,
                        o.activations, o.repack ? ctx.backend->strips() : Strips{});
}

std::string file_note(const Runtime& runtime, const Model& model) {
  constexpr size_t kLookedAt = 64;
  std::vector<const void*> in_file;
  for (const Weight& w : model.weights().all())
    for (size_t part = 0; part < w.parts().size(); ++part)
      if (!w.bytes_of(part)) in_file.push_back(w.parts()[part].rows);
  std::vector<const void*> pages;
  for (size_t i = 0; i < std::min(kLookedAt, in_file.size()); ++i)
    pages.push_back(in_file[i * in_file.size() / std::min(kLookedAt, in_file.size())]);
  return runtime.placement().file_note(pages);
}

int64_t context_size(const InferenceOptions& o, const ModelSource& source) {
  return o.ctx_size > 0 ? o.ctx_size : std::min<int64_t>(source.files.config.max_position_embeddings, 4096);
}

Json computation_settings(const InferenceOptions& o) {
  return {{"ctx_size", o.ctx_size},
          {"dtype", name_of(o.dtype)},
          {"weights", name_of(o.weights)},
          {"activations", name_of(o.activations)},
          {"cache_type", name_of(o.cache_type)}};
}

LoadedModel::LoadedModel(const InferenceOptions& o, const ModelSource& source, bool quiet,
                         const std::vector<BesideEngine>& beside)
    : LoadedModel(std::make_unique<Runtime>(o.runtime), nullptr, o, source, quiet, beside) {}

LoadedModel::LoadedModel(Runtime& runtime, const InferenceOptions& o, const ModelSource& source, bool quiet,
                         const std::vector<BesideEngine>& beside)
    : LoadedModel(nullptr, &runtime, o, source, quiet, beside) {}

LoadedModel::LoadedModel(std::unique_ptr<Runtime> own, Runtime* lent, const InferenceOptions& o,
                         const ModelSource& source, bool quiet, const std::vector<BesideEngine>& beside)
    : own_runtime_(std::move(own)), runtime_(lent ? *lent : *own_runtime_) {
  if (!quiet) std::fprintf(stderr, "%s\n", runtime_.description().c_str());
  if (!quiet)
    for (const std::string& note : source.notes) std::fprintf(stderr, "%s\n", note.c_str());
  const Config& config = source.files.config;
  const int64_t limit = config.max_position_embeddings;
  if (o.ctx_size > limit) user_error("--ctx-size {}: the model supports at most {} positions", o.ctx_size, limit);
  const Precision precision = held_precision(o, source.files, ctx(), blocks_);
  if (!quiet && !blocks_.note.empty()) std::fprintf(stderr, "%s\n", blocks_.note.c_str());
  const int64_t context = context_size(o, source);
  EngineSettings settings{.max_context = context,
                          .max_sequences = o.sequences,
                          .max_tokens = std::max<int64_t>(512, o.sequences * (1 + o.drafts)),
                          .cache = dtype_of(o.cache_type),
                          .form = o.strict ? AttentionForm::absorbed : AttentionForm::by_role,
                          .share_answers = o.share_answers,
                          .speculation = speculation_of(o, config),
                          .drafts = o.drafts};
  settings.cache_tokens = settings.slots_for_all();
  InferenceMemory needed = inference_memory(ctx(), config, precision, settings, beside);
  const double available = double(free_memory());
  if (needed.must_fit() > available) {
    blocks_ = plan_block_weights(config, source.files.weights, o.weights, precision.compute);
    needed = inference_memory(ctx(), config, precision, settings, beside);
  }
  const auto would_fit = [&](WeightFormat format, int64_t context) {
    const BlockWeights blocks = plan_block_weights(config, source.files.weights, format, precision.compute);
    Precision other = precision;
    other.blocks = &blocks;
    return fits(ctx(), config, other, settings, context, available, beside);
  };
  const auto other_weights = [&]() -> std::string {
    const auto& formats = EnumNames<WeightFormat>::all;
    for (const auto& format : formats)
      if (would_fit(format.value, settings.max_context)) return fmt::format("--weights {}", format.name);
    const int64_t least = std::min<int64_t>(settings.page, settings.max_context);
    if (would_fit(o.weights, least)) return "";
    for (const auto& format : formats)
      if (would_fit(format.value, least)) return fmt::format("--weights {} and a smaller --ctx-size", format.name);
    return "";
  };
  const std::string slow = check_fits(ctx(), config, precision, settings, needed, available, other_weights, beside);
  if (!quiet) std::fprintf(stderr, "memory      %s\n", needed.text().c_str());
  if (!quiet && !slow.empty()) std::fprintf(stderr, "%s\n", slow.c_str());
  runtime_.reserve_scratch(size_t(needed.scratch));
  model_ = std::make_unique<Model>(ctx(), config, precision, settings.max_context);
  load_weights(ctx(), *model_, source.files.weights);
  if (const std::string note = file_note(runtime_, *model_); !quiet && !note.empty())
    std::fprintf(stderr, "%s\n", note.c_str());
  engine_ = std::make_unique<Engine>(ctx(), *model_, settings);
}

}  // namespace minke
