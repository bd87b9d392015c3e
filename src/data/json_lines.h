// JSON Lines: a JSON object on each line; blank lines count for nothing, whatever ends them. Recognised by name or by what
// is inside. Tested in tests/data/documents_test.cpp.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "data/byte_source.h"

namespace minke {

constexpr size_t kMaxDocumentBytes = size_t(1) << 28;

// Lines of a text file without their newline, at most max_bytes long: a longer one is a UserError.
class LineReader {
 public:
  LineReader(const fs::path& path, size_t max_bytes, uint64_t* consumed = nullptr)
      : path_(path), source_(open_bytes(path, consumed)), max_bytes_(max_bytes), buffer_(1 << 16) {}

  bool next(std::string& line);
  size_t number() const { return number_; }  // of the last line, from 1
  std::string where() const;                 // "notes.jsonl, line 3"

 private:
  fs::path path_;
  std::unique_ptr<ByteSource> source_;
  size_t max_bytes_;
  std::vector<char> buffer_;
  size_t at_ = 0, end_ = 0, number_ = 0;
};

bool is_blank(std::string_view line);

struct JsonLinesOptions {
  size_t max_line_bytes = kMaxDocumentBytes;
  uint64_t* consumed = nullptr;  // byte_source.h
};
// Each line that is not blank; `where` names file and line. UserError for one that is no JSON object.
void read_json_lines(const fs::path& path, const JsonLinesOptions& options,
                     const std::function<void(const Json& line, const std::string& where)>& each);

// The strings under these keys, joined by a newline. UserError if one is missing.
std::string text_of(const Json& line, const std::vector<std::string>& keys, std::string_view where);

bool is_json_lines_ending(std::string_view ending);  // .jsonl .ndjson .jsonlines
// True if the first `lines` lines that are not blank (all, where there are fewer; at least one) are whole JSON objects with
// these keys, each a string.
bool holds_json_lines(const fs::path& path, const std::vector<std::string>& keys, int lines = 1);
// True if it is a JSON list of objects and strings, and of nothing else; of a long list the first few are looked at.
bool holds_json_list(const fs::path& path);

}  // namespace minke
