#include "data/worked_tasks.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "corpus/prompt.h"

namespace minke {
namespace {

std::string without_calculator(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t open = std::min(text.find("<<", at), text.size()), close = text.find(">>", open);
    out += text.substr(at, open - at);
    if (open == text.size()) break;
    if (close == text.npos) return out + std::string(text.substr(open));
    at = close + 2;
  }
  return out;
}

std::string told(const Task& task) {
  switch (task.grader) {
    case GraderKind::math:
    case GraderKind::countdown: return told_answer(task.question, task.right_answer());
    case GraderKind::code: return fmt::format("```python\n{}\n```", task.solution);
    case GraderKind::judge: break;
  }
  return task.answer;
}

}  // namespace

Json conversation_of(const Task& task, bool as_thought) {
  const std::string reasoning = without_calculator(task.reasoning), answer = told(task);
  Json assistant{{"role", "assistant"}, {"content", answer}};
  if (!reasoning.empty() && as_thought) assistant["reasoning_content"] = reasoning;
  else if (!reasoning.empty()) assistant["content"] = reasoning + "\n\n" + answer;
  return {{"messages", Json::array({Json{{"role", "user"}, {"content", task.question}}, assistant})}};
}

}  // namespace minke
