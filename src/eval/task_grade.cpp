#include "eval/task_grade.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/threads.h"
#include "reward/grade_line.h"
#include "reward/math_answer.h"

namespace minke {

TaskReference task_reference(const Task& task, std::string_view where) {
  switch (task.grader) {
    case GraderKind::math:
    case GraderKind::judge: return task.answer;
    case GraderKind::countdown:
      return std::get<CountdownTask>(
          reference_of(GradeKind::countdown, Json{{"answer", parse_json(task.answer, where)}}, where));
    case GraderKind::code: break;
  }
  return parse_code_task(parse_json(task.answer, where), where);
}

Grade grade_form(ResponseForm form, std::string_view response, Thought thought) {
  return form == ResponseForm::tags ? grade_format(response, thought) : grade_chat_format(response, thought);
}

TaskGrade grade_task(const Task& task, std::string_view prompt, std::string_view response, ResponseForm form) {
  check(task.grader != GraderKind::code, "grade_task: programs are graded in the sandbox");
  const Thought thought = thought_after(prompt);
  if (task.grader == GraderKind::judge)
    return {{0, 0, "no rule can grade this: only a reward model can judge it"}, grade_form(form, response, thought)};
  const TaskReference reference = task_reference(task, "a task");
  if (const auto* countdown = std::get_if<CountdownTask>(&reference))
    return {grade_countdown(response, *countdown, thought), grade_form(form, response, thought)};
  return {grade_math(response, std::get<std::string>(reference), thought), grade_form(form, response, thought)};
}

bool needs_judge(std::span<const GraderKind> graders) {
  return std::find(graders.begin(), graders.end(), GraderKind::judge) != graders.end();
}

void check_judge(std::span<const GraderKind> graders, bool has_judge, std::string_view where, std::string_view judge) {
  if (needs_judge(graders) && !has_judge)
    user_error("{}: no rule grades answers to chats: name a reward model with {}, or leave these tasks out", where,
               judge);
  if (has_judge && !needs_judge(graders))
    user_error("{} has no effect: {} has no chats, and rules grade all else", judge, where);
}

Grade judged_grade(double preference) {
  const double right = preference >= kGoodAnswer ? 1 : 0;
  return {right, right, fmt::format("the judge gives {:.3f}", preference)};
}

void judge_tasks(const Context& ctx, Judge& judge, std::span<const TaskToGrade> all, std::span<TaskGrade> grades) {
  std::vector<JudgedText> texts;
  std::vector<size_t> which;
  const auto give = [&](size_t i, double preference) {
    grades[i].accuracy = judged_grade(preference), grades[i].preference = preference;
  };
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].task->grader != GraderKind::judge) continue;
    const std::string_view said = trimmed(parts_of(all[i].response, thought_after(all[i].prompt)).rest);
    give(i, 0);
    if (!said.empty() && !all[i].truncated) texts.push_back({all[i].task->question, said}), which.push_back(i);
  }
  if (texts.empty()) return;
  const std::vector<double> preferences = judge.judge(ctx, texts);
  check_equal(int64_t(preferences.size()), int64_t(which.size()), "texts that were judged");
  for (size_t i = 0; i < which.size(); ++i) give(which[i], preferences[i]);
}

double language_share(const Task& task, std::string_view prompt, std::string_view response) {
  const auto own = [&](std::string_view text) { return language_share(text, language_of(task.question)).value_or(1); };
  if (task.grader == GraderKind::judge && own(task.answer) < kSingleLanguage) return 1;  // a translation is asked for
  const ResponseParts parts = parts_of(response, thought_after(prompt));
  if (!parts.has_thought) return own(response);
  return own(trimmed(parts.thought).empty() ? parts.rest : parts.thought);
}

int programs_at_once() { return 2 * hardware_threads(); }

std::vector<TaskGrade> grade_tasks(std::span<const TaskToGrade> all, const Sandbox* sandbox) {
  std::vector<TaskGrade> grades(all.size());
  std::deque<CodeTask> references;
  std::vector<CodeToGrade> programs;
  std::vector<size_t> which;
  for (size_t i = 0; i < all.size(); ++i) {
    const TaskToGrade& t = all[i];
    if (t.task->grader != GraderKind::code) {
      grades[i] = grade_task(*t.task, t.prompt, t.response, t.form);
      continue;
    }
    references.push_back(std::get<CodeTask>(task_reference(*t.task, "a task")));
    programs.push_back({t.response, &references.back(), thought_after(t.prompt)});
    which.push_back(i);
  }
  if (programs.empty()) return grades;
  check(sandbox != nullptr, "grade_tasks: programs need a sandbox");
  const std::vector<Grade> accuracy = grade_code_all(*sandbox, programs, programs_at_once());
  for (size_t i = 0; i < programs.size(); ++i)
    grades[which[i]] = {accuracy[i], grade_form(all[which[i]].form, programs[i].response, programs[i].thought)};
  return grades;
}

std::string final_answer(std::string_view response, Thought thought) {
  const MarkedAnswer marked = marked_answer(parts_of(response, thought).rest);
  if (marked.mark == Mark::none || marked.mark == Mark::hedge) return {};
  return std::string(trimmed(marked.text));
}

bool is_same_answer(GraderKind grader, std::string_view a, std::string_view b) {
  if (a == b) return true;
  if (grader == GraderKind::math)  // one of them may be worked out further
    return compare_math(a, b).equal != Equal::no || compare_math(b, a).equal != Equal::no;
  const auto without_blanks = [](std::string_view text) {
    std::string out(text);
    std::erase_if(out, [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; });
    return out;
  };
  return without_blanks(a) == without_blanks(b);
}

}  // namespace minke
