// What an answer to a task is worth: the rules of the reward layer for the kind of grader that a task names (R1 §2.2.2: accuracy
// and format). Test: tests/eval/task_grade_test.cpp.
#pragma once
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "core/enum_names.h"
#include "corpus/prompt.h"
#include "corpus/tasks.h"
#include "reward/code.h"
#include "reward/grade.h"

namespace minke {

// What a task's answers are held against: math, countdown, code.
using TaskReference = std::variant<std::string, CountdownTask, CodeTask>;
// UserError names `where` if the task's answer is none for its kind.
TaskReference task_reference(const Task& task, std::string_view where);

// What an answer is to look like. tags: thought and answer in their tags, each once (grade_format). chat: a thought, if there is
// one, in its tags, then what is said to the user (grade_chat_format).
enum class ResponseForm : uint8_t { tags, chat };
template <> struct EnumNames<ResponseForm> {
  static constexpr EnumName<ResponseForm> all[] = {{ResponseForm::tags, "tags"}, {ResponseForm::chat, "chat"}};
};
constexpr ResponseForm form_of(PromptFormat format) {
  return is_chat(format) ? ResponseForm::chat : ResponseForm::tags;
}

struct TaskGrade {
  Grade accuracy, format;
};
// `prompt`: what stands before the response; it may have opened the thought. Not of a code task: those need the sandbox.
TaskGrade grade_task(const Task& task, std::string_view prompt, std::string_view response,
                     ResponseForm form = ResponseForm::tags);
Grade grade_form(ResponseForm form, std::string_view response, Thought thought);

// The share of the thought's words, or without a thought of all, that are of the question's language; 1 if there are no words
// (R1 §2.3.2: language consistency).
double language_share(const Task& task, std::string_view prompt, std::string_view response);
// An answer with at least this share is in one language.
inline constexpr double kSingleLanguage = 0.95;

struct TaskToGrade {
  const Task* task = nullptr;
  std::string_view prompt, response;
  ResponseForm form = ResponseForm::tags;
};
// Of each; programs run many at once, in the sandbox, which is needed only for them.
std::vector<TaskGrade> grade_tasks(std::span<const TaskToGrade> all, const Sandbox* sandbox);
// At a time: twice as many as processors, because each waits for the kernel about half of its time.
int programs_at_once();

// The answer that the response marks, for a vote; empty if it marks none, or several. Not of code, where no two are alike.
std::string final_answer(std::string_view response, Thought thought);
// Math: equal, however it is written. Countdown: the same expression but for blanks.
bool is_same_answer(GraderKind grader, std::string_view a, std::string_view b);

}  // namespace minke
