// Reference solutions pass their tests, and a body that does nothing fails them; under python3 where there is one.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "core/json.h"
#include "corpus/tasks.h"

namespace minke {
namespace {

TEST(CodeExercises, SolutionsPassAndOthersFail) {
  const fs::path folder = fs::temp_directory_path() / fmt::format("minke_exercises_test_{}", ::getpid());
  fs::create_directories(folder);
  std::ofstream out(folder / "all.jsonl", std::ios::binary);
  for (int level = 1; level <= 4; ++level)
    for (uint64_t i = 0; i < 300; ++i) {
      const Task task = make_task(4, i, TaskKind::code, level, i % 2 ? TaskSplit::train : TaskSplit::test);
      ASSERT_EQ(task.grader, GraderKind::code);
      Json line = parse_json(task.answer, "answer");
      ASSERT_EQ(line["language"], "python");
      const std::string name = line["entry_point"].get<std::string>();
      ASSERT_NE(task.question.find(name + "(numbers)"), std::string::npos);
      ASSERT_EQ(line["test"].get<std::string>().find("assert candidate([]) =="), 26u);
      line["solution"] = task.solution;
      line["form"] = task.canonical;
      out << line.dump() << '\n';
    }
  out.close();
  if (std::system("python3 -c 'import json' 2>/dev/null") == 0) {
    write_file_atomic(folder / "check.py", R"py(
import json, sys
checked = lazy = 0
for line in open(sys.argv[1], encoding="utf-8"):
    task = json.loads(line)
    def run(source):
        space = {}
        exec(compile(source, "solution", "exec"), space)
        exec(compile(task["test"], "test", "exec"), space)
        space["check"](space[task["entry_point"]])
    run(task["solution"])
    checked += 1
    for body in ("pass", "return 0", "return []", "return numbers", "return sum(numbers)"):
        try:
            run("def %s(numbers):\n    %s\n" % (task["entry_point"], body))
            lazy += 1
        except AssertionError:
            pass
print(checked, lazy)
assert checked == 1200, checked
assert lazy <= 2 * checked // 100, lazy  # a rare list of tests that a constant passes
)py");
    EXPECT_EQ(std::system(fmt::format("python3 '{0}/check.py' '{0}/all.jsonl'", folder.string()).c_str()), 0);
  }
  fs::remove_all(folder);
}

}  // namespace
}  // namespace minke
