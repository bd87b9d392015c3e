// The answers of an evaluation as lines of JSON, each written when it is graded: failures can be read there, and an evaluation that
// was stopped goes on from them. Test: tests/eval/task_scores_test.cpp.
#pragma once
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/json.h"
#include "eval/task_answers.h"

namespace minke {

class ResponsesFile {
 public:
  // `settings`: what an answer depends on beside its problem. With `resume` the answers in the file are read, but for a last line
  // that was being written when the program ended. UserError: the file exists and is not to go on; a line (named) with other settings
  // or to another problem. The file is not changed before the first add(). `problems` must outlive it.
  ResponsesFile(const fs::path& path, bool resume, const std::vector<TaskProblem>& problems, int64_t samples,
                const Json& settings);

  // Those to `problems` with numbers below `samples`; once.
  std::vector<TaskAnswer> take_known() { return std::move(known_); }
  void open();  // UserError if it cannot be written to
  void add(const TaskAnswer& answer);

 private:
  struct Close {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  fs::path path_;
  const std::vector<TaskProblem>& problems_;
  Json settings_;
  std::vector<TaskAnswer> known_;
  size_t whole_ = 0;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace minke
