#include "data/task_files.h"

#include "core/error.h"
#include "corpus/task_json.h"
#include "data/json_lines.h"

namespace minke {

std::vector<Task> read_task_file(const fs::path& path) {
  constexpr size_t kMaxLineBytes = size_t(1) << 24;
  std::vector<Task> tasks;
  read_json_lines(path, {.max_line_bytes = kMaxLineBytes},
                  [&](const Json& line, const std::string& where) { tasks.push_back(task_of_json(line, where)); });
  if (tasks.empty())
    user_error("{}: holds no tasks. Each line is {{\"question\", \"answer\"}} as in GSM8K, or as in HumanEval",
               path.string());
  return tasks;
}

}  // namespace minke
