#include "run/base_model.h"

#include <nlohmann/json.hpp>

#include "model/checkpoint.h"
#include "run/chosen_template.h"

namespace minke {

BaseModel::BaseModel(const fs::path& model, const RunFolder& folder)
    : folder_(folder),
      model_(model),
      files_(folder.has_begun() ? kept() : model),
      config_(folder.has_begun() ? load_config(files_) : open_checkpoint(model, kAllMtp).config),
      tokenizer_(Tokenizer::load(files_)),
      chat_template_(ChatTemplate::load(files_)) {}

void BaseModel::keep(const std::function<void(const fs::path&)>& more) const {
  AtomicFolder made(kept());
  save_files(made.path());
  write_file_atomic(made.path() / "config.json", config_to_json(config_).dump(2));
  if (more) more(made.path());
  made.commit();
}

// A template in tokenizer_config.json is the tokenizer's; one that SFT chose stands in a file of its own.
void BaseModel::save_files(const fs::path& folder) const {
  tokenizer_.save(folder);
  if (fs::exists(files_ / kTemplateFile)) write_file_atomic(folder / kTemplateFile, read_file(files_ / kTemplateFile));
}

void BaseModel::initialise(const Context& ctx, Model& model) const {
  if (!folder_.has_checkpoint()) load_weights(ctx, model, open_checkpoint(model_, kAllMtp).weights);
  else model.weights().initialise(ctx, config_.initializer_range);
}

}  // namespace minke
