// What of a pipeline can be known to be wrong before its first stage begins. Test: tests/app/pipeline_test.sh.
#pragma once
#include <vector>

#include "recipe/pipeline.h"

namespace minke {

// UserError for what the recipe of the stage, and the stages before it, show to be wrong.
void check_stage(const Pipeline& pipeline, const PipelineStage& stage);

// UserError if a stage that is to come learns from a question in a file that an evaluation tests on. to_come: of each stage.
void check_tests_apart(const Pipeline& pipeline, const std::vector<bool>& to_come);

}  // namespace minke
