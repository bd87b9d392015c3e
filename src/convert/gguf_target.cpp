// A model as a GGUF file.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "convert/random_weights.h"
#include "convert/target.h"
#include "core/error.h"
#include "formats/gguf_own_keys.h"
#include "tokenize/to_gguf.h"

namespace minke {
namespace {

constexpr size_t kMaxTextBytes = size_t(1) << 20;

using Kind = GgufExportTensor::Kind;

// llama.cpp's numbers for what most of a file is in.
constexpr struct {
  BlockFormat format;
  uint32_t number;
} kFileTypes[] = {{BlockFormat::f32, 0},  {BlockFormat::f16, 1},  {BlockFormat::bf16, 32},
                  {BlockFormat::q8_0, 7}, {BlockFormat::q4_0, 2}, {BlockFormat::q4_k, 14}};

BlockFormat format_of(WeightType type, const char* flag) {
  switch (type) {
    case WeightType::f32: return BlockFormat::f32;
    case WeightType::bf16: return BlockFormat::bf16;
    case WeightType::q8_0: return BlockFormat::q8_0;
    case WeightType::q4_0: return BlockFormat::q4_0;
    case WeightType::q4_k: return BlockFormat::q4_k;
    case WeightType::fp8: user_error("{} fp8: GGUF files have no FP8; use q8_0 or bf16, or a folder as --out", flag);
    case WeightType::keep: break;
  }
  bug("a type without a format", SourceLocation::current());
}

// The nearest one whose blocks make whole rows: of those that are no worse, the smallest.
BlockFormat fitting(BlockFormat format, int64_t columns) {
  if (format == BlockFormat::q4_k && columns % info_of(format).block_elements != 0) format = BlockFormat::q5_0;
  return columns % info_of(format).block_elements == 0 ? format : BlockFormat::bf16;
}

class Planner {
 public:
  Planner(const ConvertSource& source, WeightType type, std::optional<WeightType> experts)
      : source_(source), config_(source.files.config), type_(type), experts_(experts.value_or(type)) {
    if (experts && config_.n_routed_experts == 0)
      user_error("--experts {}: the model has no routed experts", name_of(*experts));
  }

  GgufTarget plan() {
    std::vector<PublishedShape> shapes;
    for (const Parameter& p : source_.tensors) shapes.push_back({p.name, p.shape});
    for (const Parameter& p : source_.tensors)
      if (is_small(p)) small_.insert(p.name);
    Config config = config_;
    config.fp8_block = 0;
    const std::string where = source_.files.weights.path().string();
    GgufExport all = plan_export(config_to_json(config).dump(), shapes, where);
    target_.keys = std::move(all.keys);
    for (std::string& warning : all.warnings) note(std::move(warning));
    for (GgufExportTensor& t : all.tensors) tensor(std::move(t));
    for (const auto& [change, count] : changes_) {
      const auto& [name, columns, wanted, taken] = change;
      note(fmt::format("{}{}: rows of {} are no whole blocks of {}: {}", count > 1 ? fmt::format("{} × ", count) : "",
                       name, columns, wanted, taken));
    }
    keys();
    return std::move(target_);
  }

 private:
  void note(std::string text) { target_.notes.push_back("note: " + std::move(text)); }

  void tensor(GgufExportTensor t) {
    const BlockFormat wanted = wanted_format(t), taken = fitting(wanted, columns(t.shape));
    if (wanted != taken) {
      const size_t layer = t.name.starts_with("blk.") ? t.name.find('.', 4) : t.name.npos;
      ++changes_[{layer == t.name.npos ? t.name : t.name.substr(layer + 1), columns(t.shape), info_of(wanted).name,
                  info_of(taken).name}];
    }
    const int64_t n = elements(t.shape), bytes = n / info_of(taken).block_elements * info_of(taken).block_bytes;
    elements_[taken] += n;
    target_.bytes += size_t(bytes);
    target_.tensors.push_back({std::move(t), taken});
  }

  BlockFormat wanted_format(const GgufExportTensor& t) const {
    if (t.kind == Kind::given || small_.count(t.sources[0])) return BlockFormat::f32;
    const WeightType type = t.kind == Kind::stacked ? experts_ : type_;
    if (type != WeightType::keep) return format_of(type, t.kind == Kind::stacked ? "--experts" : "--dtype");
    const BlockFormat first = kept_format(source_.info(t.sources[0]).format);
    const bool all = std::all_of(t.sources.begin(), t.sources.end(),
                                 [&](const auto& name) { return kept_format(source_.info(name).format) == first; });
    return all ? first : BlockFormat::f32;  // which holds them all
  }

  void keys() {
    GgufMetadataToWrite& keys = target_.keys;
    const auto most = std::max_element(elements_.begin(), elements_.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    for (const auto& [format, number] : kFileTypes)
      if (most != elements_.end() && most->first == format) keys.add_u32("general.file_type", number);
    keys.add_u32("general.quantization_version", 2);
    fs::path path = source_.files.weights.path();
    if (!path.has_filename()) path = path.parent_path();  // "model/"
    const bool of_file = source_.files.weights.gguf(), made = source_.files.weights.are_made();
    keys.add_text("general.name", of_file || made ? path.stem().string() : path.filename().string());
    if (of_file) return keys_of_file();
    own_config();
    if (made) return add_byte_tokenizer(keys, config_.vocab_size);
    keys_of_folder(path);
  }

  void own_config() {
    Json own = Json::object();
    own["bos_token_id"] = config_.bos_token_id >= 0 ? Json(config_.bos_token_id) : Json();
    own["eos_token_id"] = config_.eos_token_ids.empty() ? Json() : Json(config_.eos_token_ids);
    own["initializer_range"] = config_.initializer_range;
    target_.keys.add_text(gguf_own::kConfig, own.dump());
  }

  void keys_of_file() {
    const Gguf file = Gguf::open(source_.files.weights.path());
    for (const auto& [key, value] : file.metadata().entries())
      if (key.starts_with("tokenizer.") || key.starts_with("minke.")) target_.keys.copy(key, value);
  }

  void keys_of_folder(const fs::path& folder) {
    GgufMetadataToWrite& keys = target_.keys;
    const fs::path generation = folder / "generation_config.json";
    if (fs::exists(generation))
      keys.add_text(gguf_own::kGenerationConfig,
                    parse_json(read_file(generation, kMaxTextBytes), generation.string()).dump());
    if (!fs::exists(folder / "tokenizer.json"))
      return note(folder.string() + " has no tokenizer.json: the file has no tokenizer, and other programs refuse it");
    for (std::string& warning :
         add_tokenizer(keys, folder,
                       {.vocab_size = config_.vocab_size, .bos = config_.bos_token_id, .ends = config_.eos_token_ids}))
      note(std::move(warning));
  }

  const ConvertSource& source_;
  const Config& config_;
  const WeightType type_, experts_;
  std::set<std::string, std::less<>> small_;  // published names
  std::map<std::tuple<std::string, int64_t, std::string, std::string>, int> changes_;
  std::map<BlockFormat, int64_t> elements_;
  GgufTarget target_;
};

}  // namespace

GgufTarget plan_gguf(const ConvertSource& source, WeightType type, std::optional<WeightType> experts) {
  return Planner(source, type, experts).plan();
}

void write_target(const ConvertSource& source, const GgufTarget& target, const fs::path& file,
                  const OnBytes& on_bytes) {
  std::vector<GgufTensorToWrite> list;
  std::optional<TensorPieces> pieces;  // of the tensor whose turn it is
  size_t current = target.tensors.size();
  for (size_t i = 0; i < target.tensors.size(); ++i) {
    const auto& [tensor, format] = target.tensors[i];
    list.push_back({.name = tensor.name, .format = format, .shape = tensor.shape, .produce = [&, i] {
                      if (current != i) {
                        pieces.emplace(source.weights(), target.tensors[i].tensor, target.tensors[i].format, on_bytes);
                        current = i;
                      }
                      return pieces->next();
                    }});
  }
  write_gguf(file, target.keys, list);
}

}  // namespace minke
