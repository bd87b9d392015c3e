#include "formats/gguf_writer.h"

#include "core/error.h"

namespace minke {
namespace {

constexpr size_t kAlignTensors = 32;  // what readers take for granted without general.alignment
constexpr size_t kMaxName = 63;       // GGML_MAX_NAME, with its NUL

template <class T> void append(std::string& to, T value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);  // little-endian, as every machine we run on
}
void append_text(std::string& to, std::string_view text) {
  append(to, uint64_t(text.size()));
  to.append(text);
}
size_t aligned(size_t n) { return (n + kAlignTensors - 1) / kAlignTensors * kAlignTensors; }

}  // namespace

void GgufMetadataToWrite::begin(std::string_view key, GgufType type, bool is_list, uint64_t count) {
  check(keys_.emplace(key).second, "GgufMetadataToWrite: the same key twice");
  append_text(bytes_, key);
  if (is_list) append(bytes_, GgufType::list);
  append(bytes_, type);
  if (is_list) append(bytes_, count);
}

void GgufMetadataToWrite::add(std::string_view key, GgufType type, const void* value, size_t bytes) {
  begin(key, type);
  bytes_.append(static_cast<const char*>(value), bytes);
}

void GgufMetadataToWrite::add_text(std::string_view key, std::string_view value) {
  begin(key, GgufType::text);
  append_text(bytes_, value);
}

void GgufMetadataToWrite::add_i32s(std::string_view key, std::span<const int32_t> values) {
  begin(key, GgufType::i32, true, values.size());
  bytes_.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

void GgufMetadataToWrite::add_f32s(std::string_view key, std::span<const float> values) {
  begin(key, GgufType::f32, true, values.size());
  bytes_.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

void GgufMetadataToWrite::add_texts(std::string_view key, std::span<const std::string_view> values) {
  begin(key, GgufType::text, true, values.size());
  for (std::string_view text : values) append_text(bytes_, text);
}

void GgufMetadataToWrite::copy(std::string_view key, const GgufValue& value) {
  begin(key, value.type, value.is_list, value.count);
  bytes_.append(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
}

size_t byte_size(const GgufTensorToWrite& tensor) {
  int64_t rows = 1;
  for (size_t d = 0; d + 1 < tensor.shape.size(); ++d) rows *= tensor.shape[d];
  return size_t(rows * row_bytes(tensor.format, tensor.shape.empty() ? 1 : tensor.shape.back()));
}

void write_gguf(const fs::path& path, const GgufMetadataToWrite& metadata, std::span<const GgufTensorToWrite> tensors) {
  std::string header = "GGUF";
  append(header, uint32_t(3));
  append(header, uint64_t(tensors.size()));
  append(header, uint64_t(metadata.count()));
  header += metadata.bytes();
  std::set<std::string_view> names;
  size_t offset = 0;
  for (const GgufTensorToWrite& t : tensors) {
    check(names.insert(t.name).second, "write_gguf: the same name twice");
    check(!t.name.empty() && t.name.size() <= kMaxName, "write_gguf: length of a name");
    append_text(header, t.name);
    append(header, uint32_t(t.shape.size()));
    for (size_t d = t.shape.size(); d > 0; --d) append(header, uint64_t(t.shape[d - 1]));
    append(header, info_of(t.format).file_id);
    append(header, uint64_t(offset));
    offset += aligned(byte_size(t));
  }
  header.resize(aligned(header.size()), '\0');

  AtomicFile file(path);
  file.write(header);
  for (const GgufTensorToWrite& t : tensors) {
    const size_t bytes = byte_size(t);
    check(t.produce || t.data.size() == bytes, "write_gguf: bytes of a tensor");
    for (size_t done = 0; done < bytes;) {
      const std::span<const std::byte> part = t.produce ? t.produce() : t.data;
      check(!part.empty() && part.size() <= bytes - done, "write_gguf: bytes of a part of a tensor");
      file.write(part.data(), part.size());
      done += part.size();
    }
    file.write(std::string(aligned(bytes) - bytes, '\0'));
  }
  file.commit();
}

}  // namespace minke
