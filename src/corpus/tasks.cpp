#include "corpus/tasks.h"

#include "core/error.h"
#include "corpus/genres.h"

namespace minke {

Task make_task(uint64_t seed, uint64_t index, TaskKind kind, int level) {
  const Rng rng{RngKey{seed}.at("task").at(name_of(kind)).at(uint64_t(level)).at(index)};
  switch (kind) {
    case TaskKind::arithmetic: return corpus::arithmetic_task(rng, level);
    case TaskKind::word_problem: return corpus::word_problem_en(rng, level);
    case TaskKind::word_problem_zh: return corpus::word_problem_zh(rng, level);
  }
  check(false, "known task kind");
  return {};
}

std::string task_document(const Task& task) {
  std::string text = task.question + "\n";
  if (!task.reasoning.empty()) text += task.reasoning + "\n";
  return text + "#### " + task.answer;
}

}  // namespace minke
