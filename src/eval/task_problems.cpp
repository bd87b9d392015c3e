#include "eval/task_problems.h"

#include <fmt/format.h>

#include "core/error.h"
#include "data/task_files.h"

namespace minke {
namespace {

// What a chat model is told beside the question, so that its answer can be found (R1's README for mathematics).
std::string chat_question(const Task& task) {
  switch (task.grader) {
    case GraderKind::math:
      return task.question + "\nPlease reason step by step, and put your final answer within \\boxed{}.";
    case GraderKind::countdown: return task.question + "\nPut the expression within <answer> </answer>.";
    case GraderKind::judge: return task.question;
    case GraderKind::code: break;
  }
  return task.question + "\nWrite the whole program in one block that begins with ```python.";
}

TaskProblem problem_of(std::string group, int level, int64_t index, Task task) {
  TaskProblem p{.group = std::move(group), .level = level, .index = index, .task = std::move(task)};
  p.reference = task_reference(p.task, p.where());
  if (const auto* code = std::get_if<CodeTask>(&p.reference)) require(code->language);
  return p;
}

}  // namespace

std::string TaskProblem::where() const {
  return level > 0 ? fmt::format("{}:{}, problem {}", group, level, index)
                   : fmt::format("{}, problem {}", group, index);
}

std::vector<TaskProblem> generated_problems(const TaskChoice& choice, int64_t count, uint64_t seed, TaskSplit split) {
  const Levels levels = choice.levels.empty() ? Levels::range(task_levels(choice.kind)) : choice.levels;
  std::vector<TaskProblem> all;
  for (int l = 0; l < levels.count(); ++l)
    for (int64_t i = 0; i < count; ++i)
      all.push_back(problem_of(std::string(name_of(choice.kind)), levels.nth(l), i,
                               make_task(seed, uint64_t(i), choice.kind, levels.nth(l), split)));
  return all;
}

std::vector<TaskProblem> problems_of_file(const fs::path& file, int64_t count) {
  std::vector<Task> tasks = read_task_file(file);
  if (count > 0 && int64_t(tasks.size()) > count) tasks.resize(size_t(count));
  std::string name = file.filename().string();
  if (const size_t dot = name.find('.', 1); dot != name.npos) name.resize(dot);
  std::vector<TaskProblem> all;
  for (Task& task : tasks) all.push_back(problem_of(name, 0, int64_t(all.size()), std::move(task)));
  return all;
}

void check_prompt(GraderKind grader, PromptFormat format, std::string_view name) {
  if (grader == GraderKind::judge && !is_chat(format))
    user_error(
        "a chat that is to be answered is put by the model's chat template: {} is to be \"{}\"; use chat or chat-plain",
        name, name_of(format));
}

PutQuestion put_question(const Task& task, PromptFormat format, const Tokenizer& tokenizer, const ChatTemplate* chat,
                         bool answered) {
  if (answered) check_prompt(task.grader, format, "the prompt");
  if (!is_chat(format)) {
    PutQuestion q{.asked = task.question, .prompt = prompt_of(task.question, format)};
    q.ids = tokenizer.encode(q.prompt, {.parse_special = false, .add_bos = true});
    return q;
  }
  if (!chat)
    user_error("the prompt is to be \"{}\", but the model has no chat template: use brief or r1-zero", name_of(format));
  PutQuestion q{.asked = format == PromptFormat::chat ? chat_question(task) : task.question};
  ChatInputs inputs{.add_generation_prompt = true};
  inputs.messages.push_back(Json{{"role", "user"}, {"content", q.asked}});
  q.prompt = chat->render(inputs);
  q.ids = tokenizer.encode(q.prompt);
  return q;
}

std::vector<std::string> stop_texts_of(PromptFormat format) {
  if (is_chat(format)) return {};
  return {std::string(kAnswerEnd)};
}

void make_prompts(std::vector<TaskProblem>& problems, PromptFormat format, const Tokenizer& tokenizer,
                  const std::optional<ChatTemplate>& chat, int64_t max_context, bool answered) {
  for (TaskProblem& p : problems) {
    PutQuestion put = put_question(p.task, format, tokenizer, chat ? &*chat : nullptr, answered);
    p.asked = std::move(put.asked), p.prompt = std::move(put.prompt), p.ids = std::move(put.ids);
    p.form = form_of(format);
    if (int64_t(p.ids.size()) >= max_context)
      user_error(
          "{}: its prompt has {} tokens, which leaves no room for an answer in a context of {} tokens: use a "
          "larger one, if the model has it",
          p.where(), p.ids.size(), max_context);
  }
}

}  // namespace minke
