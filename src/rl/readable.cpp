#include "rl/readable.h"

#include <fmt/format.h>

#include <vector>

#include "corpus/prompt.h"
#include "reward/grade.h"

namespace minke {
namespace {

bool is_numbers(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789 ") == text.npos && text.back() != ' ';
}

// Takes `mark` and the numbers behind it off the end of the line: " for 54" → "54"; "" if it is not there.
std::string_view take(std::string_view& line, std::string_view mark) {
  const size_t at = line.rfind(mark);
  if (at == line.npos || at == 0) return {};
  const std::string_view numbers = line.substr(at + mark.size());
  if (!is_numbers(numbers)) return {};
  line = line.substr(0, at);
  return numbers;
}

bool take_end(std::string_view& line, std::string_view mark) {
  if (!line.ends_with(mark) || line.size() == mark.size()) return false;
  line.remove_suffix(mark.size());
  return true;
}

// "33+20=53 for 53 ok" → "33+20=53 for 53: yes"
std::string in_words(std::string_view line) {
  if (line == "check") return "Check:";
  if (line.find('=') == line.npos) return std::string(line);
  const bool ok = take_end(line, " ok"), no = !ok && take_end(line, " no");
  const std::string_view target = take(line, " for "), wrong = take(line, " not "), left = take(line, " and ");
  std::string text(line);
  if (!left.empty()) text += fmt::format(", and {} {} left", left, left.find(' ') == left.npos ? "is" : "are");
  if (!wrong.empty()) text += fmt::format(", not {}", wrong);
  if (!target.empty() && (ok || no)) text += fmt::format(" for {}: {}", target, ok ? "yes" : "no");
  else if (!target.empty()) text += fmt::format(" for {}", target);
  else if (ok) text += ", right";
  else if (no) text += ", no";
  return text;
}

}  // namespace

std::string readable_thought(std::string_view thought) {
  std::string text, before;
  for (size_t begin = 0; begin <= thought.size();) {
    const size_t end = std::min(thought.find('\n', begin), thought.size());
    const std::string_view line = trimmed(thought.substr(begin, end - begin));
    begin = end + 1;
    if (line.empty()) continue;
    std::string step = in_words(line);
    if (step == before) continue;
    text += step + "\n";
    before = std::move(step);
  }
  return text;
}

std::string readable_response(const Task& task, std::string_view response, Thought thought) {
  const ResponseParts parts = parts_of(response, thought);
  const MarkedAnswer marked = marked_answer(parts.rest);
  const std::string summary = task.grader == GraderKind::code || task.grader == GraderKind::judge ||
                                      marked.mark == Mark::none || marked.mark == Mark::hedge
                                  ? std::string(trimmed(parts.rest))
                                  : told_answer(task.question, trimmed(marked.text));
  if (!parts.has_thought) return summary;
  return fmt::format("<think>\n{}</think>\n\n{}", readable_thought(parts.thought), summary);
}

}  // namespace minke
