// Bytes of a file, decompressed by its ending (.gz, .zst), in pieces of bounded size. Tested in
// tests/data/documents_test.cpp.
#pragma once
#include <cstddef>
#include <memory>

#include "core/files.h"

namespace minke {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Up to `size` bytes; 0 only at the end. UserError for a file that cannot be read, is damaged or cut off.
  virtual size_t read(char* data, size_t size) = 0;
};

std::unique_ptr<ByteSource> open_bytes(const fs::path& path);

}  // namespace minke
