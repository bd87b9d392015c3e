#include "sandbox/programs.h"

#include <gtest/gtest.h>

#include "sandbox/hostile.h"

namespace minke {
namespace {

class Programs : public test::SandboxTest {};

TEST_F(Programs, PythonIsTheSameEveryTime) {
  const std::string source =
      "import os, sys\n"
      "print(hash('whale'), sorted(os.environ), sys.path, sys.flags.no_site, input())\n";
  const SandboxResult once = sandbox().run(python_job(source, "a line")),
                      again = sandbox().run(python_job(source, "a line"));
  ASSERT_TRUE(once.succeeded()) << describe(once) << once.errors;
  EXPECT_EQ(once.output, again.output);  // the hash is that of seed 0
  EXPECT_NE(once.output.find("/tmp/job"), std::string::npos) << once.output;
  EXPECT_EQ(once.output.find("dist-packages"), std::string::npos) << once.output;
  EXPECT_TRUE(once.output.ends_with(" 1 a line\n")) << once.output;
}

TEST_F(Programs, PythonSpeaksUtf8) {
  const SandboxResult r = sandbox().run(python_job("print('鲸', input(), len('鲸'), open('main.py').read(9))\n", "鱼"));
  EXPECT_EQ(r.output, "鲸 鱼 1 print('鲸'\n") << r.errors;
}

TEST_F(Programs, AnErrorIsToldByPython) {
  const SandboxResult r = sandbox().run(python_job("print('so far')\nraise ValueError('no whale')\n"));
  EXPECT_EQ(r.end, SandboxEnd::exited);
  EXPECT_EQ(r.exit_code, 1);
  EXPECT_EQ(r.output, "so far\n");
  EXPECT_NE(r.errors.find("ValueError: no whale"), std::string::npos);
  EXPECT_EQ(describe(r), "exit code 1");
}

TEST_F(Programs, SourceWithNulIsAnErrorOfTheProgram) {
  const SandboxResult r = sandbox().run(python_job(std::string("print(1)\0print(2)\n", 18)));
  EXPECT_EQ(r.end, SandboxEnd::exited);
  EXPECT_EQ(r.output.find("2"), std::string::npos) << r.output;  // some Pythons stop there, some refuse the file
}

TEST_F(Programs, CppIsCompiledAndRun) {
  if (const std::string why = why_not(CodeLanguage::cpp); !why.empty()) GTEST_SKIP() << why;
  const CompiledProgram p = compile_cpp(
      sandbox(), "#include <iostream>\nint main() { int n; std::cin >> n; std::cout << n * 2 << '\\n'; }\n");
  ASSERT_FALSE(p.program.empty()) << p.diagnostics;
  const SandboxResult r = sandbox().run(program_job(p.program, "21"));
  EXPECT_TRUE(r.succeeded()) << describe(r) << r.errors;
  EXPECT_EQ(r.output, "42\n");
}

TEST_F(Programs, CppThatDoesNotCompileSaysWhy) {
  if (const std::string why = why_not(CodeLanguage::cpp); !why.empty()) GTEST_SKIP() << why;
  const CompiledProgram p = compile_cpp(sandbox(), "int main() { return whale; }\n");
  EXPECT_TRUE(p.program.empty());
  EXPECT_NE(p.diagnostics.find("whale"), std::string::npos) << p.diagnostics;
  // Files of this machine are not there for the compiler either.
  const CompiledProgram thief = compile_cpp(sandbox(), "#include \"/etc/passwd\"\nint main() {}\n");
  EXPECT_TRUE(thief.program.empty());
  EXPECT_EQ(thief.diagnostics.find("root:"), std::string::npos) << thief.diagnostics;
  EXPECT_NE(thief.diagnostics.find("No such file"), std::string::npos) << thief.diagnostics;
}

TEST_F(Programs, CompilingIsLimited) {
  if (const std::string why = why_not(CodeLanguage::cpp); !why.empty()) GTEST_SKIP() << why;
  const CompiledProgram p = compile_cpp(sandbox(), "#include \"main.cpp\"\n#include \"main.cpp\"\nint main() {}\n");
  EXPECT_TRUE(p.program.empty());
  EXPECT_FALSE(p.diagnostics.empty());
  const CompiledProgram large = compile_cpp(sandbox(), "char x[80 << 20] = {1};\nint main() {}\n");
  EXPECT_TRUE(large.program.empty());
  EXPECT_FALSE(large.diagnostics.empty());
}

TEST(MissingProgram, IsNamedWithItsPackage) {
  for (const CodeLanguage language : {CodeLanguage::python, CodeLanguage::cpp})
    if (const std::string why = why_not(language); !why.empty()) {
      EXPECT_NE(why.find("apt-get install"), std::string::npos);
      EXPECT_THROW(require(language), UserError);
    }
}

}  // namespace
}  // namespace minke
