// Files of tasks, one JSON object on each line (corpus/task_json.h), also .gz and .zst. Tested in
// tests/data/task_files_test.cpp.
#pragma once
#include <vector>

#include "core/files.h"
#include "corpus/tasks.h"

namespace minke {

// UserError names file, line and field; also where the file holds no task.
std::vector<Task> read_task_file(const fs::path& path);

}  // namespace minke
