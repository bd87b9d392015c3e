#include "formats/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "core/error.h"
#include "core/json.h"

namespace minke {
namespace {

constexpr size_t kMaxHeader = 100'000'000;  // the reference implementation's limit
constexpr size_t kMaxRank = 8;
constexpr size_t kMaxName = 1024;

struct NamedType {
  const char* name;
  DType dtype;
  bool power_of_two = false;
};
constexpr NamedType kTypes[] = {{"F64", DType::f64}, {"F32", DType::f32},         {"BF16", DType::bf16},
                                {"F16", DType::f16}, {"F8_E4M3", DType::f8_e4m3}, {"I64", DType::i64},
                                {"I32", DType::i32}, {"U8", DType::u8},           {"F8_E8M0", DType::u8, true}};

struct Entry {
  std::string name, dtype;
  std::vector<int64_t> shape;
  std::vector<uint64_t> offsets;
  bool has_dtype = false, has_shape = false, has_offsets = false;
};

// Reads the header event by event: no tree, so a hostile header costs no more than its own size, nesting is bounded,
// and duplicate names are seen (a tree would silently keep one of them).
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderReader(std::string_view where) : where_(where) {}

  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("true or false"); }
  bool number_float(number_float_t, const string_t& text) override { unexpected(text); }
  bool number_integer(number_integer_t value) override {
    unexpected(fmt::to_string(value));
  }  // negative ones come here
  bool binary(binary_t&) override { unexpected("binary data"); }
  bool number_unsigned(number_unsigned_t value) override {
    if (depth_ != 3) unexpected(fmt::to_string(value));
    if (field_ == "shape") {
      if (value > uint64_t(INT64_MAX)) fail("has a dimension of {}", value);
      if (entry().shape.size() == kMaxRank) fail("has more than {} dimensions", kMaxRank);
      entry().shape.push_back(int64_t(value));
    } else {
      if (entry().offsets.size() == 2) fail("has more than two data_offsets");
      entry().offsets.push_back(value);
    }
    return true;
  }
  bool string(string_t& text) override {
    if (depth_ != 2) unexpected(fmt::format("\"{}\"", printable(text)));
    if (in_metadata_) {
      metadata.emplace_back(field_, std::move(text));
    } else {
      if (field_ != "dtype") unexpected(fmt::format("\"{}\"", printable(text)));
      entry().dtype = std::move(text);
    }
    return true;
  }
  bool start_object(size_t) override {
    if (depth_ <= 1) return ++depth_, true;
    unexpected("an object");
  }
  bool key(string_t& text) override {
    if (depth_ == 1) {
      in_metadata_ = text == "__metadata__";
      if (text.size() > kMaxName)
        user_error("{}: the name of a tensor has {} bytes, but at most {} are allowed", where_, text.size(), kMaxName);
      if (!names_.insert(text).second) user_error("{}: the header has \"{}\" twice", where_, printable(text));
      if (!in_metadata_) entries.emplace_back().name = std::move(text);
      return true;
    }
    field_ = std::move(text);
    if (in_metadata_) return true;
    bool* seen = field_ == "dtype"          ? &entry().has_dtype
                 : field_ == "shape"        ? &entry().has_shape
                 : field_ == "data_offsets" ? &entry().has_offsets
                                            : nullptr;
    if (!seen) fail("has the unknown field \"{}\"", printable(field_));
    if (*seen) fail("has the field {} twice", printable(field_));
    *seen = true;
    return true;
  }
  bool end_object() override {
    if (depth_-- != 2 || in_metadata_) return true;
    const Entry& e = entry();
    if (!e.has_dtype || !e.has_shape || e.offsets.size() != 2) fail("lacks one of dtype, shape and two data_offsets");
    return true;
  }
  bool start_array(size_t) override {
    if (depth_ != 2 || in_metadata_ || field_ == "dtype") unexpected("a list");
    return ++depth_, true;
  }
  bool end_array() override { return --depth_, true; }
  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception& e) override {
    std::string_view reason = e.what();
    if (const size_t bracket = reason.find("] "); bracket != reason.npos) reason.remove_prefix(bracket + 2);
    user_error("{}: the header is not valid JSON at byte {}: {}", where_, position, reason.substr(0, 200));
  }

  std::vector<Entry> entries;
  std::vector<std::pair<std::string, std::string>> metadata;

 private:
  Entry& entry() { return entries.back(); }
  template <class... Args> [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
    user_error("{}: tensor {} {}", where_, entries.empty() ? "" : printable(entry().name),
               fmt::format(format, std::forward<Args>(args)...));
  }
  [[noreturn]] void unexpected(std::string_view what) {
    if (depth_ == 0) user_error("{}: the header must be a JSON object, not {}", where_, what);
    user_error("{}: the header has {} where it cannot be ({}{}{})", where_, what,
               in_metadata_      ? "__metadata__"
               : entries.empty() ? ""
                                 : entry().name,
               field_.empty() ? "" : ", ", printable(field_));
  }

  std::string_view where_;
  int depth_ = 0;  // 1: names, 2: one tensor's fields or the metadata, 3: a list of numbers
  bool in_metadata_ = false;
  std::string field_;
  std::unordered_set<std::string> names_;
};

const NamedType* find_type(std::string_view name) {
  for (const NamedType& t : kTypes)
    if (name == t.name) return &t;
  return nullptr;
}

const char* file_name_of(DType dtype) {
  for (const NamedType& t : kTypes)
    if (t.dtype == dtype) return t.name;
  return "?";
}

// shape × element size, or nothing on overflow.
bool bytes_of(std::span<const int64_t> shape, size_t element, uint64_t& bytes) {
  bytes = element;
  for (int64_t s : shape)
    if (s < 0 || __builtin_mul_overflow(bytes, uint64_t(s), &bytes) || bytes > uint64_t(INT64_MAX)) return false;
  return true;
}

TensorInfo checked(Entry& e, std::string_view where, std::span<const std::byte> data) {
  const NamedType* type = find_type(e.dtype);
  if (!type) {
    std::string known;
    for (const NamedType& t : kTypes) known += (known.empty() ? "" : ", ") + std::string(t.name);
    user_error("{}: tensor {} has dtype \"{}\"; supported are {}", where, printable(e.name), printable(e.dtype), known);
  }
  const uint64_t begin = e.offsets[0], end = e.offsets[1];
  if (begin > end || end > data.size())
    user_error(
        "{}: tensor {} is at bytes {} to {} of the data, which has only {} bytes: the file is cut off or damaged",
        where, printable(e.name), begin, end, data.size());
  uint64_t bytes = 0;
  if (!bytes_of(e.shape, size_of(type->dtype), bytes))
    user_error("{}: tensor {} has the impossible shape {}", where, printable(e.name), shape_text(e.shape));
  if (bytes != end - begin)
    user_error("{}: tensor {} of shape {} and dtype {} needs {} bytes but has {}", where, printable(e.name),
               shape_text(e.shape), e.dtype, bytes, end - begin);
  TensorInfo t;
  t.name = std::move(e.name);
  t.dtype = type->dtype;
  t.power_of_two = type->power_of_two;
  t.shape = std::move(e.shape);
  t.bytes = data.subspan(begin, bytes);
  return t;
}

}  // namespace

std::string shape_text(std::span<const int64_t> shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

SafetensorsFile SafetensorsFile::open(const fs::path& path) {
  MappedFile map(path);
  SafetensorsFile file = parse(map.bytes(), path.string());
  file.map_ = std::move(map);
  return file;
}

SafetensorsFile SafetensorsFile::parse(std::span<const std::byte> bytes, std::string_view where) {
  uint64_t header = 0;
  if (bytes.size() < sizeof header) user_error("{}: {} bytes are too few for a safetensors file", where, bytes.size());
  std::memcpy(&header, bytes.data(), sizeof header);  // little-endian, as every machine we run on
  if (header > kMaxHeader || header > bytes.size() - sizeof header)
    user_error(
        "{}: not a safetensors file, or cut off: its first bytes announce a header of {} bytes, but the file has {}",
        where, header, bytes.size());

  HeaderReader reader(where);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + sizeof header, header);
  refuse_nul(text, fmt::format("{}: the header", where));
  nlohmann::json::sax_parse(text, &reader);

  SafetensorsFile file;
  file.path_ = std::make_shared<const std::string>(where);
  file.metadata_ = std::move(reader.metadata);
  const std::span<const std::byte> data = bytes.subspan(sizeof header + header);
  file.tensors_.reserve(reader.entries.size());
  for (Entry& e : reader.entries) {
    file.tensors_.push_back(checked(e, where, data));
    file.tensors_.back().file = file.path_;
  }
  std::stable_sort(file.tensors_.begin(), file.tensors_.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::pair(a.bytes.data(), a.bytes.size()) < std::pair(b.bytes.data(), b.bytes.size());
  });
  const std::byte* expected = data.data();
  for (const TensorInfo& t : file.tensors_) {
    if (t.bytes.data() != expected)
      user_error(
          "{}: tensor {} {}", where, printable(t.name),
          t.bytes.data() < expected ? "overlaps the one before it" : "has bytes before it that belong to no tensor");
    expected = t.bytes.data() + t.bytes.size();
  }
  if (const size_t rest = size_t(data.data() + data.size() - expected); rest != 0)
    user_error("{}: {} bytes after the last tensor belong to no tensor", where, rest);
  for (size_t i = 0; i < file.tensors_.size(); ++i) file.index_.emplace(file.tensors_[i].name, i);
  return file;
}

const TensorInfo* SafetensorsFile::find(std::string_view name) const {
  const auto at = index_.find(name);
  return at == index_.end() ? nullptr : &tensors_[at->second];
}

const TensorInfo& SafetensorsFile::at(std::string_view name) const {
  if (const TensorInfo* t = find(name)) return *t;
  user_error("{}: there is no tensor {} among its {} tensors", path(), name, tensors_.size());
}

size_t byte_size(const TensorToWrite& tensor) {
  uint64_t bytes = 0;
  check(bytes_of(tensor.shape, size_of(tensor.dtype), bytes), "TensorToWrite: shape");
  return bytes;
}

void write_safetensors(const fs::path& path, std::span<const TensorToWrite> tensors,
                       const std::vector<std::pair<std::string, std::string>>& metadata) {
  std::vector<const TensorToWrite*> order;
  for (const TensorToWrite& t : tensors) order.push_back(&t);
  std::sort(order.begin(), order.end(), [](const TensorToWrite* a, const TensorToWrite* b) {
    const size_t wa = size_of(a->dtype), wb = size_of(b->dtype);
    return wa != wb ? wa > wb : a->name < b->name;
  });

  const auto quoted = [](const std::string& text) { return nlohmann::json(text).dump(); };
  std::string header = "{\"__metadata__\":{";
  for (size_t i = 0; i < metadata.size(); ++i)
    header += fmt::format("{}{}:{}", i ? "," : "", quoted(metadata[i].first), quoted(metadata[i].second));
  header += "}";
  size_t offset = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    const TensorToWrite& t = *order[i];
    check(i == 0 || order[i - 1]->name != t.name, "write_safetensors: the same name twice");
    const size_t end = offset + byte_size(t);
    header += fmt::format(",{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", quoted(t.name),
                          file_name_of(t.dtype), fmt::join(t.shape, ","), offset, end);
    offset = end;
  }
  header += "}";
  header.append((8 - header.size() % 8) % 8, ' ');
  check(header.size() <= kMaxHeader, "write_safetensors: header size");

  AtomicFile file(path);
  const uint64_t length = header.size();
  file.write(&length, sizeof length);
  file.write(header);
  for (const TensorToWrite* t : order) {
    const size_t bytes = byte_size(*t);
    if (t->parts) {
      for (size_t done = 0; done < bytes;) {
        const std::span<const std::byte> part = t->parts();
        check(!part.empty() && part.size() <= bytes - done, "write_safetensors: bytes of a part of a tensor");
        file.write(part.data(), part.size());
        done += part.size();
      }
      continue;
    }
    const void* data = t->produce ? t->produce() : t->data;
    check(data != nullptr || bytes == 0, "write_safetensors: no data");
    file.write(data, bytes);
  }
  file.commit();
}

}  // namespace minke
