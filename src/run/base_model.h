// The model that SFT and RL begin with. What is needed of it besides its weights is kept in the run's folder `base`, so that a
// run with a checkpoint no longer needs the model. Tests: tests/run/sft_test.cpp, tests/app/sft_test.sh, grpo_test.sh.
#pragma once
#include <functional>
#include <optional>

#include "model/model.h"
#include "run/run_folder.h"
#include "tokenize/chat_template.h"
#include "tokenize/tokenizer.h"

namespace minke {

class BaseModel {
 public:
  // The folder outlives this.
  BaseModel(const fs::path& model, const RunFolder& folder);
  const fs::path& files() const { return files_; }  // the model, or what is kept of it once the run has begun
  const Config& config() const { return config_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }

  // Nothing if it has none.
  const std::optional<ChatTemplate>& chat_template() const { return chat_template_; }
  // Tokenizer and chat template, as a checkpoint of a model made from this one holds them.
  void save_files(const fs::path& folder) const;

  // `more` writes what else is to be kept.
  void keep(const std::function<void(const fs::path&)>& more = {}) const;
  // The weights of step 0. Of a run with a checkpoint any: its own are read afterwards.
  void initialise(const Context& ctx, Model& model) const;

 private:
  fs::path kept() const { return folder_.path() / "base"; }
  const RunFolder& folder_;
  fs::path model_, files_;
  Config config_;
  Tokenizer tokenizer_;
  std::optional<ChatTemplate> chat_template_;
};

}  // namespace minke
