#include "reward/cpp_tests.h"

#include <fmt/format.h>

#include <cctype>
#include <random>
#include <set>
#include <sstream>

#include "core/error.h"
#include "sandbox/programs.h"

namespace minke {
namespace {

// Of the system, not of a seed: the program must not be able to draw it, too.
std::string random_word() {
  std::random_device device;
  std::string word;
  for (int i = 0; i < 4; ++i) word += fmt::format("{:08x}", device());
  return word;
}

std::set<std::string> names_in(const std::string& code) {
  std::set<std::string> names{"main", "assert"};
  for (size_t at = 0; at < code.size();) {
    size_t end = at;
    while (end < code.size() && (std::isalnum(uint8_t(code[end])) || code[end] == '_')) ++end;
    if (end > at && !std::isdigit(uint8_t(code[at])) && end - at <= 100) names.insert(code.substr(at, end - at));
    at = std::max(end, at + 1);
  }
  names.erase("defined");  // no macro can have this name
  return names;
}

}  // namespace

TestOutcome run_cpp_tests(const Sandbox& sandbox, const std::string& program, const std::string& test,
                          const SandboxLimits& limits) {
  const std::string secret = random_word(), name = "minke_" + random_word();
  std::string includes, rest;
  std::istringstream lines(test);
  for (std::string line; std::getline(lines, line);) {
    const size_t at = line.find_first_not_of(" \t");
    const bool include =
        at != line.npos && line[at] == '#' && line.find("include") == line.find_first_not_of(" \t", at + 1);
    (include ? includes : rest) += line + "\n";
  }
  std::string save, restore;
  for (const std::string& n : names_in(rest)) {
    save += fmt::format("#pragma push_macro(\"{}\")\n", n);
    restore += fmt::format("#pragma pop_macro(\"{}\")\n", n);
  }
  // The linker hands the start of the program to __wrap_main, and main to __real_main.
  const std::string source = fmt::format(
      "#include <cstdio>\n#include <unistd.h>\n#undef NDEBUG\n#include <cassert>\n{0}"
      "namespace {{ char {1}[33];\n"
      "__attribute__((constructor(101))) void {1}_begin() {{ if (::read(0, {1}, 32) != 32) ::_exit(3); }} }}\n"
      "extern \"C\" int __real_main(int, char**);\n"
      "extern \"C\" int __wrap_main(int {1}_n, char** {1}_words) {{\n"
      "  if (::__real_main({1}_n, {1}_words) != 0) ::_exit(4);\n"
      "  ::fflush(stdout); ::_exit(::write(1, {1}, 32) == 32 ? 0 : 5); }}\n"
      "{2}#line 1 \"solution.cpp\"\n{3}\n{4}#line 1 \"test.cpp\"\n{5}\n",
      includes, name, save, program, restore, rest);
  const CompiledProgram compiled = compile_cpp(sandbox, source, {"-Wl,--wrap=main"});
  if (compiled.program.empty())
    return {false, "does not compile: " + printable(std::string_view(compiled.diagnostics).substr(0, 200))};
  const SandboxResult r = sandbox.run(program_job(compiled.program, secret, limits));
  if (r.succeeded() && r.output.ends_with(secret)) return {true, "all tests pass"};
  if (r.succeeded()) return {false, "the program ended before the tests were over"};
  const size_t assertion = r.errors.find("Assertion ");
  return {false,
          assertion == r.errors.npos ? describe(r) : printable(std::string_view(r.errors).substr(assertion, 200))};
}

}  // namespace minke
