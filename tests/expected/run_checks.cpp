// Tokens of the phases of a run.
#include "expected/checks.h"
#include "run/phases.h"
#include "support/expected.h"

namespace minke::testing {
namespace {

// Of a phase of `steps` steps: of [train], or of a long-context phase after it.
double phase_tokens(const ExpectedCheck& c, int64_t steps, bool long_context) {
  const int64_t batch = c.inputs.at("batch"), length = c.inputs.at("seq");
  Recipe r;
  r.train.steps = steps;
  r.train.batch_size = batch;
  r.train.sequence_length = length;
  if (long_context) r.long_context.push_back({.steps = steps, .sequence_length = length, .batch_size = batch});
  return plan_phases(r).back().tokens;
}

}  // namespace

void add_run_checks(ExpectedChecks& checks) {
  checks.add("schedule.v3_tokens_per_step", [](const ExpectedCheck& c) -> Json { return phase_tokens(c, 1, false); });
  checks.add("schedule.moe16b_tokens",
             [](const ExpectedCheck& c) -> Json { return phase_tokens(c, c.inputs.at("steps"), false); });
  checks.add("longctx.*_tokens",
             [](const ExpectedCheck& c) -> Json { return phase_tokens(c, c.inputs.at("steps"), true); });
}

}  // namespace minke::testing
