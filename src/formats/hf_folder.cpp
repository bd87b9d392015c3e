#include "formats/hf_folder.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "core/divided_up.h"
#include "core/error.h"
#include "core/json.h"
#include "formats/gguf.h"

namespace minke {
namespace {

constexpr size_t kMaxIndexBytes = 100'000'000;
constexpr size_t kMaxShards = 4096;  // each is a memory map, and the system allows 65,530

// model.safetensors.index.json, event by event for the reasons given in safetensors.cpp: {"weight_map": {tensor:
// file}}.
class IndexReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit IndexReader(std::string_view where) : where_(where) {}

  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_float(number_float_t, const string_t&) override { return value(); }
  bool number_integer(number_integer_t) override { return value(); }
  bool number_unsigned(number_unsigned_t) override { return value(); }
  bool binary(binary_t&) override { return value(); }
  bool string(string_t& file) override {
    if (!in_map()) return true;
    const bool plain = !file.empty() && file.find('/') == file.npos && file.find('\0') == file.npos && file != ".." &&
                       file.ends_with(".safetensors");
    if (!plain)
      user_error("{}: weight_map.{} names the file \"{}\"; it must be a .safetensors file in the same folder", where_,
                 tensor_, printable(file));
    files_.insert(file);
    if (files_.size() > kMaxShards) user_error("{}: names more than {} files", where_, kMaxShards);
    at_->second = std::move(file);
    return true;
  }
  bool start_object(size_t) override { return open(); }
  bool start_array(size_t) override {
    if (depth_ == 1 && top_ == "weight_map")
      user_error("{}: weight_map is a list; it must be an object of tensor: file", where_);
    return open();
  }
  bool end_object() override { return --depth_, true; }
  bool end_array() override { return --depth_, true; }
  bool key(string_t& name) override {
    if (depth_ == 1) top_ = name;
    if (!in_map()) return true;
    tensor_ = printable(name);
    bool is_new = false;
    std::tie(at_, is_new) = map.emplace(std::move(name), "");
    if (!is_new) user_error("{}: weight_map has {} twice", where_, tensor_);
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    user_error("{}: not valid JSON at byte {}", where_, position);
  }

  WeightMap map;

 private:
  bool in_map() const { return depth_ == 2 && top_ == "weight_map"; }
  bool value() const {
    if (in_map()) user_error("{}: weight_map.{} is not the name of a file", where_, tensor_);
    return true;
  }
  bool open() {
    if (depth_ >= 2) value();
    if (++depth_ > 64) user_error("{}: nested deeper than 64 levels", where_);
    return true;
  }

  std::string_view where_;
  int depth_ = 0;
  std::string top_, tensor_;
  WeightMap::iterator at_;
  std::set<std::string> files_;
};

[[noreturn]] void no_weights(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error))
    user_error("{} is neither a folder of a Hugging Face checkpoint nor a GGUF file", folder.string());
  refuse_folder_of_gguf(folder, "model.safetensors");
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string other = entry.path().extension().string();
    if (other == ".bin" || other == ".pth")
      user_error("{} has no model.safetensors, only {}; download the safetensors files of this model", folder.string(),
                 entry.path().filename().string());
  }
  user_error("{} has neither model.safetensors nor model.safetensors.index.json", folder.string());
}

// out[i] = value of element i of type T at any alignment.
template <class T> void convert(const std::byte* from, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) {
    T value;
    std::memcpy(&value, from + size_t(i) * sizeof(T), sizeof(T));
    out[i] = float(value);
  }
}

int64_t columns_of(const TensorInfo& t) { return t.shape.empty() ? 1 : t.shape.back(); }

const TensorInfo& scales_for(const TensorInfo& t, const TensorInfo* weight_scale_inv) {
  if (weight_scale_inv) return *weight_scale_inv;
  user_error("{}: {} is FP8, but {}_scale_inv with its scales is missing", *t.file, printable(t.name),
             printable(t.name));
}

// Rows first … first + count of the grid of scales of t.
std::vector<float> read_scales(const TensorInfo& t, const TensorInfo& scale, int64_t block, int64_t first,
                               int64_t count) {
  const auto misfit = [&](std::string_view needed) {
    user_error("{}: {} is {} {}, but {} of shape {} in blocks of {} needs {}", *scale.file, printable(scale.name),
               name_of(scale.dtype), shape_text(scale.shape), printable(t.name), shape_text(t.shape), block, needed);
  };
  if (t.shape.size() != 2) misfit("a matrix");
  const int64_t grid_rows = divided_up(t.shape[0], block), grid_columns = divided_up(t.shape[1], block);
  if (scale.shape != std::vector<int64_t>{grid_rows, grid_columns})
    misfit(fmt::format("[{}, {}]", grid_rows, grid_columns));
  if (scale.dtype != DType::f32 && !scale.power_of_two) misfit("F32 or F8_E8M0");
  std::vector<float> scales(size_t(count * grid_columns));
  const size_t begin = size_t(first * grid_columns);
  if (scale.power_of_two)
    for (size_t i = 0; i < scales.size(); ++i) scales[i] = std::ldexp(1.0f, int(scale.bytes[begin + i]) - 127);
  else convert<float>(scale.bytes.data() + begin * sizeof(float), int64_t(scales.size()), scales.data());
  return scales;
}

void apply_scales(const TensorInfo& t, int64_t first, int64_t count, float* out, const TensorInfo& scale,
                  int64_t block) {
  const int64_t columns = columns_of(t), grid_columns = divided_up(columns, block), grid_row = first / block;
  const std::vector<float> scales = read_scales(t, scale, block, grid_row, divided_up(first + count, block) - grid_row);
  for (int64_t r = first; r < first + count; ++r, out += columns) {
    const float* row = scales.data() + (r / block - grid_row) * grid_columns;
    for (int64_t c = 0; c < columns; ++c) out[c] *= row[c / block];
  }
}

}  // namespace

WeightMap parse_weight_map(std::string_view json, std::string_view where) {
  IndexReader reader(where);
  refuse_nul(json, where);
  nlohmann::json::sax_parse(json, &reader);
  if (reader.map.empty()) user_error("{}: weight_map names no files", where);
  return std::move(reader.map);
}

HfFolder HfFolder::open(const fs::path& folder) {
  HfFolder result;
  result.path_ = folder;
  const fs::path single = folder / "model.safetensors", index = folder / "model.safetensors.index.json";
  WeightMap map;
  const auto is_there = [](const fs::path& path) { return fs::exists(fs::symlink_status(path)); };  // or a dead link
  if (is_there(index)) {
    map = parse_weight_map(read_file(index, kMaxIndexBytes), index.string());
    std::set<std::string_view> files;
    for (const auto& [tensor, file] : map) files.insert(file);
    for (std::string_view file : files) {
      if (!fs::exists(folder / file)) user_error("{}: the shard {} is missing; download it", index.string(), file);
      result.files_.push_back(SafetensorsFile::open(folder / file));
    }
  } else if (is_there(single)) {
    result.files_.push_back(SafetensorsFile::open(single));
  } else {
    no_weights(folder);
  }
  for (const SafetensorsFile& file : result.files_)
    for (const TensorInfo& t : file.tensors())
      if (const auto [at, is_new] = result.index_.emplace(t.name, &t); !is_new)
        user_error("{}: tensor {} is also in {}", file.path(), printable(t.name), *at->second->file);
  for (const auto& [tensor, file] : map) {
    const TensorInfo* t = result.find(tensor);
    if (!t)
      user_error("{}: weight_map says that {} is in {}, but it is in none of the files", index.string(),
                 printable(tensor), file);
    if (*t->file != (folder / file).string())
      user_error("{}: weight_map says that {} is in {}, but it is in {}; download index and files of the same model",
                 index.string(), printable(tensor), file, *t->file);
  }
  return result;
}

const TensorInfo* HfFolder::find(std::string_view name) const {
  const auto at = index_.find(name);
  return at == index_.end() ? nullptr : at->second;
}

const TensorInfo& HfFolder::at(std::string_view name) const {
  if (const TensorInfo* t = find(name)) return *t;
  user_error(
      "{}: tensor {} is not among its {} tensors: config.json and weights do not belong together, or a file is missing",
      path_.string(), name, index_.size());
}

void HfFolder::read_as_f32(std::string_view name, float* out, int64_t block) const {
  const TensorInfo& t = at(name);
  read_rows_as_f32(name, 0, t.size() / std::max<int64_t>(columns_of(t), 1), out, block);
}

void HfFolder::read_rows_as_f32(std::string_view name, int64_t first, int64_t count, float* out, int64_t block) const {
  const TensorInfo& t = at(name);
  minke::read_rows_as_f32(t, first, count, out,
                          t.dtype == DType::f8_e4m3 ? find(std::string(name) + "_scale_inv") : nullptr, block);
  forget_pages(t.bytes);
}

std::vector<float> HfFolder::fp8_scales(std::string_view name, int64_t block) const {
  const TensorInfo& t = at(name);
  const TensorInfo& scale = scales_for(t, find(std::string(name) + "_scale_inv"));
  return read_scales(t, scale, block, 0, scale.shape.empty() ? 0 : scale.shape[0]);
}

void read_as_f32(const TensorInfo& t, float* out, const TensorInfo* weight_scale_inv, int64_t block) {
  read_rows_as_f32(t, 0, t.size() / std::max<int64_t>(columns_of(t), 1), out, weight_scale_inv, block);
}

void read_rows_as_f32(const TensorInfo& t, int64_t first, int64_t count, float* out, const TensorInfo* weight_scale_inv,
                      int64_t block) {
  check(block > 0, "read_rows_as_f32: block");
  const int64_t n = count * columns_of(t);
  check(first >= 0 && count >= 0 && first * columns_of(t) + n <= t.size(), "read_rows_as_f32: rows of the tensor");
  const std::byte* from = t.bytes.data() + size_t(first * columns_of(t)) * size_of(t.dtype);
  switch (t.dtype) {
    case DType::f64: return convert<double>(from, n, out);
    case DType::f32: return convert<float>(from, n, out);
    case DType::bf16: return convert<bf16>(from, n, out);
    case DType::f16: return convert<f16>(from, n, out);
    case DType::f8_e4m3:
      scales_for(t, weight_scale_inv);
      convert<f8_e4m3>(from, n, out);
      return apply_scales(t, first, count, out, *weight_scale_inv, block);
    case DType::i64:
    case DType::i32:
    case DType::u8:
    case DType::i8: break;
  }
  user_error("{}: {} has the type {}; a weight must be F32, BF16, F16, F64 or F8_E4M3", *t.file, printable(t.name),
             name_of(t.dtype));
}

void write_hf_folder(const fs::path& folder, const FolderToWrite& content) {
  write_file_atomic(folder / "config.json", content.config_json);
  if (!content.generation_config_json.empty())
    write_file_atomic(folder / "generation_config.json", content.generation_config_json);

  std::vector<size_t> begins = {0};  // first tensor of each shard
  size_t total = 0, in_shard = 0;
  for (size_t i = 0; i < content.tensors.size(); ++i) {
    const size_t bytes = byte_size(content.tensors[i]);
    if (in_shard > 0 && in_shard + bytes > content.max_shard_bytes) begins.push_back(i), in_shard = 0;
    in_shard += bytes;
    total += bytes;
  }
  const std::span<const TensorToWrite> all(content.tensors);
  if (begins.size() == 1) return write_safetensors(folder / "model.safetensors", all);

  std::string map;
  for (size_t s = 0; s < begins.size(); ++s) {
    const size_t end = s + 1 < begins.size() ? begins[s + 1] : all.size();
    const std::string file = fmt::format("model-{:05}-of-{:05}.safetensors", s + 1, begins.size());
    write_safetensors(folder / file, all.subspan(begins[s], end - begins[s]));
    for (size_t i = begins[s]; i < end; ++i)
      map += fmt::format("{}    {}: \"{}\"", map.empty() ? "" : ",\n", nlohmann::json(all[i].name).dump(), file);
  }
  write_file_atomic(
      folder / "model.safetensors.index.json",
      fmt::format("{{\n  \"metadata\": {{\"total_size\": {}}},\n  \"weight_map\": {{\n{}\n  }}\n}}\n", total, map));
}

}  // namespace minke
