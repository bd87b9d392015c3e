#include "run/base_model.h"

#include <nlohmann/json.hpp>

#include "model/checkpoint.h"

namespace minke {

BaseModel::BaseModel(const fs::path& model, const RunFolder& folder)
    : folder_(folder),
      model_(model),
      files_(folder.has_begun() ? kept() : model),
      config_(folder.has_begun() ? load_config(files_) : open_checkpoint(model, kAllMtp).config),
      tokenizer_(Tokenizer::load(files_)) {}

void BaseModel::keep(const std::function<void(const fs::path&)>& more) const {
  AtomicFolder made(kept());
  tokenizer_.save(made.path());
  write_file_atomic(made.path() / "config.json", config_to_json(config_).dump(2));
  if (more) more(made.path());
  made.commit();
}

void BaseModel::initialise(const Context& ctx, Model& model) const {
  if (!folder_.has_checkpoint()) load_weights(ctx, model, open_checkpoint(model_, kAllMtp).weights);
  else model.weights().initialise(ctx, config_.initializer_range);
}

}  // namespace minke
