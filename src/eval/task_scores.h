// The figures of an evaluation, by task and level.
// Test: tests/eval/task_scores_test.cpp.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "eval/reference_answers.h"
#include "eval/task_answers.h"
#include "eval/task_statistics.h"

namespace minke {

struct Estimate {
  double value = 0;
  Interval ci95;
};

// Of one task and level. A strict grade of 1 is right.
struct TaskScore {
  std::string task;
  int level = 0;                                          // 0: none
  int64_t problems = 0, different = 0;                    // generated problems may be the same by chance
  int64_t samples = 0;                                    // k; 0: only what needs no answers is known
  std::vector<std::pair<int64_t, Estimate>> pass;         // pass@1, 2, 4 …, and last pass@k
  std::optional<Estimate> cons;                           // majority of k; not of programs
  Estimate lenient;                                       // as pass@1
  double format = 0, single_language = 0, truncated = 0;  // shares of the answers
  Interval format_ci95;
  double mean_tokens = 0;
  std::optional<Estimate> preference;   // what a judge gave, if one did
  std::optional<double> bits_per_byte;  // of the good answers to chats, if it was asked for
  std::optional<double> mean_tokens_right, mean_tokens_wrong;
  Reflection reflection;  // of all answers
};

// `answers` holds each of `samples` answers to each problem once, in any order; responses are not read.
std::vector<TaskScore> score_tasks(const std::vector<TaskProblem>& problems, const std::vector<TaskAnswer>& answers,
                                   int64_t samples, const std::vector<ReferenceBits>& references = {});
Json score_json(const TaskScore& score);
// For people: "countdown:3  200 problems × 4  pass@1 31.2 % [27.0, 35.8]  pass@4 …".
std::string score_line(const TaskScore& score);

}  // namespace minke
