// Whether the program in a response passes its tests. Runs it, so it needs a sandbox and takes tens of milliseconds (Python) or more
// (C++): grade_code_all does many at once. Test: tests/reward/code_test.cpp.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "reward/grade.h"
#include "sandbox/programs.h"

namespace minke {

// Input and output of a whole program; lines are compared without the white space at their ends.
struct OutputTest {
  std::string input, output;
};

// Either `test` or `outputs`. A Python test sees the program only through the values that its functions return
// (python_tests.h); a C++ test is compiled into one program with it (cpp_tests.h says what that leaves open).
struct CodeTask {
  CodeLanguage language = CodeLanguage::python;
  std::string prompt;  // the beginning of the program, or nothing
  std::string test;
  std::vector<std::string> entry_points;  // functions that a Python test calls
  std::vector<OutputTest> outputs;
  SandboxLimits limits;
};

// From JSON: {"language": "python" | "cpp" (python if left out), "prompt", "test", "entry_point": NAME or [NAMES]}, or
// {"language", "tests": [{"input", "output"}]}; "cpu_seconds" may be there. Other keys, such as HumanEval's, are left alone.
// UserError names `where`.
CodeTask parse_code_task(const Json& answer, std::string_view where);

// 1 if all tests pass, 0 otherwise. Strict: the response has the one form that code_answer.h describes. Lenient: whatever of it is most likely the program.
Grade grade_code(const Sandbox& sandbox, std::string_view response, const CodeTask& task, Thought thought);

struct CodeToGrade {
  std::string_view response;
  const CodeTask* task;
  Thought thought = Thought::begins_in_response;
};
std::vector<Grade> grade_code_all(const Sandbox& sandbox, std::span<const CodeToGrade> all, int workers);

}  // namespace minke
