// safetensors: 8 bytes of header length, a JSON header {name: {dtype, shape, data_offsets}}, then the data. The reader
// maps the file and checks every size before use. The writer is atomic and streams. Source:
// github.com/huggingface/safetensors, "Format". Test: tests/formats/safetensors_test.cpp,
// tests/fuzz/safetensors_fuzz.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/files.h"
#include "core/types.h"

namespace minke {

struct TensorInfo {
  std::string name;
  DType dtype = DType::f32;
  bool power_of_two = false;  // dtype u8 that holds exponents (F8_E8M0): value 2^(byte − 127)
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;         // borrowed from the map; any alignment
  std::shared_ptr<const std::string> file;  // path, for messages

  int64_t size() const {  // elements
    int64_t n = 1;
    for (int64_t s : shape) n *= s;
    return n;
  }
};
std::string shape_text(std::span<const int64_t> shape);  // "[3, 4]"

class SafetensorsFile {
 public:
  // Throws a UserError that names the file and, if one is at fault, the tensor.
  static SafetensorsFile open(const fs::path& path);
  // The same for bytes that the caller keeps alive; `where` stands for the path in messages.
  static SafetensorsFile parse(std::span<const std::byte> bytes, std::string_view where);

  std::span<const TensorInfo> tensors() const { return tensors_; }  // in the order of their data
  const TensorInfo* find(std::string_view name) const;              // nullptr if absent
  const TensorInfo& at(std::string_view name) const;                // UserError if absent
  const std::vector<std::pair<std::string, std::string>>& metadata() const { return metadata_; }
  const std::string& path() const { return *path_; }

 private:
  std::shared_ptr<const std::string> path_;
  MappedFile map_;
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string_view, size_t> index_;  // views of tensors_' names
  std::vector<std::pair<std::string, std::string>> metadata_;
};

struct TensorToWrite {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  const void* data = nullptr;  // row-major
  // Instead of data: called once, when this tensor is written; the result must stay valid until the next call.
  std::function<const void*()> produce = {};
  // Or: called until all bytes are there, each time for the next of them, which must stay valid until the next call.
  std::function<std::span<const std::byte>()> parts = {};
};
size_t byte_size(const TensorToWrite& tensor);

// Writes path atomically. Data starts at a multiple of 8 bytes and tensors are sorted by element size, largest first,
// then by name, so that every tensor is aligned to its element. metadata {"format": "pt"} is what the usual loaders
// look for.
void write_safetensors(const fs::path& path, std::span<const TensorToWrite> tensors,
                       const std::vector<std::pair<std::string, std::string>>& metadata = {{"format", "pt"}});

}  // namespace minke
