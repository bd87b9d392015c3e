// Problems with their solutions as conversations: the question, how it is worked out, and the answer where a grader finds it.
// Test: tests/data/worked_tasks_test.cpp.
#pragma once
#include "core/json.h"
#include "corpus/tasks.h"

namespace minke {

// {"messages": [user, assistant]}. The assistant ends with "The answer is \boxed{72}." in the language of the question, with an expression
// for a countdown, or with a block of Python. How it comes there is its thought, or, for models without thoughts, the text before.
// GSM8K's notes for a calculator, <<48/2=24>>, are left out. UserError names `where` (file and line): a problem of the test split, or a
// countdown or a program without its "solution".
Json conversation_of(const Task& task, bool as_thought, std::string_view where);

}  // namespace minke
