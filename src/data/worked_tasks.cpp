#include "data/worked_tasks.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "corpus/prompt.h"

namespace minke {
namespace {

// "<<48/2=24>>" is one: numbers, signs and an equals sign.
bool is_calculation(std::string_view text) {
  return text.find('=') != text.npos && text.find_first_not_of("0123456789.,+-*/=()%$ ") == text.npos;
}

std::string without_calculator(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t open = text.find("<<"), close = open == text.npos ? open : text.find(">>", open);
    if (close == text.npos) break;
    const bool drop = is_calculation(text.substr(open + 2, close - open - 2));
    out += text.substr(0, drop ? open : open + 2);
    text.remove_prefix(drop ? close + 2 : open + 2);
  }
  return out + std::string(text);
}

std::string told(const Task& task, std::string_view where) {
  if (task.grader == GraderKind::math) return told_answer(task.question, task.answer);
  if (task.grader == GraderKind::judge) return task.answer;
  if (task.solution.empty())
    user_error(
        "{}: a problem of kind \"{}\" has no \"solution\": there is nothing to learn from its answer, which only "
        "says how to check one",
        where, name_of(task.grader));
  if (task.grader == GraderKind::countdown) return told_answer(task.question, task.solution);
  const Json answer = parse_json(task.answer, where);
  return fmt::format("```python\n{}{}\n```", answer.value("prompt", ""), task.solution);  // HumanEval's goes on from it
}

}  // namespace

Json conversation_of(const Task& task, bool as_thought, std::string_view where) {
  if (task.split == TaskSplit::test)
    user_error("{}: a problem of the test split (minke corpus tasks --split test), which nothing may learn from",
               where);
  const std::string reasoning = without_calculator(task.reasoning), answer = told(task, where);
  Json assistant{{"role", "assistant"}, {"content", answer}};
  if (!reasoning.empty() && as_thought) assistant["reasoning_content"] = reasoning;
  else if (!reasoning.empty()) assistant["content"] = reasoning + "\n\n" + answer;
  return {{"messages", Json::array({Json{{"role", "user"}, {"content", task.question}}, assistant})}};
}

}  // namespace minke
