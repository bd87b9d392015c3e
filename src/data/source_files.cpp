#include "data/source_files.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "data/file_format.h"
#include "data/json_lines.h"

namespace minke {
namespace {

bool is_document_file(const fs::path& path, const std::vector<std::string>& text_keys) {
  const std::string ending = text_ending(path);
  if (ending == ".json") return holds_json_lines(path, text_keys);
  return ending == ".txt" || ending == ".md" || is_json_lines_ending(ending);
}

bool is_hidden(const fs::path& path) { return path.filename().native().starts_with('.'); }

struct Finder {
  const std::vector<std::string>& text_keys;
  SourceFiles found;
  std::set<fs::path> seen;  // by their real names: a link may lead back, or to a file that is read already

  bool is_new(const fs::path& path) {
    std::error_code error;
    return seen.insert(fs::canonical(path, error)).second;
  }

  void walk(const fs::path& folder) {
    std::error_code error;
    if (!is_new(folder)) return;
    std::vector<fs::path> entries;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
      entries.push_back(it->path());
    if (error) user_error("cannot list {}: {}", folder.string(), error.message());
    std::sort(entries.begin(), entries.end());
    for (const fs::path& path : entries) {
      if (is_hidden(path)) found.hidden.push_back(path);
      else if (fs::is_directory(path, error)) walk(path);
      else if (!fs::is_regular_file(path, error) || !is_document_file(path, text_keys)) found.others.push_back(path);
      else (is_new(path) ? found.documents : found.doubles).push_back(path);
    }
  }

  static std::vector<fs::path> matches(const std::string& pattern, int flags) {
    glob_t result{};
    std::vector<fs::path> paths;
    if (::glob(pattern.c_str(), GLOB_NOSORT | flags, nullptr, &result) == 0)
      paths.assign(result.gl_pathv, result.gl_pathv + result.gl_pathc);
    ::globfree(&result);
    return paths;
  }

  void expand(const std::string& pattern) {
    if (pattern.find("**") != pattern.npos)
      user_error("{}: ** is not understood; name the folder itself, and all files below it are read", pattern);
    std::vector<fs::path> visible = matches(pattern, 0);
    std::sort(visible.begin(), visible.end());
    std::error_code error;
    for (const fs::path& path : visible) {
      if (fs::is_directory(path, error)) walk(path);
      else if (fs::is_regular_file(path, error)) (is_new(path) ? found.documents : found.doubles).push_back(path);
    }
    for (const fs::path& path : matches(pattern, GLOB_PERIOD))
      if (is_hidden(path) && path.filename() != "." && path.filename() != ".." &&
          !std::binary_search(visible.begin(), visible.end(), path))
        found.hidden.push_back(path);
  }
};

// "3 files of data are left out, for example data/a.png (WHY)"
void add_note(const std::vector<fs::path>& files, const char* kind, const std::string& source, std::string_view what,
              std::string_view why, std::vector<std::string>& notes) {
  const bool one = files.size() == 1;
  if (!files.empty())
    notes.push_back(fmt::format("{} {}file{} of {} {} {}{} {}{}", files.size(), kind, one ? "" : "s", source,
                                one ? "is" : "are", what, one ? ":" : ", for example", files[0].string(), why));
}

}  // namespace

SourceFiles source_files(const std::string& source, const std::vector<std::string>& text_keys) {
  if (source.starts_with("builtin:")) return {};
  std::error_code error;
  Finder finder{text_keys, {}, {}};
  const bool is_pattern = source.find_first_of("*?[") != source.npos;
  if (fs::is_directory(source, error)) finder.walk(source);
  else if (fs::exists(source, error)) finder.found.documents.push_back(source);
  else if (is_pattern) finder.expand(source);
  else user_error("{} {}", source.empty() ? "the data source \"\"" : source, why_missing(source));
  SourceFiles& found = finder.found;
  for (auto* files : {&found.documents, &found.others, &found.hidden, &found.doubles})
    std::sort(files->begin(), files->end());
  if (!found.documents.empty()) return std::move(found);
  const std::string hidden = found.hidden.empty() ? "" : fmt::format("; {} hidden are left out", found.hidden.size());
  if (is_pattern) user_error("no file matches {}{}", source, hidden);
  user_error(
      "{} has no file that ends in .txt, .md, .jsonl, .ndjson or .jsonlines, or in .json and holds lines with \"{}\" "
      "(any of these with .gz or .zst){}",
      source, fmt::join(text_keys, "\" and \""), hidden);
}

std::vector<std::string> notes_on_sources(const std::vector<std::string>& sources,
                                          const std::vector<std::string>& text_keys) {
  std::vector<std::string> notes;
  for (const std::string& source : sources) {
    const SourceFiles files = source_files(source, text_keys);
    add_note(files.others, "", source, "left out",
             " (its name does not end in .txt, .md, .jsonl …, or these with .gz or .zst)", notes);
    add_note(files.hidden, "hidden ", source, "left out", "", notes);
    add_note(files.doubles, "", source, "left out", " (a link to a file that is read already)", notes);
    std::vector<fs::path> by_content;
    for (const fs::path& path : files.documents) {
      const std::string ending = text_ending(path);
      if (ending != ".json" && !is_json_lines_ending(ending) && holds_json_lines(path, text_keys))
        by_content.push_back(path);
    }
    add_note(by_content, "", source, "read as JSON Lines by the content, not by the name", "", notes);
  }
  return notes;
}

}  // namespace minke
