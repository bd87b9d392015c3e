#include "model/checkpoint.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "model/block_weights.h"

namespace minke {
namespace {

// Returns when they have arrived.
void upload_f32(const Context& ctx, const std::vector<float>& host, const Operand& to) {
  const auto upload = [&](const auto& values) {
    ctx.backend->upload(ctx, {.host = values.data(), .device = to});
    ctx.backend->synchronize(ctx);
  };
  if (to.dtype == DType::f32) return upload(host);
  if (to.dtype == DType::bf16) return upload(std::vector<bf16>(host.begin(), host.end()));
  check(to.dtype == DType::f64, "upload_f32: masters are f32, bf16 or f64");
  upload(std::vector<double>(host.begin(), host.end()));
}

bool may_be_left_out(std::string_view name) {
  return name.ends_with("rotary_emb.inv_freq") || name.ends_with("_scale_inv");
}

// What the files of such a model hold.
std::vector<Parameter> published_parameters(const Config& config, Head head) {
  std::vector<Parameter> all = parameters(config);
  if (head == Head::tokens) return all;
  std::erase_if(all, [](const Parameter& p) { return p.part == Part::head; });
  all.push_back({.name = kScoreTensor,
                 .symbol = "w",
                 .shape = {1, config.hidden_size},
                 .fields = "[1, hidden_size]",
                 .init = Init::zeros,
                 .storage = "value_head",
                 .part = Part::head});
  return all;
}
Head head_of(const Model& model) { return model.is_critic() ? Head::value : Head::tokens; }

// "DeepseekV3ForCausalLM" → "DeepseekV3ForSequenceClassification", as transformers names them.
void classify(Json& config) {
  constexpr std::string_view kCausal = "ForCausalLM";
  std::string name = config["architectures"][0];
  if (name.ends_with(kCausal)) name.replace(name.size() - kCausal.size(), kCausal.size(), "ForSequenceClassification");
  config["architectures"][0] = name;
  config["num_labels"] = 1;
}

}  // namespace

std::vector<PublishedTensor> published_tensors(const Model& model) {
  std::vector<PublishedTensor> all;
  for (const Parameter& p : published_parameters(model.config(), head_of(model))) {
    const Weight* w = model.weights().get(p.storage);
    if (w->in_blocks()) continue;
    const int64_t begin = element_offset(p, w->storage());
    PublishedTensor t{p.name, p.storage,           p.shape, w->master().flat().slice(0, begin, begin + p.size()),
                      {},     p.optional_duplicate};
    if (w->grad() && !p.optional_duplicate) t.grad = w->grad().flat().slice(0, begin, begin + p.size());
    all.push_back(std::move(t));
  }
  return all;
}

namespace {

// Where the configuration stands, and what to do if the weights are others.
std::string configuration_of(const WeightFiles& files) {
  return files.gguf() ? "the metadata of the file" : "the config.json of that folder";
}
std::string remedy(const WeightFiles& files) {
  return files.gguf() ? "the file is damaged, or was made for another model"
                      : "correct the field, or use config.json and weights of one model";
}

void check_weights(const Config& config, const WeightFiles& files, const std::filesystem::path& path, Head head) {
  const bool scores = files.find(kScoreTensor) != nullptr;
  if (scores && head == Head::tokens)
    user_error(
        "{} is a reward model ({} stands in place of lm_head.weight): it scores answers and writes none. Give a model "
        "that writes, or score with minke reward-model --score",
        path.string(), kScoreTensor);
  if (!scores && head == Head::value)
    user_error("{} is no reward model: it has no {}. Make one of it with minke reward-model PAIRS.jsonl -m {} --out …",
               path.string(), kScoreTensor, path.string());
  std::unordered_set<std::string_view> known;
  const std::vector<Parameter> all = published_parameters(config, head);
  for (const Parameter& p : all) {
    known.insert(p.name);
    const WeightInfo* found = p.optional_duplicate ? files.find(p.name) : &files.at(p.name);
    if (found && !std::equal(found->shape.begin(), found->shape.end(), p.shape.begin(), p.shape.end()))
      user_error("{}: tensor {} has shape {}, but by {} it must be {} = {}; {}", *found->file, p.name,
                 shape_text(found->shape), configuration_of(files), p.fields, shape_text(p.shape), remedy(files));
  }
  // What stands beside eh_proj is an MTP module's: left out where the config asks for fewer.
  const auto left_out_mtp = [&](std::string_view name) {
    const size_t dot = name.starts_with("model.layers.") ? name.find('.', 13) : name.npos;
    return dot != name.npos && !known.contains(std::string(name.substr(0, dot)) + ".eh_proj.weight") &&
           files.find(std::string(name.substr(0, dot)) + ".eh_proj.weight");
  };
  for (const WeightInfo& t : files.all()) {
    const bool tied_head = config.tie_word_embeddings && t.name == "lm_head.weight";
    if (!known.contains(t.name) && !may_be_left_out(t.name) && !left_out_mtp(t.name) && !tied_head)
      user_error("{}: tensor {} is not part of the model of {} (num_hidden_layers {}, n_routed_experts {} …); {}",
                 *t.file, printable(t.name), files.gguf() ? "its metadata" : "config.json", config.num_hidden_layers,
                 config.n_routed_experts, remedy(files));
  }
}

// Not one tensor of a layer behind the main model's, though the config asks for some.
bool lacks_mtp_modules(const Config& config, const WeightFiles& files) {
  if (config.num_nextn_predict_layers == 0) return false;
  for (const WeightInfo& t : files.all())
    for (int64_t k = 0; k < config.num_nextn_predict_layers; ++k)
      if (t.name.starts_with(fmt::format("model.layers.{}.", config.num_hidden_layers + k))) return false;
  return true;
}

CheckpointFiles open_folder(const std::filesystem::path& folder) {
  if (std::filesystem::is_regular_file(folder))
    user_error("{} is no GGUF file; of a Hugging Face checkpoint give the folder", folder.string());
  refuse_folder_of_gguf(folder, "config.json");
  Config config = load_config(folder);
  return {std::move(config), WeightFiles::open(folder), {}};
}

CheckpointFiles open_gguf(const std::filesystem::path& path) {
  WeightFiles weights = WeightFiles::open(path);
  Config config = parse_config(weights.gguf()->config_json, path.string());
  std::vector<std::string> notes;
  for (const std::string& note : weights.gguf()->notes)
    notes.push_back(fmt::format("note: {}: {}", path.string(), note));
  return {std::move(config), std::move(weights), std::move(notes)};
}

}  // namespace

WeightFiles open_weights(const Config& config, const std::filesystem::path& path, Head head) {
  WeightFiles files = WeightFiles::open(path);
  check_weights(config, files, path, head);
  return files;
}

CheckpointFiles open_checkpoint(const std::filesystem::path& path, int64_t mtp_modules, Head head) {
  CheckpointFiles files = is_gguf(path) ? open_gguf(path) : open_folder(path);
  if (lacks_mtp_modules(files.config, files.weights)) {
    files.notes.push_back(fmt::format(
        "note: {} has num_nextn_predict_layers {}, but its weights have no MTP module ({}); the model is used without "
        "it",
        files.weights.gguf() ? path.string() : (path / "config.json").string(), files.config.num_nextn_predict_layers,
        files.weights.gguf() ? "they were left out of the file" : "transformers does not save them"));
    files.config.num_nextn_predict_layers = 0;
  }
  files.config.num_nextn_predict_layers = std::min(files.config.num_nextn_predict_layers, mtp_modules);
  check_weights(files.config, files.weights, path, head);
  return files;
}

void load_weights(const Context& ctx, Model& model, const WeightFiles& weights) {
  const int64_t block = model.config().scale_block();
  std::vector<float> host;
  std::unordered_map<std::string, std::vector<PublishedTensor>> of_storage;
  for (PublishedTensor& t : published_tensors(model))
    if (!t.duplicate) of_storage[t.storage].push_back(std::move(t));
  for (Weight* w : model.weights().largest_first()) {
    for (const PublishedTensor& t : of_storage[w->storage().name]) {
      if (t.name == kScoreTensor && !weights.find(kScoreTensor)) continue;
      const int64_t columns = t.shape.back();
      in_row_pieces(t.master.size() / columns, columns, [&](int64_t first, int64_t count) {
        host.resize(size_t(count * columns));
        weights.read_rows_as_f32(t.name, first, count, host.data(), block);
        upload_f32(ctx, host, t.master.slice(0, first * columns, (first + count) * columns));
      });
    }
    w->changed();
    if (w->may_be_packed()) w->keep_packed(ctx);
  }
  load_block_weights(ctx, model, weights);
}

size_t load_nothing(const Context& dry, Model& model) {
  size_t most = 0, loaded = 0;
  for (Weight* w : model.weights().largest_first()) {
    const size_t master = w->bytes();
    if (w->may_be_packed()) {
      w->keep_packed(dry);
      most = std::max(most, loaded + master + w->bytes());
    }
    loaded += w->bytes();
  }
  return std::max(most, loaded);
}

std::string generation_config_json(const Config& c) {
  Json generation;
  if (c.bos_token_id >= 0) generation["bos_token_id"] = c.bos_token_id;
  if (c.eos_token_ids.size() == 1) generation["eos_token_id"] = c.eos_token_ids[0];
  else if (!c.eos_token_ids.empty()) generation["eos_token_id"] = c.eos_token_ids;
  return generation.is_null() ? "" : generation.dump(2) + "\n";
}

void save_weights(const Context& ctx, const Model& model, const std::filesystem::path& folder, DType dtype) {
  check(dtype == DType::f32 || dtype == DType::bf16, "save_weights: dtype");
  FolderToWrite content;
  Json config = config_to_json(model.config(), dtype == DType::bf16 ? "bfloat16" : "float32");
  if (model.is_critic()) classify(config);
  content.config_json = config.dump(2) + "\n";
  content.generation_config_json = generation_config_json(model.config());

  std::vector<float> host;
  std::vector<bf16> narrow;
  for (const PublishedTensor& t : published_tensors(model)) {
    const bool bias = t.name.ends_with("e_score_correction_bias");  // FP32 in the published files, too
    const DType as = bias ? DType::f32 : dtype;
    content.tensors.push_back(
        {.name = t.name, .dtype = as, .shape = t.shape, .produce = [&, from = t.master, as]() -> const void* {
           host.resize(size_t(from.size()));
           ctx.backend->download(ctx, {.device = from, .host = host.data()});
           if (as == DType::f32) return host.data();
           narrow.resize(host.size());
           std::transform(host.begin(), host.end(), narrow.begin(), [](float v) { return bf16(v); });
           return narrow.data();
         }});
  }
  write_hf_folder(folder, content);
}

void save_tensors(const Context& ctx, const NamedOperands& tensors, const std::filesystem::path& file) {
  std::vector<std::byte> host;
  std::vector<TensorToWrite> all;
  for (const auto& [name, operand] : tensors) {
    all.push_back(
        {.name = name, .dtype = operand.dtype, .shape = {operand.size()}, .produce = [&, o = operand]() -> const void* {
           host.resize(o.bytes());
           ctx.backend->download(ctx, {.device = o, .host = host.data()});
           return host.data();
         }});
  }
  write_safetensors(file, all);
}

void load_tensors(const Context& ctx, const NamedOperands& tensors, const std::filesystem::path& file) {
  const SafetensorsFile saved = SafetensorsFile::open(file);
  for (const auto& [name, operand] : tensors) {
    const TensorInfo& t = saved.at(name);
    if (t.dtype != operand.dtype || t.size() != operand.size())
      user_error("{}: {} is {} {}, but this run needs {} elements of {}: it was saved with another recipe",
                 file.string(), name, name_of(t.dtype), shape_text(t.shape), operand.size(), name_of(operand.dtype));
  }
  for (const auto& [name, operand] : tensors) {
    const TensorInfo& t = saved.at(name);
    ctx.backend->upload(ctx, {.host = t.bytes.data(), .device = operand});
    ctx.backend->synchronize(ctx);
    forget_pages(t.bytes);
  }
}

}  // namespace minke
