// Right and wrong programs, and those written to be taken for right ones.
#include "reward/code.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "core/error.h"
#include "reward/python_tests.h"
#include "sandbox/hostile.h"

namespace minke {
namespace {

class Code : public test::SandboxTest {
 protected:
  static Grade grade(const std::string& response, const char* answer) {
    return grade_code(sandbox(), response, parse_code_task(parse_json(answer, "test"), "test"),
                      Thought::begins_in_response);
  }
  // The task of most tests: total(numbers) is the sum of a list, and double(numbers) doubles it in place.
  static CodeTask total_task() {
    CodeTask task;
    task.entry_points = {"total"};
    task.test =
        "def check(candidate):\n"
        "    assert candidate([1, 2, 3]) == 6\n"
        "    assert candidate([]) == 0, 'empty'\n"
        "    assert candidate([-5, 2]) == -3\n";
    task.limits.cpu_seconds = 1, task.limits.wall_seconds = 2;
    return task;
  }
  // Several at a time: some wait for a limit.
  static void refuse_all(std::vector<std::string> programs, const std::string& tag, const CodeTask& task) {
    for (std::string& p : programs) p = "```" + tag + "\n" + p + "\n```\n";
    std::vector<CodeToGrade> all;
    for (const std::string& p : programs) all.push_back({p, &task});
    const std::vector<Grade> grades = grade_code_all(sandbox(), all, 6);
    for (size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(grades[i].strict, 0) << programs[i];
      EXPECT_EQ(grades[i].lenient, 0) << programs[i];
      EXPECT_NE(grades[i].reason, "") << programs[i];
      EXPECT_EQ(grades[i].reason.find('\n'), std::string::npos);
    }
  }
  static Grade total(const std::string& program) {
    return grade_code(sandbox(), "```python\n" + program + "\n```\n", total_task(), Thought::begins_in_response);
  }
};

TEST_F(Code, RightAndWrongPrograms) {
  const Grade right = total("def total(numbers):\n    return sum(numbers)");
  EXPECT_EQ(right.strict, 1) << right.reason;
  EXPECT_EQ(right.lenient, 1);
  EXPECT_EQ(right.reason, "all tests pass");
  const Grade wrong = total("def total(numbers):\n    return sum(numbers) or None");
  EXPECT_EQ(wrong.strict, 0);
  EXPECT_EQ(wrong.lenient, 0);
  EXPECT_EQ(wrong.reason, "AssertionError: empty at: assert candidate([]) == 0, 'empty'");
  EXPECT_EQ(total("def total(numbers: return 1").lenient, 0);
  EXPECT_NE(total("def total(numbers: return 1").reason.find("the program fails: SyntaxError"), std::string::npos);
  EXPECT_NE(total("def sum_of(numbers): return 1").reason.find("KeyError"), std::string::npos);
  EXPECT_NE(total("def total(): return 1").reason.find("TypeError"), std::string::npos);
  EXPECT_NE(total("import no_such_module").reason.find("ModuleNotFoundError"), std::string::npos);
  EXPECT_EQ(total("def total(numbers):\n    print('debug' * 100000)\n    return sum(numbers)").strict, 1);
}

TEST_F(Code, ProgramsWrittenToPassDoNot) {
  std::vector<std::string> programs;
  for (const char* program : {
           // Leaving.
           "import sys\nsys.exit(0)",
           "import os\nos._exit(0)",
           "exit(0)",
           "raise SystemExit(0)",
           "def total(n):\n    import os\n    os._exit(0)",
           "def total(n):\n    raise SystemExit(0)",
           "def total(n):\n    raise KeyboardInterrupt",
           "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nos.kill(os.getpid(), signal.SIGKILL)",
           // Saying that all is well.
           "print('all tests pass')\nprint('passed')\nimport sys\nprint('OK', file=sys.stderr)",
           "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'\\nall tests pass\\n')\n    except OSError: "
           "pass\nos._exit(0)",
           "import atexit, os\natexit.register(lambda: os._exit(0))\ndef total(n): return None",
           // Values that equal everything.
           "class Any:\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n"
           "    def __bool__(self): return True\n    __hash__ = None\ndef total(n): return Any()",
           "class Any(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\ndef total(n): "
           "return Any(1)",
           "class Any(str):\n    def __eq__(self, other): return True\n    __hash__ = str.__hash__\ndef total(n): "
           "return Any('6')",
           "class Any(list):\n    def __eq__(self, other): return True\ndef total(n): return Any()",
           "class Any(float):\n    def __eq__(self, other): return True\n    __hash__ = float.__hash__\ndef total(n): "
           "return Any('nan')",
           "class Any:\n    @property\n    def __class__(self): return int\n    def __eq__(self, o): return True\ndef "
           "total(n): return Any()",
           "from unittest.mock import MagicMock, ANY\ntotal = lambda n: ANY",
           // Changing what tests use.
           "import builtins\nbuiltins.AssertionError = None\nbuiltins.sum = lambda x: 6\ndef total(n): return 5",
           "def check(candidate): pass\ndef total(n): return 5",
           "import sys\nsys.modules['__main__'].check = lambda c: None\nsys.excepthook = lambda *a: None\ndef "
           "total(n): return 5",
           "import sys\nf = sys._getframe()\nwhile f:\n    f.f_globals['check'] = lambda c: None\n    "
           "f.f_globals['end'] = lambda *a: None\n    f = f.f_back\ndef total(n): return 5",
           "__builtins__.__build_class__ = None\n__builtins__.exec = lambda *a: None\ndef total(n): return 5",
           "import gc\nfor o in gc.get_objects():\n    if isinstance(o, dict) and 'check' in o: o['check'] = lambda c: "
           "None\ndef total(n): return 5",
           "import sys\nsys.settrace(lambda *a: None)\ndef total(n): return 5",
           // Catching what tests raise.
           "def total(n):\n    try: return 5\n    finally: return 5",
           "import contextlib\nassert_ = contextlib.suppress(AssertionError)\ndef total(n): return 5",
           "import threading, os, time\nthreading.Thread(target=lambda: (time.sleep(0.05), os._exit(0)), "
           "daemon=True).start()\ndef total(n): time.sleep(1)",
           // The files of the tests.
           "import os\nfor f in ('main.py', 'test.py', 'helpers.py', 'entry_points'):\n    open('/tmp/job/' + f, "
           "'w').write('')\nfor f in os.listdir('/tmp/job'): os.remove('/tmp/job/' + f)\ndef total(n): return 5",
           "import os, re\nfound = {}\nfor root, _, files in os.walk('/tmp'):\n    for f in files:\n        for a, b "
           "in re.findall(r'candidate\\((.*?)\\) == (-?\\d+)', open(root + '/' + f, errors='replace').read()): "
           "found[a] = int(b)\n"
           "def total(n): return found[repr(n)]",
           // Without end.
           "def total(n): return total(n)",
           "def total(n):\n    x = []\n    x.append(x)\n    return x",
           "def total(n): return (i for i in iter(int, 1))",
           "def total(n): return 10 ** 10 ** 8",
           "while True: pass",
           "def total(n):\n    while True: pass",
           "import time\ntime.sleep(100)",
           "import os\nfor i in range(10): os.fork()\nwhile True: pass",
           // What is sent to the tests.
           "import os\nwhile True: os.write(4, b'ffffffff' * 1000)",
           "import os\nos.write(4, b'7fffffff')\ndef total(n): return 6",
           "import os\nfor fd in range(3, 10):\n    try: os.write(fd, b'00000008' + b'u1;t' + b'u1;t')\n    except "
           "OSError: pass\nos._exit(0)",
           "import sys\nm = sys.modules['__main__']\nm.encode = lambda x, out, depth=0: out.append(b'l' * 5000)\ndef "
           "total(n): return 6",
           "import sys\nm = sys.modules['__main__']\nm.encode = lambda x, out, depth=0: out.append(b'i' + b'f' * "
           "10000000 + b';')\ndef total(n): return 6",
           "import sys\nm = sys.modules['__main__']\nm.encode = lambda x, out, depth=0: "
           "out.append(b'lffffffffff;')\ndef total(n): return 6",
           "import sys\nm = sys.modules['__main__']\nm.encode = lambda x, out, depth=0: "
           "out.append(b'u3;s6;raisedsA;SystemExits0;')\ndef total(n): return 6",
       }) {
    programs.push_back(program);
  }
  refuse_all(programs, "python", total_task());
}

// Not cheating: the tests' process only sees values.
TEST_F(Code, PlainValuesOfSubclassesAreValues) {
  EXPECT_EQ(total("class N(int): pass\ndef total(n): return N(sum(n))").strict, 1);
  EXPECT_EQ(total("from fractions import Fraction\ndef total(n): return int(sum(map(Fraction, n)))").strict, 1);
}

TEST_F(Code, AllPlainTypesCross) {
  CodeTask task;
  task.entry_points = {"same", "changed"};
  task.test =
      "import math\n"
      "values = [None, True, False, 0, -1, 10**5000, -2**64, 0.0, 1.5, -1e-300, math.inf, -math.inf, 2j, complex(1, "
      "-0.5), '', '鲸\\n', '\\ud800',\n"
      "          b'', b'\\0\\xff', [], [1, [2, [3]]], (), (1,), (1, (2, 3)), set(), {1, 'a'}, frozenset({(1, 2)}), {}, "
      "{'a': [1], (1, 2): {3: None}}, range(1, 9, 3)]\n"
      "for v in values + [values]:\n"
      "    w = same(v)\n"
      "    assert w == v and type(w) is type(v), (v, w)\n"
      "assert type(same(True)) is bool and math.isnan(same(math.nan)) and math.copysign(1, same(-0.0)) == -1\n"
      "assert same(v=3) == 3 and list(same(iter([1, 2]))) == [1, 2]\n"
      "a, b, c = [3, 1, 2], {'x': 1}, {1}\n"
      "assert changed(a, b, c) is None\n"
      "assert a == [1, 2, 3] and b == {'x': 1, 'y': 2} and c == {1, 2}, (a, b, c)\n"
      "for kind in (ValueError, KeyError, ZeroDivisionError):\n"
      "    try: same(kind.__name__ + '!')\n"
      "    except kind: pass\n"
      "    else: assert False, kind\n";
  const TestOutcome o =
      run_python_tests(sandbox(),
                       "def same(v):\n"
                       "    if isinstance(v, str) and v.endswith('!'): raise eval(v[:-1])('as asked')\n"
                       "    return v\n"
                       "def changed(a, b, c): a.sort(); b['y'] = 2; c.add(2)\n",
                       "", task.test, task.entry_points, task.limits);
  EXPECT_TRUE(o.passed) << o.reason;
}

TEST_F(Code, TestsThatFailThemselvesPassNothing) {
  CodeTask task = total_task();
  for (const char* test : {"assert whale", "def check(candidate:", "import sys\nsys.exit(0)", "raise SystemExit(0)",
                           "def check(): pass", "import no_such_module"}) {
    task.test = test;
    EXPECT_EQ(
        grade_code(sandbox(), "```python\ndef total(n): return sum(n)\n```", task, Thought::begins_in_response).lenient,
        0)
        << test;
  }
}

TEST_F(Code, StrictAndLenientForms) {
  const std::string good = "def total(numbers):\n    return sum(numbers)\n",
                    bad = "def total(numbers):\n    return 0\n";
  const auto both = [&](const std::string& response) {
    const Grade g = grade_code(sandbox(), response, total_task(), Thought::begins_in_response);
    return fmt::format("{}{} {}", g.strict, g.lenient, g.reason);
  };
  EXPECT_EQ(both("Some words.\n```python\n" + good + "```\nMore words."), "11 all tests pass");
  EXPECT_EQ(both("<think>```python\n" + bad + "```</think>\n```py\n" + good + "```"), "11 all tests pass");
  EXPECT_EQ(both("<think>\n```python\n" + good + "```\n</think>There it is."),
            "00 the program fails: SyntaxError: invalid syntax (solution.py, line 1)")
      << "a thought is no answer";
  EXPECT_EQ(both("<think>\n```python\n" + good + "```\n"), "00 there is no answer");
  EXPECT_EQ(both(good), "01 there is no fenced block of code; all tests pass");
  EXPECT_EQ(both("```\n" + good + "```"), "01 the block of code does not name its language; all tests pass");
  EXPECT_EQ(both("```python\n" + good), "01 the block of code is not closed; all tests pass");
  EXPECT_EQ(both("```python\n" + bad + "```\n```python\n" + good + "```"),
            "01 there are several blocks of code; all tests pass");
  EXPECT_EQ(both(""), "00 there is no answer");
  EXPECT_EQ(both("```python\n```"), "00 the block of code is empty");
  // The format of R1-Zero.
  EXPECT_EQ(both("<think>" + bad + "</think>\n<answer>" + good + "</answer>"), "11 all tests pass");
  EXPECT_EQ(both("<think>" + good + "</think>\n<answer>" + bad + "</answer>").substr(0, 2), "00");
  EXPECT_EQ(both("<think></think><answer>```python\n" + good + "```</answer>"), "11 all tests pass");
  EXPECT_EQ(both("<think></think><answer>\n```python\n" + good + "```\n</answer>"), "11 all tests pass");
  EXPECT_EQ(both("<answer>" + bad + "</answer><answer>" + good + "</answer>"),
            "01 there are several answers; all tests pass");
  EXPECT_EQ(grade_code(sandbox(), bad + "</think><answer>" + good + "</answer>", total_task(), Thought::begun_in_prompt)
                .strict,
            1);
  EXPECT_EQ(grade_code(sandbox(), "<answer>" + good + "</answer>", total_task(), Thought::begun_in_prompt).lenient, 0);
  EXPECT_EQ(both("<answer>" + good), "01 the answer is not closed; all tests pass");
  EXPECT_EQ(both(std::string("\0\xff```", 5)).substr(0, 2), "00");
}

TEST_F(Code, ACompletionContinuesThePrompt) {
  const char* answer =
      R"({"prompt": "import math\n\n\ndef helper(x):\n    return x + 1\n\n\ndef area(r):\n    \"\"\"Of a circle.\"\"\"\n",
    "entry_point": "area", "test": "def check(candidate):\n    assert candidate(1) == math.pi\n    assert helper(1) == 2\n",
    "task_id": "x/1", "canonical_solution": "whatever"})";
  EXPECT_EQ(grade("    return math.pi * r * r\n", answer).strict, 1);
  EXPECT_EQ(grade("    return math.pi * r\n", answer).strict, 1);  // the tests do not notice
  EXPECT_EQ(grade("    pass\n", answer).lenient, 0);
  const Grade goes_on = grade("    return math.pi * r * r\n\nThat is the answer.\n", answer);
  EXPECT_EQ(goes_on.strict, 0);
  EXPECT_EQ(goes_on.lenient, 1) << goes_on.reason;
  EXPECT_EQ(grade("```python\ndef area(r):\n    return math.pi * r * r\n```", answer).strict, 1);
  EXPECT_EQ(grade("```python\n    return math.pi * r * r\n```", answer).strict, 1);
  EXPECT_EQ(grade("```python\ndef helper(x):\n    return 2\ndef area(r):\n    return 3\n```", answer).lenient, 0);
}

TEST_F(Code, WholeProgramsAreComparedByOutput) {
  const char* answer =
      R"({"language": "python", "tests": [{"input": "1 2\n", "output": "3\n"}, {"input": "5 5", "output": "10"}]})";
  EXPECT_EQ(grade("```python\nprint(sum(map(int, input().split())), ' ')\n```", answer).strict, 1);
  const Grade wrong = grade("```python\nprint(3)\n```", answer);
  EXPECT_EQ(wrong.lenient, 0);
  EXPECT_EQ(wrong.reason, "test 2: prints \"3\\n\"");
  EXPECT_EQ(grade("```python\nprint(3)\nraise SystemExit(1)\n```", answer).reason, "test 1: the program exit code 1");
}

TEST_F(Code, WrongTasksAreErrors) {
  for (const char* answer :
       {"[]", "\"x\"", "{}", R"({"test": "x"})", R"({"test": 5, "entry_point": "f"})",
        R"({"test": "x", "entry_point": "f-x"})", R"({"test": "x", "entry_point": ["f", 5]})",
        R"({"language": "perl", "test": "x", "entry_point": "f"})", R"({"tests": 5})", R"({"tests": []})",
        R"({"tests": [5]})", R"({"tests": [{"input": "x"}]})", R"({"tests": [{"output": 5}]})",
        R"({"test": "x", "entry_point": "f", "tests": [{"output": "x"}]})",
        R"({"test": "x", "entry_point": "f", "cpu_seconds": -1})"})
    EXPECT_THROW(parse_code_task(parse_json(answer, "test"), "line 7"), UserError) << answer;
  try {
    parse_code_task(parse_json(R"({"language": "perl", "test": "x"})", "test"), "line 7");
    FAIL();
  } catch (const UserError& e) {
    EXPECT_STREQ(e.what(), "line 7: language \"perl\" of a code task; there are python, cpp");
  }
}

class CppCode : public Code {
 protected:
  void SetUp() override {
    Code::SetUp();
    if (const std::string why = why_not(CodeLanguage::cpp); !why.empty()) GTEST_SKIP() << why;
  }
  static CodeTask total_task() {
    CodeTask task;
    task.language = CodeLanguage::cpp;
    task.test =
        "#include <climits>\n"
        "int main() {\n"
        "  assert(total(1, 2) == 3);\n"
        "  assert(total(-5, 2) == -3 && INT_MAX > 0);\n"
        "}\n";
    return task;
  }
  static Grade total(const std::string& program) {
    return grade_code(sandbox(), "```cpp\n" + program + "\n```\n", total_task(), Thought::begins_in_response);
  }
};

TEST_F(CppCode, RightAndWrongPrograms) {
  const Grade right = total("#include <climits>\n#include <cassert>\nint total(int a, int b) { return a + b; }");
  EXPECT_EQ(right.strict, 1) << right.reason;
  EXPECT_NE(total("int total(int a, int b) { return a - b; }").reason.find("Assertion `total(1, 2) == 3' failed"),
            std::string::npos);
  EXPECT_NE(total("int total(int a, int b) { return c; }").reason.find("does not compile"), std::string::npos);
}

TEST_F(CppCode, ProgramsWrittenToPassDoNot) {
  std::vector<std::string> programs;
  for (const char* program : {
           "#include <cstdlib>\nint total(int, int) { std::exit(0); }",
           "#include <unistd.h>\nint total(int, int) { _exit(0); }",
           "#include <cstdio>\n#include <unistd.h>\nstruct S { S() { puts(\"all tests pass\"); fflush(stdout); "
           "_exit(0); } } s;\nint total(int, int) { return 5; }",
           "#undef assert\n#define assert(x) ((void)0)\nint total(int, int) { return 5; }",
           "#define NDEBUG\nint total(int, int) { return 5; }",
           "#define main other\nint total(int, int) { return 5; }",
           "#define total(a, b) 3\n",
           "int total(int, int) { return 5; }\nint main() { return 0; }",
           "#define int main(){} int\n",
           "#include <csignal>\n#include <unistd.h>\nstruct S { S() { signal(SIGABRT, [](int) { _exit(0); }); } } "
           "s;\nint total(int, int) { return 5; }",
           "extern \"C\" void __assert_fail(const char*, const char*, unsigned, const char*) noexcept { for (;;); "
           "}\nint total(int, int) { return 5; }",
           "#if 0\n",
           "/*",
           "#line 1\n#error",
       }) {
    programs.push_back(program);
  }
  refuse_all(programs, "cpp", total_task());
}

TEST_F(CppCode, WholeProgramsAreComparedByOutput) {
  const char* answer =
      R"({"language": "cpp", "tests": [{"input": "1 2\n", "output": "3"}, {"input": "5 5", "output": "10"}]})";
  EXPECT_EQ(grade("```c++\n#include <iostream>\nint main() { int a, b; std::cin >> a >> b; std::cout << a + b; }\n```",
                  answer)
                .strict,
            1);
  EXPECT_EQ(grade("```c++\n#include <cstdio>\nint main() { puts(\"3\"); }\n```", answer).lenient, 0);
}

// HumanEval, where it lies beside the clone: every reference solution passes, and no `pass` body does.
TEST_F(Code, HumanEval) {
  const char* shared = std::getenv("MINKE_SHARED");
  const std::filesystem::path file =
      std::filesystem::path(shared ? shared : MINKE_SOURCE_DIR "/../shared") / "data/humaneval/HumanEval.jsonl.gz";
  gzFile in = gzopen(file.c_str(), "rb");
  if (!in) GTEST_SKIP() << "no " << file;
  std::string text;
  char buffer[1 << 16];
  for (int n; (n = gzread(in, buffer, sizeof buffer)) > 0;) text.append(buffer, size_t(n));
  gzclose(in);
  std::vector<CodeTask> tasks;
  std::vector<std::string> solutions, names;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    const Json problem = parse_json(line, "HumanEval");
    tasks.push_back(parse_code_task(problem, "HumanEval"));
    solutions.push_back(problem.at("canonical_solution").get<std::string>());
    names.push_back(problem.at("task_id").get<std::string>());
  }
  ASSERT_EQ(tasks.size(), 164u);
  std::vector<CodeToGrade> right, empty;
  for (size_t i = 0; i < tasks.size(); ++i)
    right.push_back({solutions[i], &tasks[i]}), empty.push_back({"    pass\n", &tasks[i]});
  const int workers = 2 * int(std::max(1u, std::thread::hardware_concurrency()));
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<Grade> passed = grade_code_all(sandbox(), right, workers);
  const auto middle = std::chrono::steady_clock::now();
  for (size_t i = 0; i < tasks.size(); ++i) EXPECT_EQ(passed[i].strict, 1) << names[i] << ": " << passed[i].reason;
  const std::vector<Grade> failed = grade_code_all(sandbox(), empty, workers);
  for (size_t i = 0; i < tasks.size(); ++i) EXPECT_EQ(failed[i].lenient, 0) << names[i];
  const auto s = [](auto d) { return std::chrono::duration<double>(d).count(); };
  printf("164 solutions in %.1f s, 164 bodies of `pass` in %.1f s, %d workers\n", s(middle - begin),
         s(std::chrono::steady_clock::now() - middle), workers);
}

}  // namespace
}  // namespace minke
