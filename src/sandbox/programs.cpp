#include "sandbox/programs.h"

#include <unistd.h>

#include "core/error.h"

namespace minke {
namespace {

struct Tool {
  const char *path, *package;
};

Tool tool_of(CodeLanguage language) {
  return language == CodeLanguage::python ? Tool{"/usr/bin/python3", "python3"} : Tool{"/usr/bin/g++", "g++"};
}

// Of g++ on one short file with large headers: 250 MB, 4 processes.
SandboxLimits compiler_limits() {
  SandboxLimits l;
  l.cpu_seconds = 20, l.wall_seconds = 40;
  l.memory_bytes = int64_t(1) << 30;
  l.output_bytes = int64_t(32) << 20;  // the program itself
  return l;
}

}  // namespace

std::string why_not(CodeLanguage language) {
  const Tool tool = tool_of(language);
  if (access(tool.path, X_OK) == 0) return "";
  return fmt::format("{} is missing: install the Debian package {} (apt-get install {})", tool.path, tool.package,
                     tool.package);
}

void require(CodeLanguage language) {
  if (const std::string why = why_not(language); !why.empty())
    user_error("Programs in {} cannot run on this machine: {}", name_of(language), why);
}

std::vector<std::string> python_command(const std::string& file) {
  return {"/usr/bin/python3", "-S", "-s", "-B", file};
}

SandboxJob python_job(std::string source, std::string input, const SandboxLimits& limits) {
  return {.files = {{"main.py", std::move(source)}},
          .command = python_command("main.py"),
          .input = std::move(input),
          .limits = limits};
}

CompiledProgram compile_cpp(const Sandbox& sandbox, std::string source, const std::vector<std::string>& flags) {
  require(CodeLanguage::cpp);
  SandboxJob job{
      .files = {{"main.cpp", std::move(source)}},
      .command = {"/bin/sh", "-c", "g++ -std=c++20 -O1 -s -pipe \"$@\" -o program main.cpp && exec cat program", "sh"},
      .limits = compiler_limits()};
  job.command.insert(job.command.end(), flags.begin(), flags.end());
  SandboxResult r = sandbox.run(job);
  if (r.succeeded()) return {.program = std::move(r.output), .diagnostics = {}};
  return {.program = {}, .diagnostics = r.errors.empty() ? describe(r) : std::move(r.errors)};
}

SandboxJob program_job(std::string program, std::string input, const SandboxLimits& limits) {
  return {.files = {{"program", std::move(program), true}},
          .command = {"./program"},
          .input = std::move(input),
          .limits = limits};
}

}  // namespace minke
