// GGUF: metadata (key → number, text or list), a table of tensors, then their data; a model may be split over several files.
// Versions 2 and 3, little-endian. The reader maps the files, checks every count, length and offset before use, and keeps
// views into the map: memory and time are bounded by the size of the header. Source: the page about
// GGUF in github.com/ggml-org/ggml. Test: tests/formats/gguf_test.cpp, tests/fuzz/gguf_fuzz.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "blocks/blocks.h"
#include "core/files.h"

namespace minke {

// The numbers are those in the file.
enum class GgufType : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, list, u64, i64, f64 };
const char* name_of(GgufType type);

struct GgufValue {
  GgufType type = GgufType::u8;  // of a list: of its elements
  bool is_list = false;
  uint64_t count = 1;
  std::span<const std::byte>
      bytes;  // the elements one after the other, at any alignment; a text is its length and bytes
};

// The metadata of one file. A key with a value of another type is a UserError that names file, key and both types.
class GgufMetadata {
 public:
  std::span<const std::pair<std::string_view, GgufValue>> entries() const { return entries_; }  // in the file's order
  const GgufValue* find(std::string_view key) const;                                            // nullptr if absent
  bool has(std::string_view key) const { return find(key) != nullptr; }

  // Any whole-number type; a u64 above 2^63 − 1 is refused.
  std::optional<int64_t> integer(std::string_view key) const;
  // f32, f64 or a whole number. An f32 becomes the double of its shortest decimal form: 1e-6 stays 1e-6.
  std::optional<double> real(std::string_view key) const;
  std::optional<bool> flag(std::string_view key) const;
  std::optional<std::string_view> text(std::string_view key) const;
  // Lists; empty if absent.
  std::vector<int64_t> integers(std::string_view key) const;
  std::vector<double> reals(std::string_view key) const;
  std::vector<std::string_view> texts(std::string_view key) const;

  const std::string& file() const { return *file_; }

 private:
  friend class GgufFile;
  const GgufValue* find(std::string_view key, bool is_list, const char* wanted, bool (*accepts)(GgufType)) const;

  std::shared_ptr<const std::string> file_;
  std::vector<std::pair<std::string_view, GgufValue>> entries_;
  std::unordered_map<std::string_view, size_t> index_;
};

struct GgufTensor {
  std::string_view name;
  BlockFormat format = BlockFormat::f32;
  std::vector<int64_t> shape;               // rows before columns, as everywhere in minke: the file has the reverse
  std::span<const std::byte> bytes;         // borrowed from the map, aligned as general.alignment says
  std::shared_ptr<const std::string> file;  // path, for messages

  int64_t size() const {  // elements
    int64_t n = 1;
    for (int64_t s : shape) n *= s;
    return n;
  }
};

class GgufFile {
 public:
  // Throws a UserError that names the file and, if one is at fault, the key or tensor. Tensors may have gaps between them,
  // but must not overlap.
  static GgufFile open(const fs::path& path);
  // The same for bytes that the caller keeps alive; `where` stands for the path in messages.
  static GgufFile parse(std::span<const std::byte> bytes, std::string_view where);

  const GgufMetadata& metadata() const { return metadata_; }
  std::span<const GgufTensor> tensors() const { return tensors_; }  // in the file's order

 private:
  MappedFile map_;
  GgufMetadata metadata_;
  std::vector<GgufTensor> tensors_;
};

// A model: one file, or all parts of a split one (NAME-00001-of-00003.gguf …), whichever of them is named.
class Gguf {
 public:
  // UserError if a part is missing or belongs to another model.
  static Gguf open(const fs::path& path);
  // One file that is not split.
  static Gguf of(GgufFile file);

  const GgufMetadata& metadata() const { return files_.front().metadata(); }  // of the first part, which has all of it
  const GgufTensor* find(std::string_view name) const;                        // nullptr if absent
  const GgufTensor& at(std::string_view name) const;                          // UserError if absent
  std::span<const GgufFile> files() const { return files_; }
  size_t tensor_count() const { return index_.size(); }
  const std::string& path() const { return metadata().file(); }

 private:
  void add(GgufFile file);

  std::vector<GgufFile> files_;
  std::unordered_map<std::string_view, const GgufTensor*> index_;  // into files_
};

// Whether a path means a GGUF file, by its name or by its first bytes, and not a Hugging Face folder.
bool is_gguf(const fs::path& path);
// UserError that names the file to give instead, if the folder has GGUF files (the first part is named of a split one) but
// not the file `needed`, which a Hugging Face folder has.
void refuse_folder_of_gguf(const fs::path& folder, const char* needed);

// All values of a tensor, row-major into out[size]. Of a mapped file the caller may forget_pages() afterwards.
void read_as_f32(const GgufTensor& tensor, float* out);

}  // namespace minke
