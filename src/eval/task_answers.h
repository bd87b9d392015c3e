// Answers of a model to problems, several to each, drawn many at once by the engine and graded as they end. An answer depends on
// its problem, its number and the settings, on nothing else that runs: so an evaluation that was stopped goes on where it was, and
// more problems or answers may be asked for. Test: tests/eval/task_answers_test.cpp.
#pragma once
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "data/top_log_probabilities.h"
#include "eval/reflection.h"
#include "eval/task_problems.h"
#include "infer/engine.h"

namespace minke {

struct TaskAnswer {
  size_t problem = 0;  // which of the problems
  int64_t sample = 0;
  std::string response, final_answer;  // final_answer: for the vote (task_grade.h)
  int64_t tokens = 0;
  bool truncated = false;        // it had no end
  bool single_language = false;  // its thought is in the language of the question (kSingleLanguage)
  TaskGrade grade;
  Reflection reflection;
  TopLogProbabilities top;  // of its tokens, with AnswerSettings::top_log_probabilities
};

struct AnswerSettings {
  int64_t samples = 1;     // of each problem
  int64_t max_new = 1024;  // tokens of an answer; 0 = what the context holds
  SamplingSettings sampling;
  std::vector<int32_t> stop_tokens;
  std::vector<std::string> stop_texts;  // an answer ends behind any of these, too
  int64_t top_log_probabilities = 0;    // K most likely tokens at each of an answer's; at most kMostTopLogProbabilities
};

// Ends the text behind the first stop text that the piece at the end of it has completed; false if there is none.
bool ends_with_stop(std::string& text, size_t piece, const std::vector<std::string>& stops);

using AnswerKeys = std::set<std::pair<size_t, int64_t>>;  // problem, sample

// Draws and grades all that are not `known`; each is given to `each` once, in the order in which they end. `go_on` is asked after
// each step, with the number of tokens drawn so far. False if it said no: the answers that had no end by then are lost, and the
// engine is in the midst of them. The judge is needed for tasks that no rule grades.
bool answer_problems(const Context& ctx, Engine& engine, const Tokenizer& tokenizer,
                     const std::vector<TaskProblem>& problems, const AnswerSettings& settings, const AnswerKeys& known,
                     const std::function<void(TaskAnswer)>& each, const std::function<bool(int64_t tokens)>& go_on,
                     Judge* judge = nullptr);

}  // namespace minke
