#include "formats/weight_files.h"

#include "core/error.h"

namespace minke {
namespace {

const std::string& file_of(const GgufWeight& w) { return *w.tensor->file; }

void forget(const GgufWeight& w) {
  const bool part = w.kind == GgufWeight::Kind::expert;  // the other experts may not have been read yet
  forget_pages(part ? blocks_in_file(w) : w.tensor->bytes);
  if (w.values) forget_pages(w.values->bytes);
}

}  // namespace

WeightFiles WeightFiles::open(const fs::path& path) {
  WeightFiles files;
  files.path_ = path;
  if (is_gguf(path)) {
    files.gguf_ = Gguf::open(path);
    files.described_ = describe(*files.gguf_);
    for (const GgufWeight& w : files.described_.weights)
      files.all_.push_back({.name = w.name,
                            .shape = w.shape,
                            .format = info_of(w.tensor->format).name,
                            .file = &file_of(w),
                            .in_gguf = &w});
  } else {
    files.folder_ = HfFolder::open(path);
    for (const SafetensorsFile& file : files.folder_->files())
      for (const TensorInfo& t : file.tensors())
        files.all_.push_back({.name = t.name, .shape = t.shape, .format = name_of(t.dtype), .file = t.file.get()});
  }
  files.index();
  return files;
}

WeightFiles WeightFiles::made(MadeWeights weights) {
  WeightFiles files;
  files.path_ = weights.path;
  files.made_ = std::move(weights);
  for (const MadeWeights::Weight& w : files.made_->list)
    files.all_.push_back({.name = w.name, .shape = w.shape, .format = name_of(DType::f32)});
  files.index();
  return files;
}

void WeightFiles::index() {
  for (size_t i = 0; i < all_.size(); ++i)
    if (!index_.emplace(all_[i].name, i).second)
      user_error("{}: two of its tensors are {}", path_.string(), printable(all_[i].name));
}

const WeightInfo* WeightFiles::find(std::string_view name) const {
  const auto at = index_.find(name);
  return at == index_.end() ? nullptr : &all_[at->second];
}

const WeightInfo& WeightFiles::at(std::string_view name) const {
  if (const WeightInfo* w = find(name)) return *w;
  user_error(
      "{}: tensor {} is not among its {} tensors: {}, or a file is missing", path_.string(), name, all_.size(),
      gguf_ ? "its metadata and its tensors do not belong together" : "config.json and weights do not belong together");
}

void WeightFiles::read_rows_as_f32(std::string_view name, int64_t first, int64_t count, float* out,
                                   int64_t block) const {
  const WeightInfo& w = at(name);
  if (made_) return made_->rows(size_t(&w - all_.data()), first, count, out);
  if (!w.in_gguf) return folder_->read_rows_as_f32(name, first, count, out, block);
  minke::read_rows_as_f32(*w.in_gguf, first, count, out);
  forget(*w.in_gguf);
}

std::optional<StoredRows> WeightFiles::stored_rows(std::string_view name) const {
  const WeightInfo& w = at(name);
  if (w.shape.size() != 2 || made_) return std::nullopt;
  StoredRows rows{.in_gguf = w.in_gguf};
  if (w.in_gguf) {
    if (w.in_gguf->kind == GgufWeight::Kind::split_kv) return std::nullopt;
    rows.in_order = w.in_gguf->kind != GgufWeight::Kind::paired;
    rows.format = w.in_gguf->tensor->format;
    rows.bytes = rows.in_order ? blocks_in_file(*w.in_gguf) : w.in_gguf->tensor->bytes;
  } else {
    const TensorInfo& t = folder_->at(name);
    switch (t.dtype) {
      case DType::f32: rows.format = BlockFormat::f32; break;
      case DType::f16: rows.format = BlockFormat::f16; break;
      case DType::bf16: rows.format = BlockFormat::bf16; break;
      case DType::f8_e4m3: rows.format = BlockFormat::f8_e4m3; break;
      default: return std::nullopt;
    }
    rows.bytes = t.bytes;
  }
  rows.row_bytes = size_t(row_bytes(rows.format, w.shape[1]));
  check_equal(rows.bytes.size(), rows.row_bytes * size_t(w.shape[0]), "stored_rows: bytes");
  return rows;
}

std::vector<float> WeightFiles::fp8_scales(std::string_view name, int64_t block) const {
  check(folder_.has_value(), "fp8_scales: of a folder");
  return folder_->fp8_scales(name, block);
}

}  // namespace minke
