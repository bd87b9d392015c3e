// Runs a Python program against tests that live in another process, in a sandbox of their own (src/sandbox): the tests call functions
// of the program by sending their arguments, and compare what comes back. Only plain values cross: numbers, text, lists, tuples, sets,
// dictionaries. So nothing that the program does to its own process (its exit code, what it prints, its `assert`, `==`, modules,
// files) reaches the tests; all that it can choose are the values that its functions return.
// Test: tests/reward/code_test.cpp.
#pragma once
#include <string>
#include <vector>

#include "sandbox/sandbox.h"

namespace minke {

struct TestOutcome {
  bool passed = false;
  std::string reason;  // "all tests pass", or which one did not and why
};

// program: defines the functions `entry_points`. helpers: source that only the tests see, before they run. test: top-level asserts
// over the entry points, or a function check(candidate) that is called with the first of them, as in HumanEval.
// limits: of the program; the tests get as much.
TestOutcome run_python_tests(const Sandbox& sandbox, const std::string& program, const std::string& helpers,
                             const std::string& test, const std::vector<std::string>& entry_points,
                             const SandboxLimits& limits);

}  // namespace minke
