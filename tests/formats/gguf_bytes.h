// GGUF files made byte by byte, for tests of the reader: nothing is checked, so they can be wrong in any way.
#pragma once
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "formats/gguf.h"

namespace minke::test {

struct GgufBytes {
  std::string keys, tensors, data;
  uint64_t key_count = 0, tensor_count = 0;
  uint32_t version = 3;
  std::string magic = "GGUF";
  size_t alignment = 32;

  template <class T> static std::string number(T value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
  }
  static std::string text(std::string_view s) { return number(uint64_t(s.size())) + std::string(s); }

  // `value`: the bytes behind the type.
  GgufBytes& key(std::string_view name, GgufType type, const std::string& value) {
    keys += text(name) + number(type) + value;
    ++key_count;
    return *this;
  }
  GgufBytes& key(std::string_view name, uint32_t value) { return key(name, GgufType::u32, number(value)); }
  GgufBytes& key(std::string_view name, float value) { return key(name, GgufType::f32, number(value)); }
  GgufBytes& key(std::string_view name, const char* value) { return key(name, GgufType::text, text(value)); }
  GgufBytes& list(std::string_view name, GgufType type, uint64_t count, const std::string& elements) {
    return key(name, GgufType::list, number(type) + number(count) + elements);
  }
  // dims: as in the file, columns before rows.
  GgufBytes& tensor(std::string_view name, std::initializer_list<uint64_t> dims, uint32_t format, uint64_t offset) {
    tensors += text(name) + number(uint32_t(dims.size()));
    for (uint64_t d : dims) tensors += number(d);
    tensors += number(format) + number(offset);
    ++tensor_count;
    return *this;
  }
  std::string build() const {
    std::string file = magic + number(version) + number(tensor_count) + number(key_count) + keys + tensors;
    file.resize((file.size() + alignment - 1) / alignment * alignment, '\0');
    return file + data;
  }
};

inline std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

}  // namespace minke::test
