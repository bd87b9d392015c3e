#include "formats/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "core/error.h"
#include "formats/safetensors.h"

namespace minke {
namespace {

constexpr uint64_t kMaxKeys = 65'536, kMaxTensors = 1'048'576;
constexpr uint64_t kMaxKeyBytes = 65'535, kMaxNameBytes = 255;
constexpr uint32_t kMaxRank = 4;
constexpr int64_t kDefaultAlignment = 32, kMaxAlignment = int64_t(1) << 30;

constexpr struct {
  const char* name;
  size_t bytes;  // 0: not of fixed size
} kTypes[] = {{"u8", 1},   {"i8", 1},   {"u16", 2},  {"i16", 2}, {"u32", 4}, {"i32", 4}, {"f32", 4},
              {"bool", 1}, {"text", 0}, {"list", 0}, {"u64", 8}, {"i64", 8}, {"f64", 8}};

template <class T> T value_at(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);  // little-endian, as every machine we run on
  return value;
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Walks through the header; whatever lies beyond the end of the file is a UserError.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, std::string_view where) : bytes_(bytes), where_(where) {}

  size_t position() const { return at_; }
  size_t left() const { return bytes_.size() - at_; }

  std::span<const std::byte> take(uint64_t n, std::string_view what) {
    if (n > left())
      user_error("{}: cut off or damaged: {} needs {} bytes at byte {}, but the file ends after {}", where_, what, n,
                 at_, left());
    const auto part = bytes_.subspan(at_, size_t(n));
    at_ += size_t(n);
    return part;
  }
  template <class T> T number(std::string_view what) { return value_at<T>(take(sizeof(T), what).data()); }
  std::string_view text(std::string_view what, uint64_t most = UINT64_MAX) {
    const auto length = number<uint64_t>(what);
    if (length > most) user_error("{}: {} has {} bytes, but at most {} are allowed", where_, what, length, most);
    return text_of(take(length, what));
  }

 private:
  std::span<const std::byte> bytes_;
  std::string_view where_;
  size_t at_ = 0;
};

GgufType read_type(Cursor& cursor, std::string_view where, std::string_view key, std::string_view what) {
  const auto type = cursor.number<uint32_t>(what);
  if (type >= std::size(kTypes))
    user_error("{}: key {} has a value of type {}, which is unknown", where, printable(key), type);
  return GgufType(type);
}

// One value, or the elements of a list; only looked at as far as to find its end and to be sure of what it holds.
void skip_elements(Cursor& cursor, std::string_view where, std::string_view key, const GgufValue& value) {
  const std::string what = fmt::format("the value of {}", printable(key));
  if (value.type == GgufType::text) {
    for (uint64_t i = 0; i < value.count; ++i) cursor.text(what);  // each takes 8 bytes or more, so the loop is bounded
    return;
  }
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(value.count, kTypes[size_t(value.type)].bytes, &bytes))
    user_error("{}: key {} is a list of {} elements, more than any file holds", where, printable(key), value.count);
  const auto elements = cursor.take(bytes, what);
  if (value.type == GgufType::boolean)
    for (std::byte b : elements)
      if (b > std::byte{1})
        user_error("{}: key {} is true or false, but its byte is {}; it must be 0 or 1", where, printable(key), int(b));
}

GgufValue read_value(Cursor& cursor, std::span<const std::byte> file, std::string_view where, std::string_view key) {
  GgufValue value;
  value.type = read_type(cursor, where, key, "the type of a value");
  if (value.type == GgufType::list) {
    value.is_list = true;
    value.type = read_type(cursor, where, key, "the type of a list");
    if (value.type == GgufType::list)
      user_error("{}: key {} is a list of lists, which is not supported", where, printable(key));
    value.count = cursor.number<uint64_t>("the length of a list");
  }
  const size_t begin = cursor.position();
  skip_elements(cursor, where, key, value);
  value.bytes = file.subspan(begin, cursor.position() - begin);
  return value;
}

struct Entry {
  GgufTensor tensor;
  uint64_t offset = 0, bytes = 0;
};

Entry read_tensor(Cursor& cursor, std::string_view where, uint64_t alignment) {
  Entry e;
  GgufTensor& t = e.tensor;
  t.name = cursor.text("the name of a tensor", kMaxNameBytes);
  const std::string name = printable(t.name);
  if (t.name.empty()) user_error("{}: a tensor has no name", where);
  const auto rank = cursor.number<uint32_t>("the shape of a tensor");
  if (rank > kMaxRank)
    user_error("{}: tensor {} has {} dimensions, but at most {} are allowed", where, name, rank, kMaxRank);
  for (uint32_t d = 0; d < rank; ++d) {
    const auto size = cursor.number<uint64_t>("the shape of a tensor");
    if (size == 0 || size > uint64_t(INT64_MAX)) user_error("{}: tensor {} has a dimension of {}", where, name, size);
    t.shape.insert(t.shape.begin(), int64_t(size));
  }
  const auto file_id = cursor.number<uint32_t>("the format of a tensor");
  e.offset = cursor.number<uint64_t>("the place of a tensor");

  const BlockFormatInfo* format = find_block_format(file_id);
  if (!format) {
    std::string known;
    for (const BlockFormatInfo& info : block_formats()) known += (known.empty() ? "" : ", ") + std::string(info.name);
    user_error("{}: tensor {} has the format {}; supported are {}", where, name, block_format_text(file_id), known);
  }
  t.format = format->format;
  const int64_t columns = t.shape.empty() ? 1 : t.shape.back();
  if (columns % format->block_elements != 0)
    user_error("{}: tensor {} of shape {} has rows of {} elements, but {} needs a multiple of {}", where, name,
               shape_text(t.shape), columns, format->name, format->block_elements);
  int64_t elements = 1, bytes = 0;
  bool fits = true;
  for (int64_t s : t.shape) fits = fits && !__builtin_mul_overflow(elements, s, &elements);
  if (!fits || __builtin_mul_overflow(elements / format->block_elements, format->block_bytes, &bytes))
    user_error("{}: tensor {} has the impossible shape {}", where, name, shape_text(t.shape));
  e.bytes = uint64_t(bytes);
  if (e.offset % alignment != 0)
    user_error("{}: tensor {} begins at byte {} of the data; it must be a multiple of the alignment {}", where, name,
               e.offset, alignment);
  return e;
}

uint64_t alignment_of(const GgufMetadata& metadata) {
  const int64_t alignment = metadata.integer("general.alignment").value_or(kDefaultAlignment);
  if (alignment < 1 || alignment > kMaxAlignment || (alignment & (alignment - 1)) != 0)
    user_error("{}: general.alignment is {}; it must be a power of two up to {}", metadata.file(), alignment,
               kMaxAlignment);
  return uint64_t(alignment);
}

void check_version(Cursor& cursor, std::string_view where) {
  const std::string_view magic = text_of(cursor.take(4, "the first word"));
  if (magic != "GGUF" && magic != "FUGG")
    user_error("{}: not a GGUF file: it begins with \"{}\"", where, printable(magic));
  const auto version = cursor.number<uint32_t>("the version");
  if (magic == "FUGG" || (version != 0 && version % 65536 == 0))
    user_error("{}: a big-endian GGUF file; only little-endian ones are read: download or convert one", where);
  if (version != 2 && version != 3)
    user_error("{}: GGUF version {}; only 2 and 3 are read: download or convert a newer file", where, version);
}

// No two tensors share bytes.
void check_overlap(std::span<const GgufTensor> tensors, std::string_view where) {
  std::vector<const GgufTensor*> order;
  order.reserve(tensors.size());
  for (const GgufTensor& t : tensors) order.push_back(&t);
  std::sort(order.begin(), order.end(),
            [](const GgufTensor* a, const GgufTensor* b) { return a->bytes.data() < b->bytes.data(); });
  for (size_t i = 1; i < order.size(); ++i)
    if (order[i - 1]->bytes.data() + order[i - 1]->bytes.size() > order[i]->bytes.data())
      user_error("{}: tensors {} and {} overlap: the file is damaged", where, printable(order[i - 1]->name),
                 printable(order[i]->name));
}

// The elements of a list, or a single value.
template <class T, class Function> void each(const GgufValue& value, Function f) {
  const std::byte* p = value.bytes.data();
  for (uint64_t i = 0; i < value.count; ++i, p += sizeof(T)) f(value_at<T>(p));
}

bool is_number(GgufType t) { return kTypes[size_t(t)].bytes > 0 && t != GgufType::boolean; }
bool is_integer(GgufType t) { return is_number(t) && t != GgufType::f32 && t != GgufType::f64; }
bool is_flag(GgufType t) { return t == GgufType::boolean; }
bool is_text(GgufType t) { return t == GgufType::text; }

template <class Function> void each_integer(const GgufValue& value, Function f) {
  switch (value.type) {
    case GgufType::u8: return each<uint8_t>(value, f);
    case GgufType::i8: return each<int8_t>(value, f);
    case GgufType::u16: return each<uint16_t>(value, f);
    case GgufType::i16: return each<int16_t>(value, f);
    case GgufType::u32: return each<uint32_t>(value, f);
    case GgufType::i32: return each<int32_t>(value, f);
    case GgufType::u64: return each<uint64_t>(value, f);
    case GgufType::i64: return each<int64_t>(value, f);
    default: check(false, "each_integer: type");
  }
}

// The double that is written with the fewest digits of those that are this float: what somebody wrote into a config.json.
double as_written(float x) {
  if (!(x - x == 0)) return double(x);  // infinite, or no number
  char digits[32];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, x);
  double value = 0;
  std::from_chars(digits, end, value);
  return error == std::errc() ? value : double(x);
}

template <class Function> void each_real(const GgufValue& value, Function f) {
  if (value.type == GgufType::f32) return each<float>(value, [&](float x) { f(as_written(x)); });
  if (value.type == GgufType::f64) return each<double>(value, f);
  each_integer(value, [&](auto x) { f(double(x)); });
}

}  // namespace

const char* name_of(GgufType type) { return size_t(type) < std::size(kTypes) ? kTypes[size_t(type)].name : "?"; }

const GgufValue* GgufMetadata::find(std::string_view key) const {
  const auto at = index_.find(key);
  return at == index_.end() ? nullptr : &entries_[at->second].second;
}

const GgufValue* GgufMetadata::find(std::string_view key, bool is_list, const char* wanted,
                                    bool (*accepts)(GgufType)) const {
  const GgufValue* value = find(key);
  if (value && (value->is_list != is_list || !accepts(value->type)))
    user_error("{}: {} is {}{}; it must be {}{}", file(), key, value->is_list ? "a list of " : "", name_of(value->type),
               is_list ? "a list of " : "", wanted);
  return value;
}

std::optional<int64_t> GgufMetadata::integer(std::string_view key) const {
  const GgufValue* value = find(key, false, "a whole number", is_integer);
  if (!value) return std::nullopt;
  int64_t result = 0;
  each_integer(*value, [&](auto x) {
    if (x > 0 && uint64_t(x) > uint64_t(INT64_MAX)) user_error("{}: {} is {}, which is too large", file(), key, x);
    result = int64_t(x);
  });
  return result;
}

std::optional<double> GgufMetadata::real(std::string_view key) const {
  const GgufValue* value = find(key, false, "a number", is_number);
  if (!value) return std::nullopt;
  double result = 0;
  each_real(*value, [&](double x) { result = x; });
  return result;
}

std::optional<bool> GgufMetadata::flag(std::string_view key) const {
  const GgufValue* value = find(key, false, "bool", is_flag);
  if (!value) return std::nullopt;
  return value->bytes[0] == std::byte{1};
}

std::optional<std::string_view> GgufMetadata::text(std::string_view key) const {
  const GgufValue* value = find(key, false, "text", is_text);
  if (!value) return std::nullopt;
  return text_of(value->bytes.subspan(8));
}

std::vector<int64_t> GgufMetadata::integers(std::string_view key) const {
  std::vector<int64_t> result;
  if (const GgufValue* value = find(key, true, "whole numbers", is_integer)) {
    result.reserve(value->count);
    each_integer(*value, [&](auto x) {
      if (x > 0 && uint64_t(x) > uint64_t(INT64_MAX)) user_error("{}: {} has {}, which is too large", file(), key, x);
      result.push_back(int64_t(x));
    });
  }
  return result;
}

std::vector<double> GgufMetadata::reals(std::string_view key) const {
  std::vector<double> result;
  if (const GgufValue* value = find(key, true, "numbers", is_number)) {
    result.reserve(value->count);
    each_real(*value, [&](double x) { result.push_back(x); });
  }
  return result;
}

std::vector<std::string_view> GgufMetadata::texts(std::string_view key) const {
  std::vector<std::string_view> result;
  const GgufValue* value = find(key, true, "texts", is_text);
  if (!value) return result;
  result.reserve(value->count);
  const std::byte* p = value->bytes.data();
  for (uint64_t i = 0; i < value->count; ++i) {
    const auto length = value_at<uint64_t>(p);
    result.emplace_back(reinterpret_cast<const char*>(p) + 8, length);
    p += 8 + length;
  }
  return result;
}

GgufFile GgufFile::open(const fs::path& path) {
  MappedFile map(path);
  GgufFile file = parse(map.bytes(), path.string());
  file.map_ = std::move(map);
  return file;
}

GgufFile GgufFile::parse(std::span<const std::byte> bytes, std::string_view where) {
  Cursor cursor(bytes, where);
  check_version(cursor, where);
  const auto tensors = cursor.number<uint64_t>("the number of tensors");
  const auto keys = cursor.number<uint64_t>("the number of keys");
  if (tensors > kMaxTensors || keys > kMaxKeys)
    user_error("{}: announces {} tensors and {} keys; at most {} and {} are allowed", where, tensors, keys, kMaxTensors,
               kMaxKeys);

  GgufFile file;
  GgufMetadata& metadata = file.metadata_;
  metadata.file_ = std::make_shared<const std::string>(where);
  for (uint64_t i = 0; i < keys; ++i) {
    const std::string_view key = cursor.text("a key", kMaxKeyBytes);
    if (!metadata.index_.emplace(key, i).second) user_error("{}: has the key {} twice", where, printable(key));
    metadata.entries_.emplace_back(key, read_value(cursor, bytes, where, key));
  }

  const uint64_t alignment = alignment_of(metadata);
  std::vector<Entry> entries;
  std::unordered_map<std::string_view, size_t> names;
  for (uint64_t i = 0; i < tensors; ++i) {
    entries.push_back(read_tensor(cursor, where, alignment));
    if (const std::string_view name = entries.back().tensor.name; !names.emplace(name, i).second)
      user_error("{}: has the tensor {} twice", where, printable(name));
  }
  const uint64_t begin = (cursor.position() + alignment - 1) / alignment * alignment;
  const std::span<const std::byte> data = bytes.subspan(size_t(std::min<uint64_t>(begin, bytes.size())));
  file.tensors_.reserve(entries.size());
  for (Entry& e : entries) {
    if (e.offset > data.size() || e.bytes > data.size() - e.offset)
      user_error(
          "{}: tensor {} of shape {} in {} takes {} bytes from byte {} of the data, which has only {}: the file is cut "
          "off "
          "or damaged",
          where, printable(e.tensor.name), shape_text(e.tensor.shape), info_of(e.tensor.format).name, e.bytes, e.offset,
          data.size());
    e.tensor.bytes = data.subspan(size_t(e.offset), size_t(e.bytes));
    e.tensor.file = metadata.file_;
    file.tensors_.push_back(std::move(e.tensor));
  }
  check_overlap(file.tensors_, where);
  return file;
}

void read_as_f32(const GgufTensor& tensor, float* out) {
  dequantise(tensor.format, tensor.bytes, {out, size_t(tensor.size())});
}

}  // namespace minke
