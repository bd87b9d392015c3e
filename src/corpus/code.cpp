// Texts about the programs of code_programs.h: docstrings, doctests, assertions, printed results, questions.
#include <fmt/format.h>

#include "corpus/code_programs.h"
#include "corpus/genres.h"

namespace minke::corpus {
namespace {

// "    " before every line of a definition's docstring is the caller's; here the docstring goes after the last def
// line.
std::string with_docstring(const Program& p, bool doctest) {
  const size_t def = p.source.rfind("def " + p.name), line_end = p.source.find('\n', def);
  std::string doc = "\n    \"\"\"" + p.task;
  if (doctest) {
    doc += "\n";
    for (const auto& [call, result] : p.calls) doc += "\n    >>> " + call + "\n    " + result;
    doc += "\n    ";
  }
  return p.source.substr(0, line_end) + doc + "\"\"\"" + p.source.substr(line_end);
}

std::string asserts(const Program& p) {
  std::string text = "\n\n";
  for (const auto& [call, result] : p.calls) {
    const bool boolean = result == "True" || result == "False";
    if (boolean) text += fmt::format("\nassert {}{}", result == "True" ? "" : "not ", call);
    else text += fmt::format("\nassert {} == {}", call, result);
  }
  return text;
}

std::string prints(const Program& p) {
  std::string text = "\n\n";
  for (const auto& [call, result] : p.calls) {
    const bool text_result = result.front() == '\'';
    text += "\nprint(" + call + ")  # " + (text_result ? result.substr(1, result.size() - 2) : result);
  }
  return text;
}

}  // namespace

std::string code_text(Rng rng) {
  Program p(rng);
  write_program(p);
  switch (p.e.below(6)) {
    case 0: return with_docstring(p, true);
    case 1: return with_docstring(p, false) + asserts(p);
    case 2: return "# " + p.task + "\n" + p.source + asserts(p);
    case 3: return with_docstring(p, false) + prints(p);
    case 4: return p.source + prints(p);
    default:
      p.e.add("{Write a Python function|Question: Write the Python function|Task: Write the Python function} `" +
              p.name + "`. ");
      p.e.add_plain(p.task + "\n\n```python\n" + p.source + "\n```\n\n");
      p.e.add("{For example|Then}, `");
      p.e.add_plain(p.calls[0].first + "` gives `" + p.calls[0].second + "`.");
      return p.e.take();
  }
}

}  // namespace minke::corpus
