// minke generate: continues a prompt with a checkpoint, streaming.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/loaded_model.h"
#include "app/sampling_flags.h"
#include "chat/text_stream.h"
#include "core/clock.h"
#include "core/standard_output.h"
#include "structured/answer_constraint.h"
#include "structured/json_schema.h"

namespace minke {
namespace {

const SamplingSettings kSampling{.temperature = 0.8};

struct GenerateOptions {
  InferenceOptions inference;
  SamplingFlags sampling;
  std::string prompt;
  int64_t max_new = 256, count = 1;
  std::vector<std::string> stop;
  std::string json_schema;
  bool quiet = false;
};

void generate_one(const GenerateOptions& o, const ModelSource& source, LoadedModel& loaded, Request request) {
  const size_t prompt_tokens = request.prompt.size();
  TextStream stream(source.tokenizer, o.stop);
  const Speculation* speculation = loaded.engine().speculation();
  const SpeculationCounts before = speculation ? speculation->counts() : SpeculationCounts{};
  const auto begin = Clock::now();
  double first = 0;
  bool full = false;
  const auto made = minke::generate(loaded.ctx(), loaded.engine(), std::move(request), [&](const NewToken& t) {
    if (first == 0) {
      first = seconds_since(begin);
      if (!o.quiet) print_out(o.prompt);
    }
    if (t.ending == Ending::stop_token) return false;
    full = t.ending == Ending::context_full;
    print_out(stream.push(t.token));
    flush_out();
    return !stream.stopped();
  });
  print_out(stream.finish() + "\n");
  flush_out();
  if (full)
    std::fprintf(stderr, "the context of %ld tokens is full: the answer ends here; --ctx-size makes it larger\n",
                 long(loaded.engine().settings().max_context));
  if (o.quiet) return;
  const double rest = seconds_since(begin) - first;
  std::string line = fmt::format("{} prompt tokens in {:.2f} s ({:.0f} tok/s), {} new", prompt_tokens, first,
                                 double(prompt_tokens) / first, made.size());
  if (made.size() > 1) line += fmt::format(" in {:.2f} s ({:.1f} tok/s)", rest, double(made.size() - 1) / rest);
  print_note(line);
  if (speculation) std::fprintf(stderr, "%s\n", speculation->counts().since(before).text().c_str());
}

// What keeps answers within --json-schema.
struct JsonAnswers {
  Grammar grammar;
  TokenTrie trie;
  JsonAnswers(const fs::path& schema, const Tokenizer& tokenizer)
      : grammar(json_schema_grammar(parse_json(read_file(schema, size_t(4) << 20), schema.string()))),
        trie(tokenizer) {}
};

void generate(const GenerateOptions& o) {
  Request request{.max_new = o.max_new, .sampling = o.sampling.over(kSampling)};
  validate(request.sampling);
  const ModelSource source = open_model(o.inference.model, o.inference.mtp_modules());
  request.prompt = source.tokenizer.encode(o.prompt, {.add_bos = source.tokenizer.begins_with_bos()});
  if (request.prompt.empty())
    user_error("-p: the prompt is empty, and with this tokenizer text has no begin-of-text token; give some text");
  request.stop_tokens = source.stop_tokens;
  std::optional<JsonAnswers> json;
  if (!o.json_schema.empty()) json.emplace(o.json_schema, source.tokenizer);
  LoadedModel loaded(o.inference, source, o.quiet);
  for (int64_t i = 0; i < o.count; ++i) {
    request.sampling.seed = o.inference.runtime.seed + uint64_t(i);
    std::optional<AnswerConstraint> constraint;
    if (json) {
      constraint.emplace(json->grammar, source.tokenizer, json->trie,
                         AnswerConstraint::Settings{.stop_tokens = source.stop_tokens});
      request.constrain = [&](std::span<const int32_t> answer, std::span<float> logits) {
        constraint->constrain(answer, logits);
      };
    }
    generate_one(o, source, loaded, request);
    if (constraint && !constraint->is_complete())
      std::fprintf(stderr, "the answer is cut off: it is no complete JSON; a larger -n lets it end\n");
  }
}

}  // namespace

void add_generate_command(CLI::App& program) {
  auto o = std::make_shared<GenerateOptions>();
  CLI::App* c = program.add_subcommand("generate", "Continue a prompt with a checkpoint");
  set_example(*c, R"(minke generate -m runs/out/quickstart/latest -p "The whale")");
  add_inference_flags(*c, o->inference);
  c->add_option("-p,--prompt", o->prompt, "Text to continue");
  c->add_option("-n,--n-predict", o->max_new, "Largest number of new tokens")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  c->add_option("--count", o->count, "Number of answers; they use the seeds seed, seed+1, …")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  o->sampling.add(*c, kSampling);
  c->add_option("--stop", o->stop, "Stop before this text (may be repeated)")->allow_extra_args(false);
  c->add_option("--json-schema", o->json_schema,
                "File with a JSON schema: the new text is JSON that satisfies it; what is not known of schemas is "
                "refused by name");
  c->add_flag("-q,--quiet", o->quiet, "Print only the new text");
  c->callback([o] { generate(*o); });
}

}  // namespace minke
