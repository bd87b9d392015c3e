// minke eval compare: flags → eval/comparison.h.
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/command_line.h"
#include "app/commands.h"
#include "core/error.h"
#include "core/files.h"
#include "core/standard_output.h"
#include "eval/comparison.h"

namespace minke {
namespace {

struct CompareOptions {
  std::string first, second, out;
  int64_t draws = 10'000;
  uint64_t seed = 0;
};

void compare(const CompareOptions& o) {
  for (const std::string& file : {o.first, o.second}) {
    std::error_code none;
    if (!o.out.empty() && fs::equivalent(o.out, file, none))
      user_error("--out {}: this is a file that is compared; give another one", o.out);
  }
  const ComparedModels compared = compare_responses(o.first, o.second, o.draws, o.seed);
  for (const ComparedTask& t : compared.tasks) print_out(comparison_line(t, o.draws) + "\n");
  if (!compared.settings.empty())
    print_note(fmt::format("the two were asked otherwise: {} differ", fmt::join(compared.settings, ", ")));
  if (!o.out.empty()) write_file_atomic(o.out, comparison_json(compared.tasks, o.draws, o.seed).dump(2) + "\n");
}

}  // namespace

void add_eval_compare(CLI::App& eval) {
  const auto o = std::make_shared<CompareOptions>();
  CLI::App* c = eval.add_subcommand("compare", "Two models' answers to the same problems: is one of them better?");
  set_example(*c, "minke eval compare before/responses.jsonl after/responses.jsonl");
  c->add_option("first", o->first, "Answers that minke eval tasks --responses, or a pipeline's eval stage, has written")
      ->required();
  c->add_option("second", o->second, "Another model's, to the same problems")->required();
  c->add_option("--draws", o->draws, "Draws of the paired bootstrap (interval) and of the paired permutation test (p)")
      ->check(CLI::Range(100, 10'000'000))
      ->capture_default_str();
  c->add_option("--seed", o->seed, "Seed of the draws")->check(CLI::NonNegativeNumber)->capture_default_str();
  c->add_option("--out", o->out, "Also write the figures to this JSON file");
  c->callback([o] { compare(*o); });
}

}  // namespace minke
