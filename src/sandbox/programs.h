// Programs in the languages that models write: what they need on this machine, and jobs that run them.
// Test: tests/sandbox/programs_test.cpp.
#pragma once
#include <string>
#include <vector>

#include "core/enum_names.h"
#include "sandbox/sandbox.h"

namespace minke {

enum class CodeLanguage { python, cpp };
template <> struct EnumNames<CodeLanguage> {
  static constexpr EnumName<CodeLanguage> all[] = {{CodeLanguage::python, "python"}, {CodeLanguage::cpp, "cpp"}};
};

// Why programs in it cannot run here, with the Debian package that is missing; "" if they can.
std::string why_not(CodeLanguage language);
// UserError with that.
void require(CodeLanguage language);

// Runs a file of the job with Python, without the packages and settings of this machine. (So there is no exit() either, which is not
// part of the language but of its start at a console; sys.exit() is.)
std::vector<std::string> python_command(const std::string& file);
SandboxJob python_job(std::string source, std::string input = {}, const SandboxLimits& limits = {});

struct CompiledProgram {
  std::string program;      // an executable file; empty if the source does not compile
  std::string diagnostics;  // why not
};
// As C++20. Compiling code that nobody has read runs in the sandbox, too. flags: further ones for g++.
CompiledProgram compile_cpp(const Sandbox& sandbox, std::string source, const std::vector<std::string>& flags = {});
SandboxJob program_job(std::string program, std::string input = {}, const SandboxLimits& limits = {});

}  // namespace minke
