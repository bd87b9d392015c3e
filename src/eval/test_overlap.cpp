#include "eval/test_overlap.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <unordered_map>
#include <unordered_set>

#include "data/json_lines.h"
#include "data/source_files.h"
#include "data/task_files.h"

namespace minke {
namespace {

std::string normalised(std::string_view text) {
  std::string out;
  bool blank = false;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      blank = !out.empty();
      continue;
    }
    if (blank) out += ' ', blank = false;
    out += c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
  }
  return out;
}

// What a line of training asks; nothing of a line that is neither: who reads it says so.
std::vector<std::string> questions_of(const Json& line) {
  std::vector<std::string> all;
  for (const char* key : {"question", "prompt"})
    if (const auto q = line.find(key); q != line.end() && q->is_string()) all.push_back(q->get<std::string>());
  const auto messages = line.find("messages");
  if (messages == line.end() || !messages->is_array()) return all;
  for (const Json& m : *messages)
    if (m.is_object() && m.value("role", Json()) == "user" && m.contains("content") && m["content"].is_string())
      all.push_back(m["content"].get<std::string>());
  return all;
}

}  // namespace

std::optional<TestOverlap> test_overlap(const std::vector<std::string>& tests,
                                        const std::vector<std::string>& training) {
  std::unordered_map<std::string, std::string> tested;  // question → where
  for (const std::string& file : tests) {
    size_t number = 0;
    for (const Task& task : read_task_file(file))
      tested.emplace(normalised(task.question), fmt::format("{}, problem {}", file, ++number));
  }
  TestOverlap found;
  std::unordered_set<std::string> same;
  for (const std::string& source : training) {
    if (source.starts_with("builtin:")) continue;
    for (const fs::path& file : source_files(source, {"messages"}).documents)
      read_json_lines(file, {}, [&](const Json& line, const std::string& where) {
        for (const std::string& question : questions_of(line)) {
          const auto test = tested.find(normalised(question));
          if (test == tested.end() || !same.insert(test->first).second) continue;
          if (same.size() == 1) found.test = test->second, found.train = where;
        }
      });
  }
  found.questions = same.size();
  return same.empty() ? std::nullopt : std::optional(found);
}

}  // namespace minke
