#include "convert/target.h"
#include "core/error.h"

namespace minke {

ConvertSource open_source(const fs::path& path) { return with_tensors(open_checkpoint(path, kAllMtp)); }

ConvertSource with_tensors(CheckpointFiles files) {
  ConvertSource source{std::move(files), {}};
  for (Parameter& p : parameters(source.files.config))
    if (source.files.weights.find(p.name)) source.tensors.push_back(std::move(p));
  return source;
}

BlockFormat kept_format(std::string_view stored) {
  if (stored == name_of(DType::f64)) return BlockFormat::f32;
  const BlockFormatInfo* info = find_block_format(stored);
  return info && info->block_elements == 1 ? info->format : BlockFormat::bf16;
}

bool is_small(const Parameter& p) { return p.shape.size() == 1 || p.part == Part::router; }

}  // namespace minke
