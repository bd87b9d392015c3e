// Writes a GGUF file (version 3, little-endian, one part): atomic, and streamed, so that no more than one part of a tensor is
// in memory. What is written reads back the same (gguf.h). Test: tests/formats/gguf_writer_test.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/files.h"
#include "formats/gguf.h"

namespace minke {

// Keys in the order they are added; each at most once. The types are those in which the usual programs look for them.
class GgufMetadataToWrite {
 public:
  void add_u16(std::string_view key, uint16_t value) { add(key, GgufType::u16, &value, sizeof value); }
  void add_u32(std::string_view key, uint32_t value) { add(key, GgufType::u32, &value, sizeof value); }
  void add_i32(std::string_view key, int32_t value) { add(key, GgufType::i32, &value, sizeof value); }
  void add_f32(std::string_view key, float value) { add(key, GgufType::f32, &value, sizeof value); }
  void add_flag(std::string_view key, bool value) { add(key, GgufType::boolean, &value, sizeof value); }
  void add_text(std::string_view key, std::string_view value);
  void add_i32s(std::string_view key, std::span<const int32_t> values);
  void add_f32s(std::string_view key, std::span<const float> values);
  void add_texts(std::string_view key, std::span<const std::string_view> values);
  void copy(std::string_view key, const GgufValue& value);  // as it stands in another file

  size_t count() const { return keys_.size(); }
  const std::string& bytes() const { return bytes_; }

 private:
  void begin(std::string_view key, GgufType type, bool is_list = false, uint64_t count = 1);
  void add(std::string_view key, GgufType type, const void* value, size_t bytes);

  std::string bytes_;
  std::set<std::string, std::less<>> keys_;
};

struct GgufTensorToWrite {
  std::string name;  // at most 63 bytes, or other programs cannot read it
  BlockFormat format = BlockFormat::f32;
  std::vector<int64_t> shape;  // rows before columns; the last is a multiple of the format's block
  std::span<const std::byte> data = {};
  // Instead of data: called until all bytes are there, each time for the next of them, which must stay valid until the
  // next call.
  std::function<std::span<const std::byte>()> produce = {};
};
size_t byte_size(const GgufTensorToWrite& tensor);

void write_gguf(const fs::path& path, const GgufMetadataToWrite& metadata, std::span<const GgufTensorToWrite> tensors);

}  // namespace minke
