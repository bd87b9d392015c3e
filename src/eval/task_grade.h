// What an answer to a task is worth: the rules of the reward layer for the kind of grader that a task names (R1 §2.2.2: accuracy
// and format). Test: tests/eval/task_grade_test.cpp.
#pragma once
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "core/enum_names.h"
#include "corpus/prompt.h"
#include "corpus/tasks.h"
#include "eval/judge.h"
#include "reward/code.h"
#include "reward/grade.h"

namespace minke {

// What a task's answers are held against: math (or the good answer that a judge may see), countdown, code.
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
  std::optional<double> preference;  // what a judge gave (eval/judge.h)
};
// `prompt`: what stands before the response; it may have opened the thought. Not of a code task: those need the sandbox. Of a task
// for a judge only the format is graded; its accuracy is 0, with the reason, until it is judged.
TaskGrade grade_task(const Task& task, std::string_view prompt, std::string_view response,
                     ResponseForm form = ResponseForm::tags);
Grade grade_form(ResponseForm form, std::string_view response, Thought thought);

// Whether a reward model has to judge answers to some of these tasks.
bool needs_judge(std::span<const GraderKind> graders);
// UserError if so, and no judge is given; or one is, and there is nothing to judge. `where`: the flag or key of the tasks; `judge`: the
// one that names a reward model.
void check_judge(std::span<const GraderKind> graders, bool has_judge, std::string_view where, std::string_view judge);
// What a judge gave, between 0 and 1, as a grade: right from kGoodAnswer (eval/judge.h) on.
Grade judged_grade(double preference);

// The share of the thought's words, or without a thought of all, that are of the question's language; 1 if there are no words
// (R1 §2.3.2: language consistency), or if the good answer to a chat is of both itself: a translation.
double language_share(const Task& task, std::string_view prompt, std::string_view response);
// An answer with at least this share is in one language.
inline constexpr double kSingleLanguage = 0.95;

struct TaskToGrade {
  const Task* task = nullptr;
  std::string_view prompt, response;
  ResponseForm form = ResponseForm::tags;
  bool truncated = false;  // it has no end
};
// Of each; programs run many at once, in the sandbox, which is needed only for them.
std::vector<TaskGrade> grade_tasks(std::span<const TaskToGrade> all, const Sandbox* sandbox);
// Judges those of them that are tasks for a judge: what is said to the user, without the thought; nothing said, and what has no end,
// is worth 0.
void judge_tasks(const Context& ctx, Judge& judge, std::span<const TaskToGrade> all, std::span<TaskGrade> grades);
// At a time: twice as many as processors, because each waits for the kernel about half of its time.
int programs_at_once();

// The answer that the response marks, for a vote; empty if it marks none, or several. Not of code and of chats, where no two are alike.
std::string final_answer(std::string_view response, Thought thought);
// Math: equal, however it is written. Else the same text but for blanks.
bool is_same_answer(GraderKind grader, std::string_view a, std::string_view b);

}  // namespace minke
