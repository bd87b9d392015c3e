// Lines of JSON (grade_line.h) whose responses are programs: many are graded at once, because each waits for other processes.
// Test: tests/reward/code_lines_test.cpp.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "reward/grade_line.h"
#include "sandbox/sandbox.h"

namespace minke {

struct NumberedLine {
  std::string text, where;
};

// Each has a "response" and either an "answer", which is a code task (code.h), or the task's keys among its own, as HumanEval's lines have.
// "prompt" of the line says whether the thought was begun; in a line of the second kind it is the beginning of the program.
std::vector<GradedLine> grade_code_lines(const Sandbox& sandbox, std::span<const NumberedLine> lines, int workers);

}  // namespace minke
