#include "data/documents.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "corpus/corpus.h"
#include "data/byte_source.h"
#include "data/file_format.h"
#include "data/hash.h"

namespace minke {
namespace {

constexpr std::string_view kBuiltin = "builtin:";

void read_jsonl(const fs::path& path, const DocumentOptions& options, const DocumentSink& sink) {
  const JsonLinesOptions reading{.max_line_bytes = options.max_document_bytes, .consumed = options.consumed};
  read_json_lines(path, reading, [&](const Json& line, const std::string& where) {
    const std::string text = text_of(line, options.text_keys, where);
    if (!text.empty()) sink(text);
  });
}

void read_paragraphs(const fs::path& path, const DocumentOptions& options, const DocumentSink& sink) {
  LineReader lines(path, options.max_document_bytes, options.consumed);
  std::string line, text;
  const auto end_document = [&] {
    if (text.ends_with('\r')) text.pop_back();  // of the line's end, as the newline was
    if (!text.empty()) sink(text);
    text.clear();
  };
  while (lines.next(line)) {
    if (!is_blank(line)) {
      if (!text.empty()) text += '\n';
      text += line;
      if (text.size() > options.max_document_bytes)
        user_error("{}: a document of more than {} bytes without a blank line", lines.where(),
                   options.max_document_bytes);
    } else {
      end_document();
    }
  }
  end_document();
}

// In parts that end with a line, where there is one.
void read_parts(const fs::path& path, const DocumentOptions& options, const DocumentSink& sink) {
  constexpr size_t kPart = 1 << 20, kLargest = 1 << 26;
  const auto source = open_bytes(path, options.consumed);
  std::string text;
  std::vector<char> buffer(1 << 16);
  size_t end = 0;  // of the last whole line in `text`
  while (const size_t n = source->read(buffer.data(), buffer.size())) {
    const size_t newline = std::string_view(buffer.data(), n).rfind('\n');
    if (newline != std::string_view::npos) end = text.size() + newline + 1;
    text.append(buffer.data(), n);
    if (text.size() < kPart || (end == 0 && text.size() < kLargest)) continue;
    if (end == 0)  // one endless line: at the start of a UTF-8 character
      for (end = text.size() - 1; end + 4 > text.size() && (uint8_t(text[end]) & 0xC0) == 0x80;) --end;
    sink(std::string_view(text).substr(0, end));
    text.erase(0, end);
    end = 0;
  }
  if (!text.empty()) sink(text);
}

void read_whole(const fs::path& path, const DocumentOptions& options, const DocumentSink& sink) {
  const auto source = open_bytes(path, options.consumed);
  std::string text;
  std::vector<char> buffer(1 << 16);
  while (const size_t n = source->read(buffer.data(), buffer.size())) {
    if (text.size() + n > options.max_document_bytes)
      user_error("{}: one document of more than {} bytes. Split it (in a recipe data.documents = \"blank-lines\" does)",
                 path.string(), options.max_document_bytes);
    text.append(buffer.data(), n);
  }
  if (!text.empty()) sink(text);
}

void read_builtin(std::string_view kinds, const DocumentOptions& options, const DocumentSink& sink) {
  const CorpusMix mix = corpus_mix(kinds, "");
  if (options.builtin_bytes == 0) return;
  uint64_t bytes = 0;
  corpus_stream(options.builtin_seed, mix, [&](const Document& document) {
    const uint64_t before = std::min(bytes, options.builtin_bytes);
    bytes += document.text.size();
    if (options.consumed) *options.consumed += std::min(bytes, options.builtin_bytes) - before;
    sink(document.text);
    return bytes < options.builtin_bytes;
  });
}

// By its name, or by what is inside.
bool is_json_lines(const fs::path& path, const std::vector<std::string>& text_keys) {
  const std::string ending = text_ending(path);
  if (is_json_lines_ending(ending) || holds_json_lines(path, text_keys)) return true;
  // With other keys: reading it says which there are. A text may begin with an object, but not with many.
  constexpr int kManyLines = 8;
  if (holds_json_lines(path, {}, ending == ".json" ? 1 : kManyLines)) return true;
  if (ending != ".json" && !holds_json_list(path)) return false;
  user_error(
      "{} is JSON, but not JSON Lines, which is one object with \"{}\" on each line. Make lines of a list with "
      "jq -c '.[]' (if it is one of strings, '.[] | {{\"{}\": .}}'), and name the result .jsonl",
      path.string(), fmt::join(text_keys, "\" and \""), text_keys.front());
}

}  // namespace

std::vector<fs::path> document_files(const std::string& source, const DocumentOptions& options) {
  return source_files(source, options.text_keys).documents;
}

void read_documents(const std::vector<std::string>& sources, const DocumentOptions& options, const DocumentSink& sink) {
  check(!options.text_keys.empty(), "read_documents: text keys");
  for (const std::string& source : sources) {
    if (source.starts_with(kBuiltin)) read_builtin(std::string_view(source).substr(kBuiltin.size()), options, sink);
    for (const fs::path& path : document_files(source, options)) {
      if (is_json_lines(path, options.text_keys)) read_jsonl(path, options, sink);
      else if (options.in_parts) read_parts(path, options, sink);
      else if (options.split_blank_lines) read_paragraphs(path, options, sink);
      else read_whole(path, options, sink);
    }
  }
}

uint64_t input_bytes(const std::vector<std::string>& sources, const DocumentOptions& options) {
  uint64_t bytes = 0;
  std::error_code error;
  for (const std::string& source : sources) {
    if (source.starts_with(kBuiltin)) bytes += options.builtin_bytes;
    for (const fs::path& path : document_files(source, options))
      if (const auto size = fs::file_size(path, error); !error) bytes += size;
  }
  return bytes;
}

void check_held_out(const HeldOutOptions& options) {
  for (double fraction : {options.hash_fraction, options.tail_fraction})
    if (!(fraction >= 0 && fraction < 1)) user_error("held-out fraction {} must be at least 0 and below 1", fraction);
  if (options.hash_fraction > 0 && options.tail_fraction > 0)
    user_error("held out by hash ({}) and by tail ({}) at once: choose one", options.hash_fraction,
               options.tail_fraction);
}

DocumentSplit split_document(std::string_view text, const HeldOutOptions& options) {
  if (options.tail_fraction > 0) {
    size_t cut = std::min(text.size(), size_t(double(text.size()) * (1 - options.tail_fraction)));
    while (cut < text.size() && (uint8_t(text[cut]) & 0xC0) == 0x80) ++cut;
    return {text.substr(0, cut), text.substr(cut)};
  }
  const bool held_out = double(hash64(text) >> 11) * 0x1p-53 < options.hash_fraction;
  return held_out ? DocumentSplit{{}, text} : DocumentSplit{text, {}};
}

}  // namespace minke
