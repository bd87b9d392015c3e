// Which files a data source names: a file, a folder with all below it, or a glob; what of them is left out, and how that
// is said. Tested in tests/data/source_files_test.cpp.
#pragma once
#include <string>
#include <vector>

#include "core/files.h"

namespace minke {

struct SourceFiles {
  std::vector<fs::path> documents;  // sorted by path
  std::vector<fs::path> others;     // of a folder: files that are no text by their names
  std::vector<fs::path> hidden;     // files and folders whose names begin with a dot: an editor's or a system's own
  std::vector<fs::path> doubles;    // of a folder or a glob: links to a file that it names already
};

// Of a folder, at any depth, what ends in .txt, .md, .jsonl, .ndjson or .jsonlines (in capitals too, and with .gz or
// .zst); .json files if they hold JSON Lines with the text keys. Of a glob (* ? [..]) what it matches, folders with what
// is in them. A file that is named by itself counts whatever its name. UserError for a source that names nothing.
// "builtin:…" names no file.
SourceFiles source_files(const std::string& source, const std::vector<std::string>& text_keys = {"text"});

// Lines for people: what is left out of each source, and what is read otherwise than its name says.
std::vector<std::string> notes_on_sources(const std::vector<std::string>& sources,
                                          const std::vector<std::string>& text_keys = {"text"});

}  // namespace minke
