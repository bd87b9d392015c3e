// Which format a file has, by its first bytes and by its name. What tokenising a Parquet file or an archive makes looks
// like data, and is noise. Tested in tests/data/file_format_test.cpp.
#pragma once
#include <string>
#include <string_view>

#include "core/files.h"

namespace minke {

constexpr size_t kFormatBytes = 8000;  // as many of the first bytes are looked at; git looks at as many

bool is_gzip(std::string_view begin);
bool is_zstd(std::string_view begin);

// UserError with the way out if `begin`, the first (decompressed) bytes of the file, or its name are those of a format
// that is no text: archives, other compression, tables, pictures, weights; or if they are not UTF-8. A few damaged
// characters are let through.
void refuse_other_formats(std::string_view begin, const fs::path& path);

// The ending that tells the kind of text, in small letters: ".jsonl" of Notes.JSONL.gz.
std::string text_ending(const fs::path& path);

}  // namespace minke
