// Whether what a model learns from holds questions that it is tested on. Questions are the same if they are but for capitals and blanks.
// Test: tests/eval/test_overlap_test.cpp.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/files.h"

namespace minke {

struct TestOverlap {
  size_t questions = 0;     // different ones
  std::string test, train;  // where the first of them stands: "test.jsonl, problem 3", "train.jsonl, line 7"
};
// `tests`: files of problems (data/task_files.h). `training`: files, folders and globs of JSON Lines, problems or conversations, of which
// everything that a user says counts; what is built in never overlaps: its splits are apart by a hash of the problem.
std::optional<TestOverlap> test_overlap(const std::vector<std::string>& tests,
                                        const std::vector<std::string>& training);

}  // namespace minke
