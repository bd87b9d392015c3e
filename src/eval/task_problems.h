// Problems that a model is asked, as prompts: generated ones, for an evaluation of the test split, and those of JSONL files.
// Test: tests/eval/task_answers_test.cpp.
#pragma once
#include <string>
#include <vector>

#include "core/enum_names.h"
#include "core/files.h"
#include "corpus/prompt.h"
#include "eval/task_grade.h"
#include "tokenize/chat_template.h"
#include "tokenize/tokenizer.h"

namespace minke {

// UserError for a chat in plain text, where nothing ends an answer. `name`: of the setting.
void check_prompt(GraderKind grader, PromptFormat format, std::string_view name);

// A task as a prompt.
struct PutQuestion {
  std::string asked;   // what the user says: the question, with PromptFormat::chat more
  std::string prompt;  // the text that the model goes on with
  std::vector<int32_t> ids;
};
// UserError: a chat without a template; of check_prompt, if it is to be answered.
PutQuestion put_question(const Task& task, PromptFormat format, const Tokenizer& tokenizer, const ChatTemplate* chat,
                         bool answered = true);
// What ends an answer beside the tokens that do.
std::vector<std::string> stop_texts_of(PromptFormat format);

struct TaskProblem {
  std::string group;  // "countdown", or the name of the file without its endings
  int level = 0;      // 0: a file's
  int64_t index = 0;  // in its group and level
  Task task;
  TaskReference reference;
  std::string asked, prompt;  // as PutQuestion
  std::vector<int32_t> ids;
  ResponseForm form = ResponseForm::tags;  // that answers are to have
  std::string where() const;               // "countdown:3, problem 7", from 0
};

// `count` of each level, in the order of the levels; problem i of a level does not depend on the count.
std::vector<TaskProblem> generated_problems(const TaskChoice& choice, int64_t count, uint64_t seed,
                                            TaskSplit split = TaskSplit::test);
// The first `count` of a file; 0 = all. UserErrors name file and line.
std::vector<TaskProblem> problems_of_file(const fs::path& file, int64_t count);

// Fills in what is asked. UserErrors of put_question; a prompt that leaves no room in `max_context` tokens.
void make_prompts(std::vector<TaskProblem>& problems, PromptFormat format, const Tokenizer& tokenizer,
                  const std::optional<ChatTemplate>& chat, int64_t max_context, bool answered = true);

}  // namespace minke
