// One function per layer, each in <layer>_checks.cpp: registers what that layer can compute of expected.json.
#pragma once

namespace minke::testing {
class ExpectedChecks;

void add_spec_checks(ExpectedChecks& checks);
void add_kernels_checks(ExpectedChecks& checks);
void add_train_checks(ExpectedChecks& checks);
void add_run_checks(ExpectedChecks& checks);

}  // namespace minke::testing
