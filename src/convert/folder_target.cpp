// A model as a Hugging Face folder.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "blocks/fp8.h"
#include "blocks/quantise.h"
#include "convert/target.h"
#include "core/divided_up.h"
#include "core/error.h"
#include "formats/gguf_own_keys.h"
#include "tokenize/from_gguf.h"
#include "tokenize/tokenizer.h"

namespace minke {
namespace {

constexpr size_t kMaxTextBytes = size_t(1) << 28;
constexpr const char* kScale = "_scale_inv";
constexpr double kLargestHalf = 65504;

// What stands beside the weights, as published folders have it.
constexpr const char* kFurtherFiles[] = {"tokenizer.json",
                                         "tokenizer_config.json",
                                         "chat_template.jinja",
                                         "vocab.json",
                                         "merges.txt",
                                         "special_tokens_map.json",
                                         "LICENSE",
                                         "generation_config.json",
                                         "added_tokens.json"};

DType dtype_of(BlockFormat format) {
  switch (format) {
    case BlockFormat::f32: return DType::f32;
    case BlockFormat::f16: return DType::f16;
    default: return DType::bf16;
  }
}
BlockFormat format_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return BlockFormat::f32;
    case DType::f16: return BlockFormat::f16;
    default: return BlockFormat::bf16;
  }
}
const char* torch_name(DType dtype) {
  return dtype == DType::f32 ? "float32" : dtype == DType::f16 ? "float16" : "bfloat16";
}

// The matrices that DeepSeek-V3 has in FP8: of attention and feed-forward.
bool becomes_fp8(const Parameter& p) {
  return p.shape.size() == 2 && (p.part == Part::attention || p.part == Part::dense_ffn ||
                                 p.part == Part::routed_expert || p.part == Part::shared_expert);
}

// Whether the type holds every value of a small tensor.
bool holds(DType dtype, const ConvertSource& source, const Parameter& p) {
  std::vector<float> values(size_t(p.size())), again(values.size());
  const WeightSource from = source.weights();
  from.files->read_rows_as_f32(p.name, 0, p.size() / columns(p.shape), values.data(), from.block);
  const auto fits = [](float v) { return std::fabs(v) <= kLargestHalf; };
  if (dtype == DType::f16 && !std::all_of(values.begin(), values.end(), fits)) return false;
  const BlockFormat format = format_of(dtype);
  std::vector<std::byte> bytes(size_t(row_bytes(format, p.size())));
  quantise(format, values, bytes, p.name);
  dequantise(format, bytes, again);
  return values == again;
}

class Planner {
 public:
  Planner(const ConvertSource& source, WeightType type)
      : source_(source), from_file_(source.files.weights.gguf() != nullptr), type_(type) {
    const fs::path& path = source.files.weights.path();
    if (type == WeightType::q8_0 || type == WeightType::q4_0 || type == WeightType::q4_k)
      user_error("--dtype {}: folders hold f32, bf16 and fp8; for {} give --out a name that ends in .gguf",
                 name_of(type), name_of(type));
    if (type == WeightType::keep && !from_file_ && !source.files.weights.are_made())
      user_error("{} is a folder already: say with --dtype what to change: f32, bf16 or fp8", path.string());
    if (type == WeightType::fp8 && source.files.config.fp8_block > 0)
      user_error("{} is in FP8 blocks already", path.string());
    base_ = type == WeightType::f32    ? DType::f32
            : type == WeightType::keep ? dtype_of(kept_format(source.info("model.embed_tokens.weight").format))
                                       : DType::bf16;
  }

  FolderTarget plan() {
    for (const Parameter& p : source_.tensors) tensor(p);
    if (source_.files.weights.are_made()) config_texts();
    else from_file_ ? texts_of_file() : texts_of_folder();
    return std::move(target_);
  }

 private:
  void tensor(const Parameter& p) {
    if (type_ == WeightType::fp8 && becomes_fp8(p)) {
      add({.name = p.name, .dtype = DType::f8_e4m3, .shape = p.shape});
      add({.name = p.name + kScale,
           .dtype = DType::f32,
           .shape = {divided_up(p.shape[0], kFp8Block), divided_up(p.shape[1], kFp8Block)}});
    } else {
      add({.name = p.name, .dtype = dtype_for(p), .shape = p.shape});
    }
  }
  void add(TensorToWrite t) {
    target_.bytes += byte_size(t);
    target_.content.tensors.push_back(std::move(t));
  }

  DType dtype_for(const Parameter& p) const {
    if (p.name.ends_with("e_score_correction_bias")) return DType::f32;  // as published
    if (type_ != WeightType::keep) return base_;
    // GGUF files have small tensors in FP32 whatever they were in.
    if (is_small(p)) return holds(base_, source_, p) ? base_ : DType::f32;
    return dtype_of(kept_format(source_.info(p.name).format));
  }

  void config_texts() {
    Config config = source_.files.config;
    config.fp8_block = type_ == WeightType::fp8 ? kFp8Block : 0;
    target_.content.config_json = config_to_json(config, torch_name(base_)).dump(2) + "\n";
    target_.content.generation_config_json = generation_config_json(config);
  }

  void texts_of_file() {
    config_texts();
    const std::string where = source_.files.weights.path().string();
    const Gguf file = Gguf::open(source_.files.weights.path());
    const auto generation = file.metadata().text(gguf_own::kGenerationConfig);
    const std::string key = fmt::format("{}: {}", where, gguf_own::kGenerationConfig);
    if (generation) target_.content.generation_config_json = parse_json(*generation, key).dump(2) + "\n";
    if (!file.metadata().has("tokenizer.ggml.model")) {
      target_.notes.push_back("note: " + where + " has no tokenizer, so the folder has none");
      return;
    }
    TokenizerTexts texts = tokenizer_texts(read_tokenizer(file.metadata()), where);
    const Tokenizer tokenizer = Tokenizer::from_json_text(texts.tokenizer_json, where, texts.tokenizer_config_json);
    const int64_t vocab_size = source_.files.config.vocab_size;
    if (tokenizer.vocab_size() > vocab_size)
      user_error("the tokenizer of {} has {} tokens, the model only {}: they do not belong together", where,
                 tokenizer.vocab_size(), vocab_size);
    if (!texts.note.empty()) target_.notes.push_back(texts.note);
    target_.texts.emplace_back("tokenizer.json", std::move(texts.tokenizer_json));
    target_.texts.emplace_back("tokenizer_config.json", std::move(texts.tokenizer_config_json));
  }

  // Its config.json stays as it is but for the types.
  void texts_of_folder() {
    const fs::path folder = source_.files.weights.path(), file = folder / "config.json";
    Json config = parse_json(read_file(file, kMaxTextBytes), file.string());
    for (const char* key : {"torch_dtype", "dtype"})
      if (config.contains(key)) config[key] = torch_name(base_);
    config.erase("quantization_config");
    Config changed = source_.files.config;
    changed.fp8_block = type_ == WeightType::fp8 ? kFp8Block : 0;
    if (changed.fp8_block > 0) config["quantization_config"] = config_to_json(changed)["quantization_config"];
    target_.content.config_json = config.dump(2) + "\n";
    for (const char* name : kFurtherFiles)
      if (fs::is_regular_file(folder / name)) target_.texts.emplace_back(name, read_file(folder / name, kMaxTextBytes));
  }

  const ConvertSource& source_;
  const bool from_file_;
  const WeightType type_;
  DType base_ = DType::bf16;
  FolderTarget target_;
};

}  // namespace

FolderTarget plan_folder(const ConvertSource& source, WeightType type) { return Planner(source, type).plan(); }

void write_target(const ConvertSource& source, FolderTarget target, const fs::path& folder, const OnBytes& on_bytes) {
  std::optional<TensorPieces> pieces;  // of the tensor whose turn it is
  std::optional<Fp8Pieces> fp8;
  std::string current;
  const auto shape_of = [&](std::string_view name) -> std::vector<int64_t> {
    const std::span<const int64_t> shape = source.files.weights.at(name).shape;
    return {shape.begin(), shape.end()};
  };
  for (TensorToWrite& t : target.content.tensors)
    t.parts = [&, name = t.name, dtype = t.dtype]() -> std::span<const std::byte> {
      const bool scales = name.ends_with(kScale);
      const bool is_new = current != name;
      current = name;
      if (scales || dtype == DType::f8_e4m3) {
        const std::string of = scales ? name.substr(0, name.size() - std::string_view(kScale).size()) : name;
        if (is_new)
          fp8.emplace(source.weights(), plain_tensor(of, shape_of(of)),
                      scales ? Fp8Pieces::What::scales : Fp8Pieces::What::values, on_bytes);
        return fp8->next();
      }
      if (is_new) pieces.emplace(source.weights(), plain_tensor(name, shape_of(name)), format_of(dtype), on_bytes);
      return pieces->next();
    };
  write_hf_folder(folder, target.content);
  for (const auto& [name, text] : target.texts) write_file_atomic(folder / name, text);
}

}  // namespace minke
