// Runs a C++ program's functions against tests compiled into the same program. Macros of the program do not reach the tests, and
// the verdict is a random word that the tests' frame reads before the program begins and prints after the last test: leaving
// early, printing "passed", or another exit code do not help. But they are one process. A program that overloads operators for the
// tests' types, or is written against this file and looks for the word in its own memory, can pass without being right. Where that
// matters, tests of a whole program's output are the ones to use. Test: tests/reward/code_test.cpp.
#pragma once
#include <string>

#include "reward/python_tests.h"

namespace minke {

// test: C++ with a main() that ends with 0 if all is well; assert works.
TestOutcome run_cpp_tests(const Sandbox& sandbox, const std::string& program, const std::string& test,
                          const SandboxLimits& limits);

}  // namespace minke
