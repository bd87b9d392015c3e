#include "app/pipeline_command.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "app/loaded_model.h"
#include "pipeline/pipeline_run.h"

namespace minke {

void run_stages(Pipeline pipeline, const std::string& stem, RunFlags& flags, double cost_per_hour) {
  const fs::path out = flags.out.empty() ? fs::path("runs") / "out" / stem : fs::path(flags.out);
  if (flags.resume) {
    if (std::optional<Pipeline> stored = stored_pipeline(out)) {
      compare_with_stored(pipeline_differences(*stored, pipeline), out / "pipeline.toml", flags.set);
      pipeline = std::move(*stored);
    }
    flags.runtime.resumed = stored_backend(pipeline, out);
  }
  Runtime runtime(flags.runtime);
  InferenceOptions inference{.sequences = 64};
  std::optional<LoadedModel> loaded;
  const PipelineMachine machine{
      .run = machine_of(runtime),
      .open = [&](const ModelSource& source, const std::vector<BesideEngine>& beside) -> AnsweringModel {
        loaded.emplace(runtime, inference, source, true, beside);
        return {loaded->ctx(), loaded->model(), loaded->engine(), source.tokenizer};
      },
      .close = [&] { loaded.reset(); },
      .context_size = [&](const ModelSource& source) { return context_size(inference, source); },
      .answer_settings = computation_settings(inference),
      .cost_per_hour = cost_per_hour};
  if (!run_pipeline(pipeline, out, flags.resume, machine)) throw CLI::RuntimeError(130);
}

}  // namespace minke
