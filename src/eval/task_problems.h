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

// brief, r1-zero: the formats of corpus/prompt.h. chat: the model's chat template, where the question also says how the answer is
// to be marked.
enum class TaskPrompt : uint8_t { brief, r1_zero, chat };
template <> struct EnumNames<TaskPrompt> {
  static constexpr EnumName<TaskPrompt> all[] = {
      {TaskPrompt::brief, "brief"}, {TaskPrompt::r1_zero, "r1-zero"}, {TaskPrompt::chat, "chat"}};
};

struct TaskProblem {
  std::string group;  // "countdown", or the name of the file without its endings
  int level = 0;      // 0: a file's
  int64_t index = 0;  // in its group and level
  Task task;
  TaskReference reference;
  std::string asked;   // what the user says: the question, or with the chat template more
  std::string prompt;  // the text that the model goes on with
  std::vector<int32_t> ids;
  std::string where() const;  // "countdown:3, problem 7", from 0
};

// `count` of each level, in the order of the levels; problem i of a level does not depend on the count.
std::vector<TaskProblem> generated_problems(const TaskChoice& choice, int64_t count, uint64_t seed,
                                            TaskSplit split = TaskSplit::test);
// The first `count` of a file; 0 = all. UserErrors name file and line.
std::vector<TaskProblem> problems_of_file(const fs::path& file, int64_t count);

// Fills in what is asked, prompts and ids. UserError: chat without a template; a prompt that leaves no room in `max_context` tokens.
void make_prompts(std::vector<TaskProblem>& problems, TaskPrompt kind, const Tokenizer& tokenizer,
                  const std::optional<ChatTemplate>& chat, int64_t max_context);

}  // namespace minke
