#include "data/file_format.h"

#include <algorithm>

#include "core/error.h"
#include "data/json_lines.h"
#include "tokenize/unicode.h"

namespace minke {
namespace {

constexpr const char* kUnpack = "unpack it first";
constexpr const char* kUnpackFolder = "unpack it into a folder and name the folder";
constexpr const char* kMakeText = "make .txt or .jsonl of it (they may be .gz or .zst)";
constexpr const char* kMakeLines = "make a line {\"text\": \"…\"} of each row in a file that ends in .jsonl";

using namespace std::string_view_literals;
constexpr struct {
  size_t at;
  std::string_view bytes, name;
  const char* way_out;
} kFormats[] = {
    {0, "\xFD\x37zXZ"sv, "xz", kUnpack},
    {4, "1AY&SY"sv, "bzip2", kUnpack},
    {0, "\x04\x22\x4D\x18"sv, "lz4", kUnpack},
    {0, "LZIP\x01"sv, "lzip", kUnpack},
    {0, "\x1F\x9D"sv, "compress (.Z)", kUnpack},
    {0, "\x1F\x8B"sv, "gzip within its compression", kUnpack},
    {0, "\x28\xB5\x2F\xFD"sv, "zstd within its compression", kUnpack},
    {0, "PK\x03\x04"sv, "zip (or .docx, .xlsx, .npz)", kUnpack},
    {0, "PK\x05\x06"sv, "zip (an empty one)", kUnpack},
    {0, "7z\xBC\xAF"sv, "7z", kUnpack},
    {0, "Rar!\x1A"sv, "RAR", kUnpack},
    {257, "ustar"sv, "tar", kUnpackFolder},
    {0, "PAR1"sv, "Parquet", kMakeLines},
    {0, "ARROW1"sv, "Arrow", kMakeLines},
    {0, "\xFF\xFF\xFF\xFF"sv, "Arrow", kMakeLines},
    {0, "Obj\x01"sv, "Avro", kMakeLines},
    {0, "SQLite format 3\0"sv, "SQLite", kMakeLines},
    {0, "\x89HDF"sv, "HDF5", kMakeLines},
    {0, "\x93NUMPY"sv, "NumPy", kMakeText},
    {0, "%PDF-"sv, "PDF", kMakeText},
    {0, "\xD0\xCF\x11\xE0"sv, "an old office program", kMakeText},
    {0, "{\\rtf"sv, "RTF", kMakeText},
    {0, "\x89PNG"sv, "PNG", kMakeText},
    {0, "\xFF\xD8\xFF"sv, "JPEG", kMakeText},
    {0, "GIF87a"sv, "GIF", kMakeText},
    {0, "GIF89a"sv, "GIF", kMakeText},
    {0,
     "\x7F"
     "ELF"sv,
     "a program (ELF)", kMakeText},
    {0, "GGUF\x02\0"sv, "weights (GGUF)", kMakeText},
    {0, "GGUF\x03\0"sv, "weights (GGUF)", kMakeText},
    {0, "\0\x05\x16\x07"sv, "macOS's hidden notes about another file (AppleDouble)", "leave it out"},
    // Last: the marks are short. The one of UTF-32 begins with that of UTF-16.
    {0, "\0\0\xFE\xFF"sv, "UTF-32", "make UTF-8 of it: iconv -f UTF-32 -t UTF-8"},
    {0, "\xFF\xFE\0\0"sv, "UTF-32", "make UTF-8 of it: iconv -f UTF-32 -t UTF-8"},
    {0, "\xFF\xFE"sv, "UTF-16", "make UTF-8 of it: iconv -f UTF-16 -t UTF-8"},
    {0, "\xFE\xFF"sv, "UTF-16", "make UTF-8 of it: iconv -f UTF-16 -t UTF-8"},
};

// Known by their names only: tables are text by their bytes, and the others have no mark of their own.
constexpr struct {
  std::string_view ending;
  const char *name, *way_out;
} kNames[] = {
    {".csv", "a table", kMakeLines},         {".tsv", "a table", kMakeLines},
    {".psv", "a table", kMakeLines},         {".arff", "a table", kMakeLines},
    {".orc", "a table", kMakeLines},         {".tar", "an archive", kUnpackFolder},
    {".tgz", "an archive", kUnpackFolder},   {".cpio", "an archive", kUnpackFolder},
    {".lzma", "a compressed file", kUnpack}, {".br", "a compressed file", kUnpack},
};

// As git and grep do, by a NUL; and text in another encoding by this: in UTF-8, bytes beyond ASCII form characters.
// Damaged text has bytes that do not, too, but fewer than characters that do, or very few.
void refuse_other_encodings(std::string_view begin, const fs::path& path) {
  if (const size_t nul = begin.find('\0'); nul != begin.npos)
    user_error(
        "{} is not text: byte {} is a NUL. If it is UTF-16 or UTF-32, convert it: iconv -f UTF-16LE -t UTF-8; if it is "
        "text with stray NULs, remove them: tr -d '\\0'",
        path.string(), nul);
  const size_t end = begin.size() < kFormatBytes ? begin.size() : begin.size() - 3;  // the last character may be cut
  size_t valid = 0, invalid = 0;
  for (size_t at = 0; at < end;) {
    const unicode::CodePoint c = unicode::decode_at(begin, at);
    if (!c.valid) ++invalid;
    else if (c.length > 1) ++valid;
    at += c.length;
  }
  if (invalid > valid && invalid * 500 > end)
    user_error(
        "{} is not text in UTF-8: {} of its first {} bytes are part of no character. If it has another encoding, "
        "convert it: iconv -f LATIN1 -t UTF-8; if it is damaged, remove these bytes: iconv -c -f UTF-8 -t UTF-8",
        path.string(), invalid, end);
}

std::string small_letters(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return text;
}

}  // namespace

bool is_gzip(std::string_view begin) { return begin.starts_with("\x1F\x8B"); }
bool is_zstd(std::string_view begin) {
  // Also the first of a seekable or split archive: a frame to be skipped.
  return begin.starts_with("\x28\xB5\x2F\xFD") ||
         (begin.size() >= 4 && (begin[0] & 0xF0) == 0x50 && begin.substr(1, 3) == "\x2A\x4D\x18");
}

void refuse_other_formats(std::string_view begin, const fs::path& path) {
  for (const auto& f : kFormats)
    if (begin.size() >= f.at && begin.substr(f.at).starts_with(f.bytes))
      user_error("{} is a file of {}, not text: {}", path.string(), f.name, f.way_out);
  const std::string ending = text_ending(path);
  for (const auto& n : kNames)
    if (ending == n.ending) user_error("{} is {} ({}), not text: {}", path.string(), n.name, ending, n.way_out);
  if (!is_json_lines_ending(ending)) refuse_other_encodings(begin, path);  // there, reading it names the line
}

std::string text_ending(const fs::path& path) {
  const fs::path name = small_letters(path.filename().string());
  const fs::path ending = name.extension();
  return (ending == ".gz" || ending == ".zst" ? name.stem().extension() : ending).string();
}

}  // namespace minke
