// minke bench cache: what the formats of the KV cache cost in logits.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "app/choice_flag.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "app/loaded_model.h"
#include "app/model_flag.h"
#include "bench/cache_bench.h"
#include "core/error.h"
#include "core/files.h"
#include "spec/counts.h"

namespace minke {
namespace {

struct Options {
  InferenceOptions inference;
  std::string text;
  int64_t window = 512, tokens = 16384;
};

void run(Options& o) {
  const ModelSource source = open_model(o.inference.model);
  const Config& config = source.files.config;
  std::vector<int32_t> tokens =
      source.tokenizer.encode(read_file(o.text), {.add_bos = source.tokenizer.begins_with_bos()});
  tokens.resize(std::min(tokens.size(), size_t(o.tokens)));
  if (o.window > config.max_position_embeddings)
    user_error("bench cache: --window {}: the model supports at most {} positions", o.window,
               config.max_position_embeddings);
  o.inference.ctx_size = o.window;
  // What takes most of scratch.
  o.inference.cache_type = config.attention == AttentionKind::mla ? CacheFormat::fp8 : CacheFormat::f32;
  LoadedModel loaded(o.inference, source, false);
  const std::vector<CacheCost> costs = cache_costs(loaded.ctx(), loaded.model(), tokens, o.window);
  fmt::print("{:<8}{:>15}{:>10}{:>14}{:>12}{:>14}{:>14}\n", "cache", "bytes a token", "tokens", "mean KL", "same top",
             "nats a token", "with f32");
  for (const CacheCost& c : costs)
    fmt::print("{:<8}{:>15}{:>10}{:>14.3g}{:>10.2f} %{:>14.5f}{:>14.5f}\n", name_of(c.format),
               kv_bytes_per_token(config, dtype_of(c.format)), c.tokens, c.kl, 100 * c.same_top, c.nats, c.nats_of_f32);
}

}  // namespace

void add_bench_cache(CLI::App& bench) {
  const auto o = std::make_shared<Options>();
  CLI::App* c = bench.add_subcommand("cache", "Formats of the KV cache: what they change in the logits of a text");
  set_example(*c, "minke bench cache -m runs/out/quickstart/latest --text held-out.txt");
  add_model_flag(*c, o->inference.model)->required();
  c->add_option("--text", o->text, "A text file; one that the model was not trained on says most")->required();
  c->add_option("--tokens", o->tokens, "Tokens of the text, at most")
      ->check(CLI::Range(2, 1 << 30))
      ->capture_default_str();
  c->add_option("--window", o->window, "Tokens of a window: half of them a prompt, half an answer")
      ->check(CLI::Range(2, 1 << 20))
      ->capture_default_str();
  add_choice(*c, "--dtype", o->inference.dtype, "Number format of the computation");
  add_weights_flags(*c, o->inference.weights, o->inference.activations);
  c->add_flag("--strict", o->inference.strict, "Compute prompts as answers are");
  add_runtime_flags(*c, o->inference.runtime);
  c->callback([o] { run(*o); });
}

}  // namespace minke
