// minke pipeline: flags → stages → pipeline/pipeline_run.h.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/loaded_model.h"
#include "app/run_command.h"
#include "pipeline/pipeline_run.h"

namespace minke {
namespace {

struct PipelineOptions {
  std::string recipe;
  RunFlags run;
};

void run(PipelineOptions& o) {
  Pipeline pipeline = load_pipeline(o.recipe, o.run.set);
  const fs::path out = o.run.out.empty() ? fs::path("runs") / "out" / fs::path(o.recipe).stem() : fs::path(o.run.out);
  if (o.run.resume) {
    if (std::optional<Pipeline> stored = stored_pipeline(out)) {
      compare_with_stored(pipeline_differences(*stored, pipeline), out / "pipeline.toml", o.run.set);
      pipeline = std::move(*stored);
    }
    o.run.runtime.resumed = stored_backend(pipeline, out);
  }
  Runtime runtime(o.run.runtime);
  InferenceOptions inference{.sequences = 64};
  std::optional<LoadedModel> loaded;
  const PipelineMachine machine{
      .run = machine_of(runtime),
      .open = [&](const ModelSource& source) -> AnsweringModel {
        loaded.emplace(runtime, inference, source, true);
        return {loaded->ctx(), loaded->engine(), source.tokenizer};
      },
      .close = [&] { loaded.reset(); },
      .context_size = [&](const ModelSource& source) { return context_size(inference, source); },
      .answer_settings = computation_settings(inference)};
  if (!run_pipeline(pipeline, out, o.run.resume, machine)) throw CLI::RuntimeError(130);
}

}  // namespace

void add_pipeline_command(CLI::App& program) {
  auto o = std::make_shared<PipelineOptions>();
  CLI::App* c = program.add_subcommand("pipeline", "Several of these, and evaluations, one after the other");
  set_example(*c, "minke pipeline stages.toml --out my-pipeline");
  c->add_option(
       "recipe", o->recipe,
       "File of [[stage]] tables (TOML), each with name, kind (pretrain, sft, grpo, ppo, eval, sample), from, and the "
       "tables of its recipe as [stage.train] … (minke pretrain --help-recipe lists the keys)")
      ->required();
  add_run_flags(*c, o->run);
  c->get_option("--set")->description("Override a key of a stage: --set STAGE.train.lr=3e-4 (may be repeated)");
  c->get_option("--resume")->description("Continue the pipeline in --out, if there is one");
  c->get_option("--out")->description("Folder of the pipeline; default: runs/out/<recipe>");
  c->callback([o] { run(*o); });
}

}  // namespace minke
