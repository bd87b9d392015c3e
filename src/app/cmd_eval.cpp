// minke eval: what a checkpoint can do, as numbers: bits per byte of a text, multiple-choice, needle in a haystack
// (and tasks: cmd_eval_tasks.cpp).
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <numbers>

#include "app/choice_flag.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "app/model_flag.h"
#include "app/runtime.h"
#include "chat/model_source.h"
#include "core/human_numbers.h"
#include "core/standard_output.h"
#include "data/documents.h"
#include "eval/choices.h"
#include "eval/needle.h"
#include "report/console.h"
#include "run/settings.h"

namespace minke {
namespace {

struct EvalOptions {
  RuntimeOptions runtime;
  std::string model, out;
  FloatFormat dtype = FloatFormat::bf16;
  WeightFormat weights = WeightFormat::keep;
  ActivationFormat activations = ActivationFormat::dtype;
  int64_t ctx_size = 0, batch = 8;
  std::vector<std::string> choices, text, text_keys{"text"};
  NeedleOptions needle;
};

// The checkpoint with what every evaluation needs of it.
struct Subject {
  Runtime runtime;
  CheckpointFiles files;
  Tokenizer tokenizer;
  BlockWeights blocks;
  Model model;
  Console console{stderr};
  int64_t length;
  Likelihood likelihood;

  explicit Subject(const EvalOptions& o) : Subject(o, open_checkpoint(o.model, 0), 0) {}
  Subject(const EvalOptions& o, CheckpointFiles opened, int64_t at_least)
      : runtime(o.runtime),
        files(std::move(opened)),
        tokenizer(open_tokenizer(o.model, files.config)),
        model(runtime.ctx(), files.config, held(o), context(o, at_least)),
        length(model.max_positions()),
        likelihood((prepare(o), runtime.ctx()), model, length, o.batch) {
    console.print(runtime.description());
    for (const std::string& note : notes_of(files, tokenizer)) console.print(note);
    if (!blocks.note.empty()) console.print(blocks.note);
  }
  Precision held(const EvalOptions& o) {
    return hold_in_blocks(precision(o.dtype).for_inference(), blocks, files.config, files.weights, o.weights,
                          o.activations);
  }
  void prepare(const EvalOptions& o) {
    runtime.reserve_scratch(
        Likelihood::scratch_bytes(runtime.ctx(), model.config(), model.precision(), length, o.batch));
    load_weights(runtime.ctx(), model, files.weights);
  }
  // Longer than the model was made for is allowed here: how it fails beyond is what one may want to see.
  int64_t context(const EvalOptions& o, int64_t at_least) const {
    if (at_least > 0) return at_least;
    return o.ctx_size > 0 ? o.ctx_size : std::min<int64_t>(files.config.max_position_embeddings, 4096);
  }
};

// Before the work, not after it.
void check_result(const EvalOptions& o) {
  if (fs::is_directory(o.out)) user_error("--out {} is a folder; give a file", o.out);
  const fs::path folder = fs::path(o.out).parent_path();
  if (!folder.empty() && !fs::is_directory(folder))
    user_error("--out {}: there is no folder {}", o.out, folder.string());
}
// Lines for people; beside the file of figures, if that is standard output.
std::FILE* lines_of(const EvalOptions& o) { return is_standard_output(o.out) ? stderr : stdout; }

void write_result(const EvalOptions& o, const Json& result) {
  if (!o.out.empty()) write_file_atomic(o.out, result.dump(2) + "\n");
}

void eval_choices(const EvalOptions& o) {
  check_result(o);
  const auto questions = load_choices(o.choices);
  Subject s(o);
  check_choices(questions, s.tokenizer, s.length);
  const ChoiceResult result =
      answer_choices(s.runtime.ctx(), s.likelihood, s.tokenizer, questions, [&](size_t done, size_t all) {
        s.console.progress(fmt::format("question {}/{}", done, all), int64_t(done), int64_t(all));
      });
  const double n = double(result.questions);
  std::fprintf(lines_of(o),
               "%lld questions: %.1f %% correct by likelihood, %.1f %% by likelihood per byte (guessing: %.1f %%)\n",
               static_cast<long long>(result.questions), 100 * double(result.by_sum) / n,
               100 * double(result.by_byte) / n, 100 * result.chance);
  write_result(o, {{"questions", result.questions},
                   {"accuracy", double(result.by_sum) / n},
                   {"accuracy_per_byte", double(result.by_byte) / n},
                   {"chance", result.chance}});
}

void eval_needle(EvalOptions& o) {
  check_result(o);
  CheckpointFiles files = open_checkpoint(o.model, 0);
  if (o.needle.lengths.empty()) {
    const int64_t longest = files.config.max_position_embeddings;
    for (int64_t l = 128; l <= longest && l <= 1 << 16; l *= 2) o.needle.lengths.push_back(l);
    if (o.needle.lengths.empty()) o.needle.lengths.push_back(longest);
  }
  o.needle.seed = o.runtime.seed + 1;
  Subject s(o, std::move(files), *std::max_element(o.needle.lengths.begin(), o.needle.lengths.end()));
  check_needles(s.tokenizer, o.needle);
  std::fprintf(lines_of(o), "needles found by depth in the text (0 %% = at the beginning), %lld texts each\n%8s",
               static_cast<long long>(o.needle.trials), "tokens");
  for (int64_t d = 0; d < o.needle.depths; ++d)
    std::fprintf(lines_of(o), "%5.0f%%", 100 * double(d) / double(o.needle.depths - 1));
  std::fprintf(lines_of(o), "    all\n");
  Json result = Json::array();
  int64_t found = 0;
  find_needles(s.runtime.ctx(), s.likelihood, s.tokenizer, o.needle, [&](const NeedleCell& cell) {
    if (cell.depth == 0) found = 0, std::fprintf(lines_of(o), "%8lld", static_cast<long long>(cell.length));
    found += cell.found;
    std::fprintf(lines_of(o), "%5.0f%%", 100 * double(cell.found) / double(cell.trials));
    if (cell.depth == 1)
      std::fprintf(lines_of(o), "%6.1f%%\n", 100 * double(found) / double(cell.trials * o.needle.depths));
    std::fflush(lines_of(o));
    result.push_back({{"length", cell.length}, {"depth", cell.depth}, {"trials", cell.trials}, {"found", cell.found}});
  });
  write_result(o, result);
}

void eval_text(const EvalOptions& o) {
  check_result(o);
  if (o.ctx_size == 1) user_error("--ctx-size 1: a token is predicted from those before it; use at least 2, or 0");
  Subject s(o);
  double nats = 0;
  int64_t tokens = 0, bytes = 0;
  std::vector<Continuation> waiting;
  const auto run = [&] {
    for (const LogLikelihood& l : s.likelihood(s.runtime.ctx(), waiting)) nats -= l.nats;
    waiting.clear();
    s.console.progress(fmt::format("{} of text, {} tokens", human_bytes(double(bytes)), human_count(double(tokens))), 0,
                       0);
  };
  read_documents(o.text, {.text_keys = o.text_keys}, [&](std::string_view text) {
    std::vector<int32_t> ids =
        s.tokenizer.encode(text, {.parse_special = false, .add_bos = s.tokenizer.begins_with_bos()});
    if (ids.empty()) return;
    // Without a bos the first token has nothing before it: the end of a document stands there, or the token itself.
    if (ids[0] != s.tokenizer.bos_id())
      ids.insert(ids.begin(), s.tokenizer.eos_id() >= 0 ? s.tokenizer.eos_id() : ids[0]);
    bytes += int64_t(text.size());
    tokens += int64_t(ids.size()) - 1;
    for (size_t begin = 0; begin + 1 < ids.size(); begin += size_t(s.length) - 1) {
      const size_t end = std::min(ids.size(), begin + size_t(s.length));
      waiting.push_back({{ids[begin]}, {ids.begin() + long(begin) + 1, ids.begin() + long(end)}});
      if (int64_t(waiting.size()) == o.batch) run();
    }
  });
  for (const std::string& line : notes_on_sources(o.text, o.text_keys)) s.console.print(line);
  if (tokens == 0) user_error("there is no text in {}", fmt::join(o.text, ", "));
  run();
  const double per_token = nats / double(tokens), per_byte = nats / std::numbers::ln2 / double(bytes);
  std::fprintf(lines_of(o),
               "%.4f nats per token, %.4f bits per byte (%lld tokens, %lld bytes, windows of %lld tokens)\n", per_token,
               per_byte, static_cast<long long>(tokens), static_cast<long long>(bytes),
               static_cast<long long>(s.length));
  write_result(o, {{"nats_per_token", per_token}, {"bits_per_byte", per_byte}, {"tokens", tokens}, {"bytes", bytes}});
}

// What all three share.
CLI::App* add_kind(CLI::App& parent, const std::shared_ptr<EvalOptions>& o, const char* name, const char* what) {
  CLI::App* c = parent.add_subcommand(name, what);
  add_model_flag(*c, o->model)->required();
  add_choice(*c, "--dtype", o->dtype, "Number format of the computation");
  add_weights_flags(*c, o->weights, o->activations);
  c->add_option("-b,--batch", o->batch, "Sequences processed at once")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  c->add_option("--out", o->out, "Also write the figures to this JSON file");
  add_runtime_flags(*c, o->runtime);
  return c;
}

void add_context(CLI::App& c, const std::shared_ptr<EvalOptions>& o) {
  c.add_option("-c,--ctx-size", o->ctx_size, "Tokens of context; 0 = the model's longest context, at most 4096")
      ->check(CLI::Range(0, 1 << 24))
      ->capture_default_str();
}

}  // namespace

void add_eval_command(CLI::App& program) {
  const auto o = std::make_shared<EvalOptions>();
  CLI::App* eval = program.add_subcommand(
      "eval", "Measure a checkpoint: bits per byte, multiple choice, needles, graded tasks; compare two");
  set_example(*eval, "minke eval text -m runs/out/quickstart/latest notes.txt");
  eval->require_subcommand(1);
  CLI::App* text = add_kind(*eval, o, "text", "Bits per byte of text");
  set_example(*text, "minke eval text -m runs/out/quickstart/latest notes.txt");
  text->add_option("files", o->text, "Files, folders or globs: text, JSON Lines, .gz and .zst of both")->required();
  text->add_option("--text-key", o->text_keys,
                   "JSONL key whose value is the text (may be repeated; the values are joined)")
      ->allow_extra_args(false)
      ->capture_default_str();
  add_context(*text, o);
  text->callback([o] { eval_text(*o); });
  CLI::App* choices = add_kind(*eval, o, "choices", "Multiple-choice questions by likelihood");
  set_example(*choices, "minke eval choices -m runs/out/quickstart/latest questions.jsonl");
  choices
      ->add_option(
          "files", o->choices,
          "Files, folders or globs with lines of {\"question\": \"…\", \"choices\": [\"…\", …], \"answer\": 0}")
      ->required();
  add_context(*choices, o);
  choices->callback([o] { eval_choices(*o); });
  CLI::App* needle = add_kind(*eval, o, "needle", "Find a fact hidden at different places of a long text");
  set_example(*needle, "minke eval needle -m runs/out/quickstart/latest --lengths 128,256");
  needle->add_option("--lengths", o->needle.lengths, "Lengths of the texts in tokens")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 24))
      ->default_str("128,256,… up to the model's longest context");
  needle->add_option("--depths", o->needle.depths, "Number of places where the fact is hidden")
      ->check(CLI::Range(2, 1000))
      ->capture_default_str();
  needle->add_option("--trials", o->needle.trials, "Number of texts per length and place")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  needle->callback([o] { eval_needle(*o); });
  add_eval_tasks(*eval);
  add_eval_compare(*eval);
}

}  // namespace minke
