// What the verbs that run several stages have in common.
#pragma once
#include "app/run_command.h"
#include "recipe/pipeline.h"

namespace minke {

// Runs the stages in --out, or runs/out/<stem>. A pipeline that goes on keeps its stages, as a run keeps its recipe (start_run).
// CLI::RuntimeError 130 if it was stopped. cost_per_hour: of the machine, in dollars; 0: nobody asks.
void run_stages(Pipeline pipeline, const std::string& stem, RunFlags& flags, double cost_per_hour = 0);

}  // namespace minke
