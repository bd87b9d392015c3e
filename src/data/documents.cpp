#include "data/documents.h"

#include <glob.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/json.h"
#include "corpus/corpus.h"
#include "data/byte_source.h"
#include "data/hash.h"

namespace minke {
namespace {

constexpr std::string_view kBuiltin = "builtin:";

// "notes.jsonl.gz" → "notes.jsonl"
fs::path without_compression(const fs::path& path) {
  const fs::path extension = path.extension();
  return extension == ".gz" || extension == ".zst" ? fs::path(path).replace_extension() : path;
}

bool is_jsonl(const fs::path& path) { return without_compression(path).extension() == ".jsonl"; }

bool is_document_file(const fs::path& path) {
  const fs::path extension = without_compression(path).extension();
  return extension == ".txt" || extension == ".md" || extension == ".jsonl";
}

// Lines of a file without their newline, at most max_bytes long.
class LineReader {
 public:
  LineReader(const fs::path& path, const DocumentOptions& options)
      : path_(path),
        source_(open_bytes(path, options.consumed)),
        max_bytes_(options.max_document_bytes),
        buffer_(1 << 16) {}

  bool next(std::string& line) {
    line.clear();
    ++number_;
    for (;;) {
      if (at_ == end_) {
        at_ = 0;
        end_ = source_->read(buffer_.data(), buffer_.size());
        if (end_ == 0) return !line.empty();
      }
      const char* begin = buffer_.data() + at_;
      const char* newline = static_cast<const char*>(std::memchr(begin, '\n', end_ - at_));
      const size_t n = newline ? size_t(newline - begin) : end_ - at_;
      if (line.size() + n > max_bytes_)
        user_error("{}, line {}: longer than {} bytes. Split it", path_.string(), number_, max_bytes_);
      line.append(begin, n);
      at_ += n + (newline ? 1 : 0);
      if (newline) return true;
    }
  }
  size_t number() const { return number_; }

 private:
  fs::path path_;
  std::unique_ptr<ByteSource> source_;
  size_t max_bytes_;
  std::vector<char> buffer_;
  size_t at_ = 0, end_ = 0, number_ = 0;
};

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r\v\f") == std::string_view::npos; }

void read_jsonl(const fs::path& path, const DocumentOptions& options, const DocumentSink& sink) {
  LineReader lines(path, options);
  std::string line, text;
  while (lines.next(line)) {
    if (is_blank(line)) continue;
    const std::string where = fmt::format("{}, line {}", path.string(), lines.number());
    const Json value = parse_json(line, where);
    if (!value.is_object()) user_error("{}: a JSON object is needed here, this is {}", where, value.type_name());
    text.clear();
    for (const std::string& key : options.text_keys) {
      const auto found = value.find(key);
      if (found == value.end()) {
        std::string keys;
        for (const auto& item : value.items())
          if (keys.size() < 200) keys += (keys.empty() ? "" : ", ") + printable(item.key());
        user_error(
            "{}: no key \"{}\"; the keys are: {}. Name the right ones with --text-key (in a recipe: data.text_keys)",
            where, key, keys);
      }
      if (!found->is_string()) user_error("{}: \"{}\" must be a string, it is {}", where, key, found->type_name());
      if (&key != &options.text_keys.front()) text += '\n';
      text += found->get_ref<const std::string&>();
    }
    if (!text.empty()) sink(text);
  }
}

void read_paragraphs(const fs::path& path, const DocumentOptions& options, const DocumentSink& sink) {
  LineReader lines(path, options);
  std::string line, text;
  while (lines.next(line)) {
    if (!is_blank(line)) {
      if (!text.empty()) text += '\n';
      text += line;
      if (text.size() > options.max_document_bytes)
        user_error("{}, line {}: a document of more than {} bytes without a blank line", path.string(), lines.number(),
                   options.max_document_bytes);
    } else if (!text.empty()) {
      sink(text);
      text.clear();
    }
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

// All regular files at any depth, sorted.
std::vector<fs::path> files_below(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> files;
  for (auto it = fs::recursive_directory_iterator(folder, error); !error && it != fs::recursive_directory_iterator();
       it.increment(error))
    if (it->is_regular_file(error)) files.push_back(it->path());
  if (error) user_error("cannot list {}: {}", folder.string(), error.message());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::vector<fs::path> files_left_out(const std::string& source) {
  std::error_code error;
  std::vector<fs::path> files;
  if (fs::is_directory(source, error)) files = files_below(source);
  std::erase_if(files, is_document_file);
  return files;
}

std::vector<fs::path> document_files(const std::string& source) {
  if (source.starts_with(kBuiltin)) return {};
  std::error_code error;
  std::vector<fs::path> files;
  if (fs::is_directory(source, error)) {
    files = files_below(source);
    std::erase_if(files, [](const fs::path& f) { return !is_document_file(f); });
    if (files.empty())
      user_error("{} has no file that ends in .txt, .md or .jsonl (or these with .gz or .zst)", source);
  } else if (fs::exists(source, error) || source.find_first_of("*?[") == std::string::npos) {
    if (!fs::exists(source, error)) user_error("{} does not exist", source.empty() ? "the data source \"\"" : source);
    files.push_back(source);
  } else {
    glob_t matches{};
    if (::glob(source.c_str(), GLOB_NOSORT, nullptr, &matches) == 0)
      for (size_t i = 0; i < matches.gl_pathc; ++i)
        if (fs::is_regular_file(matches.gl_pathv[i], error)) files.emplace_back(matches.gl_pathv[i]);
    ::globfree(&matches);
    if (files.empty()) user_error("no file matches {}", source);
  }
  std::sort(files.begin(), files.end());
  return files;
}

void read_documents(const std::vector<std::string>& sources, const DocumentOptions& options, const DocumentSink& sink) {
  if (options.text_keys.empty()) user_error("text keys: at least one key is needed");
  for (const std::string& source : sources) {
    if (source.starts_with(kBuiltin)) read_builtin(std::string_view(source).substr(kBuiltin.size()), options, sink);
    for (const fs::path& path : document_files(source)) {
      if (is_jsonl(path)) read_jsonl(path, options, sink);
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
    for (const fs::path& path : document_files(source))
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
