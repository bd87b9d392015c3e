#include "reward/code_answer.h"

#include <algorithm>
#include <cctype>

#include "reward/response.h"

namespace minke {
namespace {

std::string lower(std::string_view text) {
  std::string l(text);
  for (char& c : l) c = char(std::tolower(uint8_t(c)));
  return l;
}

std::string_view next_line(std::string_view& rest) {
  const size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
  return line;
}

struct Fence {
  char mark = 0;
  size_t count = 0;
  std::string_view behind;
};
Fence fence_of(std::string_view line) {
  const size_t spaces = std::min(line.find_first_not_of(' '), line.size());
  if (spaces > 3 || spaces == line.size() || (line[spaces] != '`' && line[spaces] != '~')) return {};
  const char mark = line[spaces];
  const size_t end = std::min(line.find_first_not_of(mark, spaces), line.size());
  if (end - spaces < 3) return {};
  return {mark, end - spaces, line.substr(end)};
}

bool is_name(char c) { return std::isalnum(uint8_t(c)) || c == '_'; }

// Whether a line of the code begins with `def name` or `async def name`.
bool defines(std::string_view code, std::string_view name) {
  while (!code.empty()) {
    std::string_view line = next_line(code);
    if (line.starts_with("async ")) line.remove_prefix(6);
    if (!line.starts_with("def ")) continue;
    line = trimmed(line.substr(4));
    if (line.starts_with(name) && (line.size() == name.size() || !is_name(line[name.size()]))) return true;
  }
  return false;
}

// Up to the first line at the left margin, the body of the function that the prompt began.
std::string body_only(std::string_view completion) {
  std::string body;
  for (std::string_view rest = completion; !rest.empty();) {
    const std::string_view line = next_line(rest);
    if (!body.empty() && !line.empty() && !std::isspace(uint8_t(line[0]))) break;
    body.append(line) += '\n';
  }
  return body;
}

struct Marked {
  std::string_view text;
  bool by_tag = false;
  std::string why_not_once;
};
Marked marked_by_answer(std::string_view text) {
  constexpr std::string_view kOpen = "<answer>", kClose = "</answer>";
  const size_t open = text.rfind(kOpen);
  if (open == text.npos) return {text, false, ""};
  Marked m{text.substr(open + kOpen.size()), true, ""};
  const size_t close = m.text.find(kClose);
  if (text.find(kOpen) != open) m.why_not_once = "there are several answers";
  else if (close == text.npos) m.why_not_once = "the answer is not closed";
  m.text = m.text.substr(0, close);
  return m;
}

std::string joined(std::string_view prompt, std::string_view continuation) {
  std::string program(prompt);
  return program.append(continuation) += '\n';
}

}  // namespace

std::vector<FencedBlock> fenced_blocks(std::string_view text) {
  std::vector<FencedBlock> blocks;
  Fence open;
  while (!text.empty()) {
    const std::string_view line = next_line(text);
    const Fence fence = fence_of(line);
    if (open.mark == 0) {
      // A line such as ```x``` is no opening: its tag may hold no `.
      if (fence.mark == 0 || (fence.mark == '`' && fence.behind.find('`') != fence.behind.npos)) continue;
      open = fence;
      blocks.push_back({std::string(trimmed(fence.behind)), "", false});
    } else if (fence.mark == open.mark && fence.count >= open.count && trimmed(fence.behind).empty()) {
      blocks.back().closed = true;
      open = {};
    } else {
      blocks.back().text.append(line) += '\n';
    }
  }
  return blocks;
}

bool tag_names(std::string_view tag, CodeLanguage language) {
  const std::string word = lower(tag.substr(0, tag.find_first_of(" \t{,")));
  if (language == CodeLanguage::python) return word == "python" || word == "py" || word == "python3";
  return word == "cpp" || word == "c++" || word == "cc" || word == "cxx" || word == "c++20";
}

CodeCandidates code_in(std::string_view text, CodeLanguage language, std::string_view prompt,
                       std::string_view entry_point) {
  CodeCandidates found;
  const Marked marked = marked_by_answer(text);
  found.why_not_strict = marked.why_not_once;
  const std::vector<FencedBlock> blocks = fenced_blocks(marked.text);
  if (blocks.empty()) {
    if (trimmed(marked.text).empty()) return {{}, {}, "there is no answer"};
    if (prompt.empty()) {
      if (!marked.by_tag) found.why_not_strict = "there is no fenced block of code";
      found.lenient = trimmed(marked.text);
      if (found.why_not_strict.empty()) found.strict = found.lenient;
    } else {
      found.lenient = joined(prompt, body_only(marked.text));
      if (found.why_not_strict.empty()) found.strict = joined(prompt, marked.text);
    }
    return found;
  }
  const FencedBlock& last = blocks.back();
  if (trimmed(last.text).empty()) return {{}, {}, "the block of code is empty"};
  if (prompt.empty()) found.lenient = last.text;
  else if (language == CodeLanguage::python && defines(last.text, entry_point))
    found.lenient = joined(prompt, "\n    pass\n\n" + last.text);
  else found.lenient = joined(prompt, last.text);
  if (blocks.size() > 1) found.why_not_strict = "there are several blocks of code";
  else if (!last.closed) found.why_not_strict = "the block of code is not closed";
  else if (!tag_names(last.tag, language) && !(marked.by_tag && last.tag.empty()))
    found.why_not_strict = "the block of code does not name its language";
  if (found.why_not_strict.empty()) found.strict = found.lenient;
  return found;
}

}  // namespace minke
