// minke convert: flags → convert/convert.h.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "app/choice_flag.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "app/runtime.h"
#include "app/write_progress.h"
#include "convert/convert.h"

namespace minke {
namespace {

struct ConvertOptions {
  RuntimeOptions runtime;
  std::string from, to;
  WeightType type = WeightType::keep, experts = WeightType::keep;
};

void run(const ConvertOptions& o) {
  Runtime runtime(o.runtime);
  std::fprintf(stderr, "%s\n", runtime.description().c_str());
  WriteProgress progress;
  const SelfTest test = convert(
      runtime.ctx(),
      {.from = o.from,
       .to = o.to,
       .type = o.type,
       .experts = o.experts == WeightType::keep ? std::nullopt : std::optional(o.experts),
       .on_note = [](const std::string& note) { std::fprintf(stderr, "%s\n", note.c_str()); },
       .on_progress = [&](std::string_view stage, size_t done, size_t all) { progress.show(stage, done, all); }});
  std::fprintf(stderr, "\n");
  std::printf("%s: %s\n", o.to.c_str(), test.text().c_str());
}

}  // namespace

void add_convert_command(CLI::App& program) {
  auto o = std::make_shared<ConvertOptions>();
  CLI::App* c = program.add_subcommand("convert", "A checkpoint as a GGUF file, as a folder, or in another type");
  set_example(*c, "minke convert runs/out/quickstart/latest --out quickstart.gguf --dtype q8_0");
  c->add_option("from", o->from, "Checkpoint: a Hugging Face folder or a GGUF file")->required();
  c->add_option("--out", o->to, "What to write: a GGUF file if the name ends in .gguf, else a folder")->required();
  add_choice(*c, "--dtype", o->type, "Type of the weights; keep = as they are, where --out can hold it");
  add_choice(*c, "--experts", o->experts, "Type of the routed experts in a GGUF file; keep = that of --dtype");
  add_runtime_flags(*c, o->runtime);
  c->callback([o] { run(*o); });
}

}  // namespace minke
