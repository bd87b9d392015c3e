// The stages of a pipeline, one after the other, in a folder: pipeline.toml (resolved), NAME/ for each stage, as its verb alone makes
// it, stages.json (report/stages_file.h), report.html, and latest, a link to the model of the last stage that made one.
// Test: tests/app/pipeline_test.sh.
#pragma once
#include "pipeline/stage_kinds.h"

namespace minke {

// The pipeline stored in the folder of one that has begun: it is kept.
std::optional<Pipeline> stored_pipeline(const fs::path& folder);
// The backend that its stages computed with so far; "" for none.
std::string stored_backend(const Pipeline& pipeline, const fs::path& folder);

// UserError for what can be seen to be wrong before the first stage begins: the recipes of all stages that have not begun in
// `folder`, the models that they begin with, and whether their sequences fit those.
void check_pipeline(const Pipeline& pipeline, const fs::path& folder);

// Runs what is not done. False if it was stopped. UserErrors of a stage name it. resume: goes on with the pipeline in `folder` if
// there is one; otherwise that is a UserError.
bool run_pipeline(const Pipeline& pipeline, const fs::path& folder, bool resume, const PipelineMachine& machine);

}  // namespace minke
