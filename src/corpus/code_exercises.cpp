// Code exercises: a Python function over a list of whole numbers that is put together from stages (choose, change, sum
// up), with a reference solution and its tests. The results are computed here beside the program; the tests run python3
// to see that both agree. The stages in the order of the text are the canonical form.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "core/error.h"
#include "corpus/code_programs.h"
#include "corpus/genres.h"

namespace minke::corpus {
namespace {

// Of one number, as words and as Python over `v`.
struct Condition {
  std::string words, python, form;
  char kind;
  int64_t k;
  bool holds(int64_t v) const {
    switch (kind) {
      case '>': return v > k;
      case '<': return v < k;
      case '%': return v % k == 0;
      case 'o': return v % 2 != 0;
      default: return v % 2 == 0;
    }
  }
};
struct Change {
  std::string words, python, form;
  char kind;
  int64_t k;
  int64_t of(int64_t v) const {
    switch (kind) {
      case '*': return v * k;
      case '+': return v + k;
      case '-': return v - k;
      case '2': return v * v;
      default: return -v;
    }
  }
};

Condition condition(Expander& e) {
  const int64_t k = e.between(2, 20), d = e.between(3, 9);
  switch (e.below(5)) {
    case 0: return {fmt::format("greater than {}", k), fmt::format("v > {}", k), fmt::format(">{}", k), '>', k};
    case 1: return {fmt::format("less than {}", k), fmt::format("v < {}", k), fmt::format("<{}", k), '<', k};
    case 2: return {fmt::format("divisible by {}", d), fmt::format("v % {} == 0", d), fmt::format("%{}", d), '%', d};
    case 3: return {"odd", "v % 2 == 1", "odd", 'o', 0};
    default: return {"even", "v % 2 == 0", "even", 'e', 0};
  }
}

Change change(Expander& e) {
  const int64_t k = e.between(2, 12);
  switch (e.below(5)) {
    case 0: return {fmt::format("multiplied by {}", k), fmt::format("v * {}", k), fmt::format("*{}", k), '*', k};
    case 1: return {fmt::format("increased by {}", k), fmt::format("v + {}", k), fmt::format("+{}", k), '+', k};
    case 2: return {fmt::format("decreased by {}", k), fmt::format("v - {}", k), fmt::format("-{}", k), '-', k};
    case 3: return {"squared", "v * v", "squared", '2', 0};
    default: return {"negated", "-v", "negated", 'n', 0};
  }
}

enum class Result { sum, count, largest, smallest, list };

std::string result_of(Result kind, const List& values) {
  switch (kind) {
    case Result::sum: return repr(std::accumulate(values.begin(), values.end(), int64_t(0)));
    case Result::count: return repr(int64_t(values.size()));
    case Result::largest: return repr(values.empty() ? int64_t(0) : *std::max_element(values.begin(), values.end()));
    case Result::smallest: return repr(values.empty() ? int64_t(0) : *std::min_element(values.begin(), values.end()));
    case Result::list: return repr(values);
  }
  return {};
}

struct ResultWords {
  Result kind;
  const char *words, *python, *form;
};
constexpr ResultWords kResults[] = {
    {Result::sum, "the sum of", "sum(out)", "sum"},
    {Result::largest, "the largest of (0 if there is none)", "max(out, default=0)", "largest"},
    {Result::smallest, "the smallest of (0 if there is none)", "min(out, default=0)", "smallest"},
    {Result::count, "the count of", "len(out)", "count"},
    {Result::list, "the list of", "out", "list"},
};

// "\n" and quotes for the inside of a JSON string.
std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

// Level 1: choose, and sum up. 2: choose, change, sum up. 3: choose, change one way or the other, sum up. 4: choose,
// change one way or the other, choose again, sum up. Empty where the tests would not tell much: too many results are the
// same, perhaps because nothing can pass both choices.
Task exercise(Expander& e, int level) {
  constexpr std::string_view kNames[] = {"solve", "process", "evaluate", "result_of", "work_out"};
  const std::string name(e.pick(kNames));
  const Condition first = condition(e);
  const bool changes = level >= 2, either = level >= 3, again = level >= 4;
  // Level 1 without the list: code_programs.cpp has that. A count right after a change would not depend on it.
  size_t wanted = e.below(level == 4 ? 5 : 4);
  if (changes && !again && wanted == 3) wanted = 4;
  const ResultWords& result = kResults[wanted];
  Condition test = condition(e), last = condition(e);
  Change one = change(e), other = change(e);
  while (test.form == first.form) test = condition(e);
  while (other.form == one.form) other = change(e);
  std::string question = fmt::format(
      "Write a Python function {}(numbers) for a list of whole numbers. Take those that "
      "are {}.",
      name, first.words);
  std::string form = fmt::format("code {}", first.form);
  std::string body = fmt::format("        if not ({}):\n            continue\n", first.python);
  if (either) {
    question += fmt::format(" Each that is {} is {}, every other one is {}.", test.words, one.words, other.words);
    form += fmt::format(" if {} {} else {}", test.form, one.form, other.form);
    body += fmt::format("        v = {} if {} else {}\n", one.python, test.python, other.python);
  } else if (changes) {
    question += fmt::format(" Each is {}.", one.words);
    form += " " + one.form;
    body += fmt::format("        v = {}\n", one.python);
  }
  if (again) {
    question += fmt::format(" Of what comes out, take those that are {}.", last.words);
    form += " then " + last.form;
    body += fmt::format("        if not ({}):\n            continue\n", last.python);
  }
  std::string_view words = result.words;
  const size_t of = words.find(" of");
  question += fmt::format(" Return {} the resulting numbers{}.", words.substr(0, of + 3), words.substr(of + 3));
  form += fmt::format(" {}", result.form);

  Task task;
  task.family = fmt::format("stages_{}", level);
  task.grader = GraderKind::code;
  task.question = std::move(question);
  task.canonical = std::move(form);
  task.solution = fmt::format(
      "def {}(numbers):\n    out = []\n    for v in numbers:\n{}        out.append(v)\n    "
      "return {}",
      name, body, result.python);
  std::set<std::string> results;
  std::string tests = "def check(candidate):\n";
  for (int i = 0; i < 8; ++i) {
    List list(i == 0 ? 0 : size_t(e.between(3, 9)));
    for (int64_t& v : list) v = e.between(-9, 40);
    List out;
    for (int64_t v : list) {
      if (!first.holds(v)) continue;
      if (either) v = test.holds(v) ? one.of(v) : other.of(v);
      else if (changes) v = one.of(v);
      if (again && !last.holds(v)) continue;
      out.push_back(v);
    }
    const std::string expected = result_of(result.kind, out);
    results.insert(expected);
    tests += fmt::format("    assert candidate({}) == {}\n", repr(list), expected);
  }
  if (results.size() < 4) return {};
  task.answer = fmt::format("{{\"language\": \"python\", \"entry_point\": {}, \"test\": {}}}", json_string(name),
                            json_string(tests));
  return task;
}

}  // namespace

Task code_task(Rng rng, int level) {
  Expander e(rng);
  for (;;)
    if (Task task = exercise(e, level); !task.question.empty()) return task;
}

}  // namespace minke::corpus
