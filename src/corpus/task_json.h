// Tasks as lines of JSON: those that minke writes, GSM8K's and HumanEval's. The reader of the files is in
// data/task_files.h. Tested in tests/corpus/task_json_test.cpp.
#pragma once
#include <string>
#include <string_view>

#include "core/json.h"
#include "corpus/tasks.h"

namespace minke {

// {"task": name, such as that of its kind, "level": …, "question": …, "answer": text or object, "grader"?: "judge", "reasoning"?: …, "solution"?: …,
// "split"?: "test"},
// without a newline.
std::string task_line(const Task& task, std::string_view name, int level);

// One of
//  - the above ("task", "question", "answer"; an object with "numbers" is countdown's, one with "test" is code's; no rule
//    grades the answer if "grader" is "judge"),
//  - GSM8K's {"question", "answer"}, the answer ending in "#### 72": the text before is the reasoning, and the answer is
//    72, without commas between digits,
//  - HumanEval's {"task_id", "prompt", "canonical_solution", "test", "entry_point"}: the prompt is the question, and the
//    answer is {"language": "python", "prompt", "test", "entry_point"}.
// UserError names `where` (file and line), the field and what is expected. The family is the name of the task, "gsm8k" or
// the task_id.
Task task_of_json(const Json& line, std::string_view where);

}  // namespace minke
