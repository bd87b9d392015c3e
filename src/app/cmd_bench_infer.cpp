// minke bench infer: how fast prompts and answers are computed, and which share of the machine that is.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/loaded_model.h"
#include "app/model_flag.h"
#include "bench/infer_bench.h"
#include "chat/model_source.h"
#include "convert/random_weights.h"
#include "core/files.h"
#include "core/human_numbers.h"
#include "core/machine_memory.h"
#include "core/standard_output.h"
#include "infer/memory.h"
#include "run/settings.h"
#include "spec/counts.h"

namespace minke {
namespace {

struct Options {
  InferenceOptions inference;
  InferBenchOptions bench;
  std::string random_weights, text;
  double seconds = 0.3;
  bool json = false;
};

// The text of rows goes to standard output, unless they are JSON; all else, to standard error then.
class Table {
 public:
  explicit Table(bool json) : json_(json) {}

  void line(const char* label, const std::string& text) { show(fmt::format("{:<12}{}", label, text)); }
  void ceiling(const char* label, const char* unit, const Ceiling& ceiling) {
    const Ceiling::Try best = ceiling.best();
    line(label, fmt::format("{:.1f} {} ({})", best.rate / 1e9, unit, best.how));
  }
  void head() {
    show(fmt::format("{:<18}{:>5}{:>10}{:>21}{:>13}{:>13}{:>10}{:>10}", "test", "batch", "tok/s", "slowest–fastest",
                     "first token", "bytes/token", "of read", "of peak"));
  }
  void row(const InferRow& r, Json fields) {
    const auto& rates = r.tokens_per_second;
    const double slowest = *std::min_element(rates.begin(), rates.end()),
                 fastest = *std::max_element(rates.begin(), rates.end());
    const bool answers = r.bytes_per_token > 0;
    show(fmt::format("{:<18}{:>5}{:>10.1f}{:>21}{:>13}{:>13}{:>10}{:>8.1f} %",
                     r.depth > 0 ? fmt::format("{} @ {}", r.test, r.depth) : r.test, r.batch, r.median_rate(),
                     fmt::format("{:.1f}–{:.1f}", slowest, fastest),
                     answers ? "" : fmt::format("{:.0f} ms", r.first_token_seconds * 1e3),
                     answers ? human_bytes(r.bytes_per_token) : "",
                     answers ? fmt::format("{:.1f} %", 100 * r.bandwidth_share()) : "", 100 * r.ceiling_share()));
    const bool drafts = r.gain > 0;
    if (drafts) show(fmt::format("          {:.2f} x as fast as without; {}", r.gain, r.drafts.text()));
    Json row = {{"test", r.test},
                {"batch", r.batch},
                {"depth", r.depth},
                {"tok_s", r.median_rate()},
                {"min", slowest},
                {"max", fastest},
                {"runs", rates},
                {"bytes_per_token", answers ? Json(r.bytes_per_token) : Json()},
                {"bandwidth_share", answers ? Json(r.bandwidth_share()) : Json()},
                {"ceiling_share", r.ceiling_share()},
                {"first_token_s", answers ? Json() : Json(r.first_token_seconds)},
                {"read_ceiling", r.read_ceiling},
                {"product_ceiling", r.product_ceiling},
                {"acceptance", drafts ? Json(r.drafts.acceptance()) : Json()},
                {"tokens_per_step", drafts ? Json(r.drafts.tokens_per_step()) : Json()},
                {"gain", drafts ? Json(r.gain) : Json()},
                {"gain_bound", drafts ? Json(r.drafts.bound()) : Json()}};
    row.update(fields);
    rows_.push_back(std::move(row));
  }
  void finish() const {
    if (json_) print_out(rows_.dump(2) + "\n");
  }

 private:
  void show(const std::string& line) const {
    if (json_) return print_note(line);
    print_out(line + "\n");
    flush_out();
  }

  bool json_;
  Json rows_ = Json::array();
};

// UserError if it is more than is free.
InferenceMemory needed_memory(const Context& ctx, const Config& config, const Precision& precision,
                              const EngineSettings& settings, WeightFormat weights) {
  if (settings.max_context > config.max_position_embeddings)
    user_error(
        "bench infer: -p, -n, --depth and --batch need {} positions, but the model supports at most {}: lower them",
        settings.max_context, config.max_position_embeddings);
  const InferenceMemory needed = inference_memory(ctx, config, precision, settings);
  if (const double free = double(free_memory()); needed.must_fit() > free)
    user_error("bench infer: {} are needed ({}), but only {} are free: lower -p, -n, --depth or --batch{}",
               human_bytes(needed.must_fit()), needed.text(), human_bytes(free),
               weights == WeightFormat::int4 ? "" : ", or try --weights int4");
  return needed;
}

void measure(Table& table, Options& o, Runtime& runtime, const CheckpointFiles& files) {
  const Config& config = files.config;
  o.bench.speculation = speculation_of(o.inference, config), o.bench.drafts = o.inference.drafts;
  BlockWeights blocks;
  const Precision precision = held_precision(o.inference, files, runtime.ctx(), blocks);
  if (!blocks.note.empty()) table.line("", blocks.note);
  EngineSettings settings = engine_settings(o.bench);
  settings.cache = dtype_of(o.inference.cache_type);
  if (o.inference.strict) settings.form = AttentionForm::absorbed;
  const InferenceMemory needed = needed_memory(runtime.ctx(), config, precision, settings, o.inference.weights);
  table.line("memory", needed.text());
  runtime.reserve_scratch(size_t(needed.scratch));
  const Context& ctx = runtime.ctx();
  Model model(ctx, config, precision, settings.max_context);
  load_weights(ctx, model, files.weights);
  if (const std::string note = file_note(runtime, model); !note.empty()) table.line("", note);
  Engine engine(ctx, model, settings);

  const int64_t kv = kv_bytes_per_token(config, settings.cache, settings.most_drafts() > 0);
  const std::string weights =
      o.inference.weights == WeightFormat::keep ? weight_format(model) : name_of(o.inference.weights);
  const Counts counts = count_parameters(config);
  table.line("model", fmt::format("{} parameters, {} of them multiplied with each token; {} of weights in {}; {} bytes "
                                  "of {} cache a token",
                                  human_count(double(counts.total)), human_count(double(counts.matmul_active)),
                                  human_bytes(weight_bytes(model).sum), weights, kv, name_of(o.inference.cache_type)));
  const InferCeilings ceilings = infer_ceilings(ctx, model, o.seconds);
  table.ceiling("read", "GB/s", ceilings.read);
  table.ceiling("peak", "GFLOP/s", ceilings.products);
  const std::string backend = ctx.backend->name(), cpu = "cpu ";
  const Json common = {
      {"threads", ctx.threads->count()},
      {"weights", weights},
      {"kv_bytes_per_token", kv},
      {"isa", backend.starts_with(cpu) ? backend.substr(cpu.size()) : backend},
      {"path", name_of(precision.integer_products && !blocks.storages.empty() ? DType::i8 : precision.compute)}};
  table.head();
  infer_bench(ctx, model, engine, o.bench, ceilings, [&](const InferRow& row) { table.row(row, common); });
}

void run(Options& o) {
  if (o.bench.prompt == 0 && o.bench.answer == 0)
    user_error("bench infer: -p 0 and -n 0 leave nothing to measure: make one of them larger");
  if (const int64_t page = EngineSettings().page; o.bench.depth % page != 0)
    user_error("bench infer: --depth {}: must be a multiple of {}", o.bench.depth, page);
  Runtime runtime(o.inference.runtime);
  Table table(o.json);
  table.line("machine", runtime.description());
  const CheckpointFiles files = o.random_weights.empty() ? open_checkpoint(o.inference.model, o.inference.mtp_modules())
                                                         : random_checkpoint(o.random_weights, o.inference.runtime.seed,
                                                                             o.inference.mtp_modules());
  for (const std::string& note : files.notes) table.line("", note);
  if (!o.text.empty() && o.inference.speculation == SpeculationMode::off)
    user_error("bench infer: --text {}: only answers with drafts go on with a text; add --spec mtp or auto", o.text);
  if (!o.text.empty()) {
    o.bench.text = open_tokenizer(o.inference.model, files.config).encode(read_file(o.text, size_t(1) << 30));
    if (o.bench.text.empty()) user_error("bench infer: --text {}: the file is empty", o.text);
  }
  measure(table, o, runtime, files);
  table.finish();
}

}  // namespace

void add_bench_infer(CLI::App& bench) {
  const auto o = std::make_shared<Options>();
  CLI::App* c = bench.add_subcommand("infer", "Prompts and answers of a model: tokens a second, share of the machine");
  set_example(*c, "minke bench infer -m model.gguf -p 512 -n 32 --batch 1,8");
  CLI::Option* model = add_model_flag(*c, o->inference.model);
  c->add_option("--random-weights", o->random_weights, "Instead of a checkpoint: the config.json of a shape to measure")
      ->excludes(model);
  c->add_option("-p,--prompt", o->bench.prompt, "Tokens of a prompt; 0 = measure no prompts")
      ->check(CLI::Range(0, 1 << 24))
      ->capture_default_str();
  c->add_option("-n,--n-predict", o->bench.answer, "Tokens of an answer; 0 = measure no answers")
      ->check(CLI::Range(0, 1 << 24))
      ->capture_default_str();
  c->add_option("-d,--depth", o->bench.depth, "Tokens that are in the cache before, a multiple of 64")
      ->check(CLI::Range(0, 1 << 24))
      ->capture_default_str();
  c->add_option("--batch", o->bench.batches, "Sequences at once; several numbers with commas between them")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(1, 1 << 16))
      ->default_str("1");
  c->add_option("-r,--repetitions", o->bench.repetitions, "Runs of each row, after one that is not counted")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  c->add_option("--text", o->text, "With --spec: a file whose text the answers of that row go on with")->needs(model);
  add_format_flags(*c, o->inference);
  c->add_option("--seconds", o->seconds, "Seconds spent on each measurement of the machine, about")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  c->add_flag("--json", o->json, "Print the rows as a list in JSON; all else goes to standard error");
  add_runtime_flags(*c, o->inference.runtime);
  c->callback([o] {
    if (o->inference.model.empty() && o->random_weights.empty())
      throw CLI::RequiredError("-m MODEL or --random-weights CONFIG.json");
    run(*o);
  });
}

}  // namespace minke
