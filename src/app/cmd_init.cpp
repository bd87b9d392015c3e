// minke init: flags → write_random of convert/convert.h.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "app/choice_flag.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "app/write_progress.h"
#include "convert/convert.h"
#include "core/error.h"

namespace minke {
namespace {

struct InitOptions {
  std::string config, to;
  WeightType type = WeightType::bf16;
  uint64_t seed = 0;
};

void run(const InitOptions& o) {
  if (o.type == WeightType::keep)
    user_error("init: --dtype keep: there are no weights whose type could be kept; name a type, such as bf16");
  WriteProgress progress;
  write_random(
      {.from = o.config,
       .to = o.to,
       .type = o.type,
       .on_note = [](const std::string& note) { std::fprintf(stderr, "%s\n", note.c_str()); },
       .on_progress = [&](std::string_view stage, size_t done, size_t all) { progress.show(stage, done, all); }},
      o.seed);
  std::fprintf(stderr, "\n");
}

}  // namespace

void add_init_command(CLI::App& program) {
  auto o = std::make_shared<InitOptions>();
  CLI::App* c = program.add_subcommand("init", "Random weights of any shape, to measure speed with");
  set_example(*c, "minke init config.json --out model.gguf --dtype q8_0");
  c->add_option("from", o->config, "The shape: a config.json")->required();
  c->add_option("--out", o->to, "What to write: a GGUF file if the name ends in .gguf, else a folder")->required();
  add_choice(*c, "--dtype", o->type, "Type of the weights");
  c->add_option("--seed", o->seed, "Seed of the weights; the same as of bench infer --random-weights")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  c->callback([o] { run(*o); });
}

}  // namespace minke
