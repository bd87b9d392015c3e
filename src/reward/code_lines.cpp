#include "reward/code_lines.h"

#include <nlohmann/json.hpp>

#include "reward/code.h"

namespace minke {

std::vector<GradedLine> grade_code_lines(const Sandbox& sandbox, std::span<const NumberedLine> lines, int workers) {
  std::vector<Json> parsed;
  std::vector<CodeTask> tasks;
  std::vector<CodeToGrade> all;
  for (const NumberedLine& line : lines) {
    parsed.push_back(parse_graded_line(line.text, line.where));
    refuse_judged(parsed.back(), line.where);
    const auto answer = parsed.back().find("answer");
    const bool own = answer == parsed.back().end() || answer->is_null();
    tasks.push_back(parse_code_task(own ? parsed.back() : *answer, line.where));
  }
  for (size_t i = 0; i < lines.size(); ++i)
    all.push_back(
        {parsed[i].at("response").get_ref<const std::string&>(), &tasks[i], thought_of(parsed[i], lines[i].where)});
  const std::vector<Grade> grades = grade_code_all(sandbox, all, workers);
  std::vector<GradedLine> graded;
  for (size_t i = 0; i < lines.size(); ++i)
    graded.push_back({grades[i], with_grade(lines[i].text, parsed[i], grades[i])});
  return graded;
}

}  // namespace minke
