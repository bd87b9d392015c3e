// A pre-training run in a folder: recipe.toml (resolved), tokenizer/, data/ (token shards), log.jsonl, checkpoints/step-N
// (Hugging Face folders that also hold train/, the resumable state) and latest, a link to the newest. Puts together
// what the layers offer; the order of things is in PretrainRun::run. Test: tests/app/pretrain_test.sh.
#pragma once
#include <filesystem>
#include <optional>

#include "app/runtime.h"
#include "data/loader.h"
#include "data/tokenize_data.h"
#include "report/console.h"
#include "report/jsonl.h"
#include "tokenize/tokenizer.h"
#include "train/recipe.h"
#include "train/trainer.h"

namespace minke {

// Tokenizer of the run: the one named, the one trained before, or a new one from the data.
Tokenizer prepare_tokenizer(const Recipe& recipe, const fs::path& run_folder, int threads, Console& console);
// Token shards of the run, made once.
Dataset prepare_data(const Recipe& recipe, const Tokenizer& tokenizer, const fs::path& run_folder, int threads,
                     Console& console);
// config.json of the run: [model] with what the tokenizer and the recipe know.
Config model_config(const Recipe& recipe, int64_t vocab_size, int64_t bos, int64_t eos);

struct Evaluation {
  double nats_per_token = 0, bits_per_byte = 0;
  int64_t tokens = 0;
};

// The folder of a run. One that was made here and is still empty at the end is taken away: a mistake in the data leaves
// nothing behind.
class RunFolder {
 public:
  // UserError if there is a run in it already, unless that is to be resumed.
  RunFolder(const fs::path& folder, bool resume);
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;
  ~RunFolder();
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  bool is_new_ = false;
};

class PretrainRun {
 public:
  // resume: continue the run in `folder` if there is one; otherwise an existing run there is a UserError.
  PretrainRun(Recipe recipe, fs::path folder, bool resume, RuntimeOptions runtime);

  // Trains to the end, or until a signal: then it saves. False if it was stopped.
  bool run();

 private:
  void announce();
  void decide_steps();
  void load_latest();
  StepReport train_step();
  Evaluation evaluate(int64_t max_tokens);
  void log_step(const StepReport& report, double seconds);
  void log_evaluation(bool last);
  void show_samples();
  void save();
  TokenBatch token_batch(const SequenceBatch& batch, int64_t begin, int64_t count) const;
  bool due(double every) const;  // the step just done completes another `every` share of the run
  const Context& ctx() const { return runtime_.ctx(); }

  Recipe recipe_;
  RunFolder run_folder_;
  const fs::path& folder_;
  Runtime runtime_;
  Console console_;
  Tokenizer tokenizer_;
  Dataset data_;
  std::optional<Loader> loader_;
  LoaderPosition position_;
  std::optional<Model> model_;
  std::optional<Trainer> trainer_;
  std::optional<JsonlLog> log_;
  int64_t micro_batch_ = 1;
  double train_seconds_ = 0, recent_rate_ = 0;
};

}  // namespace minke
