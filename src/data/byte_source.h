// Bytes of a text file, decompressed if they are gzip or zstd, in pieces of bounded size, without the byte order mark
// that some editors put in front. Files of other formats are refused by name. Tested in tests/data/documents_test.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/files.h"

namespace minke {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Up to `size` bytes; 0 only at the end. UserError for a file that cannot be read, is damaged or cut off.
  virtual size_t read(char* data, size_t size) = 0;
};

// `consumed`, if given, grows by the bytes of the file itself (compressed ones of .gz, .zst) as they are read.
std::unique_ptr<ByteSource> open_bytes(const fs::path& path, uint64_t* consumed = nullptr);

}  // namespace minke
