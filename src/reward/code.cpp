#include "reward/code.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "reward/code_answer.h"
#include "reward/cpp_tests.h"
#include "reward/python_tests.h"
#include "sandbox/pool.h"

namespace minke {
namespace {

constexpr size_t kMostProgram = size_t(1) << 20;  // bytes of a program that is run at all
constexpr size_t kMostTests = 1000;

std::string text_of(const Json& object, const char* key, std::string_view where) {
  const auto value = object.find(key);
  if (value == object.end() || value->is_null()) return "";
  if (!value->is_string()) user_error("{}: \"{}\" of a code task is to be text", where, key);
  return value->get<std::string>();
}

bool is_identifier(const std::string& name) {
  return !name.empty() && name.size() <= 100 && !std::isdigit(uint8_t(name[0])) &&
         std::all_of(name.begin(), name.end(), [](char c) { return std::isalnum(uint8_t(c)) || c == '_'; });
}

// Without the white space at the ends of lines and of the text.
std::string lines_of(std::string_view text) {
  std::string lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (!line.empty() && std::isspace(uint8_t(line.back()))) line.remove_suffix(1);
    lines.append(line) += '\n';
  }
  while (lines.ends_with('\n')) lines.pop_back();
  return lines;
}

TestOutcome run_output_tests(const Sandbox& sandbox, const std::string& program, const CodeTask& task) {
  CompiledProgram compiled;
  if (task.language == CodeLanguage::cpp && (compiled = compile_cpp(sandbox, program)).program.empty())
    return {false, "does not compile: " + printable(std::string_view(compiled.diagnostics).substr(0, 200))};
  for (size_t i = 0; i < task.outputs.size(); ++i) {
    const OutputTest& test = task.outputs[i];
    const SandboxResult r =
        sandbox.run(task.language == CodeLanguage::cpp ? program_job(compiled.program, test.input, task.limits)
                                                       : python_job(program, test.input, task.limits));
    if (!r.succeeded()) return {false, fmt::format("test {}: the program {}", i + 1, describe(r))};
    if (lines_of(r.output) != lines_of(test.output))
      return {false,
              fmt::format("test {}: prints \"{}\"", i + 1, printable(std::string_view(r.output).substr(0, 100)))};
  }
  return {true, "all tests pass"};
}

TestOutcome run_tests(const Sandbox& sandbox, const std::string& program, const CodeTask& task) {
  if (program.size() > kMostProgram) return {false, fmt::format("a program of {} bytes", program.size())};
  if (!task.outputs.empty()) return run_output_tests(sandbox, program, task);
  if (task.language == CodeLanguage::cpp) return run_cpp_tests(sandbox, program, task.test, task.limits);
  const std::string helpers = task.prompt.empty() ? "" : task.prompt + "\n    pass\n";
  return run_python_tests(sandbox, program, helpers, task.test, task.entry_points, task.limits);
}

}  // namespace

CodeTask parse_code_task(const Json& answer, std::string_view where) {
  if (!answer.is_object()) user_error("{}: the answer of a code task is to be an object", where);
  CodeTask task;
  const std::string language = text_of(answer, "language", where);
  if (!language.empty()) {
    const auto found = find_named<CodeLanguage>(language);
    if (!found)
      user_error("{}: language \"{}\" of a code task; there are {}", where, printable(language),
                 names_of<CodeLanguage>(", "));
    task.language = *found;
  }
  task.prompt = text_of(answer, "prompt", where), task.test = text_of(answer, "test", where);
  if (const auto names = answer.find("entry_point"); names != answer.end() && !names->is_null())
    for (const Json& name : names->is_array() ? *names : Json::array({*names})) {
      if (!name.is_string() || !is_identifier(name.get<std::string>()))
        user_error("{}: \"entry_point\" of a code task is to be the name of a function, or a list of names", where);
      task.entry_points.push_back(name.get<std::string>());
    }
  if (const auto tests = answer.find("tests"); tests != answer.end() && !tests->is_null()) {
    if (!tests->is_array() || tests->size() > kMostTests)
      user_error("{}: \"tests\" of a code task is to be a list of at most {}", where, kMostTests);
    for (const Json& test : *tests) {
      if (!test.is_object() || !test.contains("output"))
        user_error("{}: each of the \"tests\" of a code task is to be {{\"input\": TEXT, \"output\": TEXT}}", where);
      task.outputs.push_back({text_of(test, "input", where), text_of(test, "output", where)});
    }
  }
  if (const auto seconds = answer.find("cpu_seconds"); seconds != answer.end() && !seconds->is_null()) {
    const double s = seconds->is_number() ? seconds->get<double>() : 0;
    if (!(s > 0 && s <= 3600)) user_error("{}: \"cpu_seconds\" of a code task is to be a number up to 3600", where);
    task.limits.cpu_seconds = s, task.limits.wall_seconds = 2 * s;
  }
  if (task.outputs.empty() == task.test.empty())
    user_error("{}: a code task has either a \"test\" or \"tests\" with inputs and outputs", where);
  if (task.language == CodeLanguage::python && !task.test.empty() && task.entry_points.empty())
    user_error("{}: a code task with a \"test\" in Python has the name of the function in \"entry_point\"", where);
  return task;
}

Grade grade_code(const Sandbox& sandbox, std::string_view response, const CodeTask& task, Thought thought) {
  require(task.language);
  const std::string name = task.entry_points.empty() ? "" : task.entry_points[0];
  const CodeCandidates code = code_in(parts_of(response, thought).rest, task.language, task.prompt, name);
  if (!code.lenient) return {0, 0, code.why_not_strict};
  if (code.strict) {
    TestOutcome strict = run_tests(sandbox, *code.strict, task);
    if (strict.passed) return {1, 1, strict.reason};
    if (code.strict == code.lenient) return {0, 0, strict.reason};
    const TestOutcome lenient = run_tests(sandbox, *code.lenient, task);
    return {0, lenient.passed ? 1.0 : 0.0, strict.reason};
  }
  const TestOutcome lenient = run_tests(sandbox, *code.lenient, task);
  return {0, lenient.passed ? 1.0 : 0.0, lenient.passed ? code.why_not_strict + "; all tests pass" : lenient.reason};
}

std::vector<Grade> grade_code_all(const Sandbox& sandbox, std::span<const CodeToGrade> all, int workers) {
  std::vector<Grade> grades(all.size());
  run_tasks(all.size(), workers,
            [&](size_t i) { grades[i] = grade_code(sandbox, all[i].response, *all[i].task, all[i].thought); });
  return grades;
}

}  // namespace minke
