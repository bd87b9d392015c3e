// minke generate: continues a prompt with a checkpoint, streaming.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>

#include "app/choice_flag.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "app/model_flag.h"
#include "app/runtime.h"
#include "core/standard_output.h"
#include "infer/engine.h"
#include "run/settings.h"

namespace minke {
namespace {

struct GenerateOptions {
  RuntimeOptions runtime;
  std::string model, prompt;
  FloatFormat dtype = FloatFormat::bf16, cache_type = FloatFormat::bf16;
  bool strict = false;
  int64_t max_new = 256, ctx_size = 0, count = 1;
  SamplingSettings sampling{.temperature = 0.8};
  std::vector<std::string> stop;
  bool quiet = false;
};

double seconds_since(std::chrono::steady_clock::time_point t) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - t).count();
}

// Prints text as it comes, but holds back what may be the beginning of a stop string.
class Printer {
 public:
  Printer(const std::vector<std::string>& stop) : stop_(stop) {}
  // False once a stop string has come.
  bool add(std::string_view text) {
    held_ += text;
    size_t safe = held_.size();
    for (const std::string& s : stop_) {
      if (const size_t at = held_.find(s); at != held_.npos) {
        print(at);
        return false;
      }
      for (size_t n = std::min(s.size() - 1, held_.size()); n > 0; --n)
        if (std::string_view(held_).ends_with(std::string_view(s).substr(0, n))) {
          safe = std::min(safe, held_.size() - n);
          break;
        }
    }
    print(safe);
    return true;
  }
  void flush() { print(held_.size()); }

 private:
  void print(size_t n) {
    print_out(std::string_view(held_).substr(0, n));
    flush_out();
    held_.erase(0, n);
  }
  const std::vector<std::string>& stop_;
  std::string held_;
};

void generate_one(const GenerateOptions& o, const Context& ctx, const Model& model, Engine& engine,
                  const Tokenizer& tokenizer, uint64_t seed) {
  const std::vector<int32_t> prompt = tokenizer.encode(o.prompt, {.add_bos = tokenizer.begins_with_bos()});
  if (prompt.empty())
    user_error("-p: the prompt is empty, and with this tokenizer text has no begin-of-text token; give some text");
  const int64_t ctx_size = model.max_positions();
  if (int64_t(prompt.size()) >= ctx_size)
    user_error("the prompt has {} tokens, but the context holds only {}: shorten it or raise --ctx-size", prompt.size(),
               ctx_size);

  Request request{.prompt = prompt, .max_new = o.max_new, .sampling = o.sampling};
  request.sampling.seed = seed;
  if (tokenizer.eos_id() >= 0) request.stop_tokens.push_back(tokenizer.eos_id());
  for (int64_t id : model.config().eos_token_ids) request.stop_tokens.push_back(int32_t(id));
  StreamDecoder decoder(tokenizer);
  Printer printer(o.stop);
  if (!o.quiet) print_out(o.prompt);
  const auto begin = std::chrono::steady_clock::now();
  double first = 0;
  bool stopped = false;
  bool full = false;
  const auto made = minke::generate(ctx, engine, std::move(request), [&](const NewToken& t) {
    if (first == 0) first = seconds_since(begin);
    if (t.ending == Ending::stop_token) return false;
    full = t.ending == Ending::context_full;
    stopped = !printer.add(decoder.push(t.token));
    return !stopped;
  });
  if (!stopped) {
    printer.add(decoder.finish());
    printer.flush();
  }
  print_out("\n");
  flush_out();
  if (full)
    std::fprintf(stderr, "the context of %ld tokens is full: the answer ends here; --ctx-size makes it larger\n",
                 long(ctx_size));
  if (!o.quiet)
    std::fprintf(stderr, "%zu prompt tokens in %.2f s (%.0f tok/s), %zu new in %.2f s (%.1f tok/s), cache %.2f MiB\n",
                 prompt.size(), first, double(prompt.size()) / std::max(first, 1e-9), made.size(),
                 seconds_since(begin) - first,
                 double(made.size() > 1 ? made.size() - 1 : 0) / std::max(seconds_since(begin) - first, 1e-9),
                 double(engine.pool().bytes()) / (1 << 20));
}

void generate(GenerateOptions& o) {
  validate(o.sampling);
  std::erase(o.stop, "");
  Runtime runtime(o.runtime);
  if (!o.quiet) std::fprintf(stderr, "%s\n", runtime.description().c_str());
  // The modules of MTP predict further ahead; plain generation does without.
  const CheckpointFiles files = open_checkpoint(o.model, false);
  const Config& config = files.config;
  const int64_t limit = config.max_position_embeddings;
  if (o.ctx_size > limit) user_error("--ctx-size {}: the model supports at most {} positions", o.ctx_size, limit);
  const Tokenizer tokenizer = open_tokenizer(o.model, config);
  if (!o.quiet)
    for (const std::string& note : notes_of(files, tokenizer)) std::fprintf(stderr, "%s\n", note.c_str());
  const Precision precision = minke::precision(o.dtype).for_inference();
  const int64_t ctx_size = o.ctx_size > 0 ? o.ctx_size : std::min<int64_t>(limit, 4096);
  const EngineSettings settings{.max_context = ctx_size, .cache = dtype_of(o.cache_type), .strict = o.strict};
  runtime.reserve_scratch(Engine::scratch_bytes(runtime.ctx(), config, precision, settings));
  Model model(runtime.ctx(), config, precision, ctx_size);
  load_weights(runtime.ctx(), model, files.weights);
  Engine engine(runtime.ctx(), model, settings);
  for (int64_t i = 0; i < o.count; ++i)
    generate_one(o, runtime.ctx(), model, engine, tokenizer, o.runtime.seed + uint64_t(i));
}

}  // namespace

void add_generate_command(CLI::App& program) {
  auto o = std::make_shared<GenerateOptions>();
  CLI::App* c = program.add_subcommand("generate", "Continue a prompt with a checkpoint");
  set_example(*c, R"(minke generate -m runs/out/quickstart/latest -p "The whale")");
  add_model_flag(*c, o->model)->required();
  c->add_option("-p,--prompt", o->prompt, "Text to continue");
  c->add_option("-n,--n-predict", o->max_new, "Largest number of new tokens")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  c->add_option("-c,--ctx-size", o->ctx_size, "Tokens of context; 0 = the model's longest context, at most 4096")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  c->add_option("--count", o->count, "Number of answers; they use the seeds seed, seed+1, …")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  c->add_option("--temp", o->sampling.temperature, "Temperature; 0 = always the most likely token")
      ->capture_default_str();
  c->add_option("--top-k", o->sampling.top_k, "Only the k most likely tokens; 0 = all")->capture_default_str();
  c->add_option("--top-p", o->sampling.top_p, "Only the most likely tokens that together reach this probability")
      ->capture_default_str();
  c->add_option("--min-p", o->sampling.min_p, "Only tokens with at least this share of the largest probability")
      ->capture_default_str();
  c->add_option("--repetition-penalty", o->sampling.repetition_penalty,
                "Makes tokens of prompt and answer less likely if above 1")
      ->capture_default_str();
  c->add_option("--presence-penalty", o->sampling.presence_penalty,
                "Taken from the logit of a token that the answer has")
      ->capture_default_str();
  c->add_option("--frequency-penalty", o->sampling.frequency_penalty,
                "Taken from the logit of a token as often as the answer has it")
      ->capture_default_str();
  c->add_option("--stop", o->stop, "Stop before this text (may be repeated)")->allow_extra_args(false);
  add_choice(*c, "--dtype", o->dtype, "Number format of the computation");
  add_choice(*c, "--cache-type", o->cache_type, "Number format of the KV cache");
  c->add_flag("--strict", o->strict,
              "Compute prompts as answers are: an answer then has the bits that it would have as a prompt; slower");
  c->add_flag("-q,--quiet", o->quiet, "Print only the new text");
  add_runtime_flags(*c, o->runtime);
  c->callback([o] { generate(*o); });
}

}  // namespace minke
