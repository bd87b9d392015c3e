// A training run as one TOML file. Every key is listed once in recipe_fields.h; its name, default and meaning are used for
// parsing, --set, the printed resolved recipe and --help-recipe. The error for a misspelt key names the nearest existing
// one. [model] holds the fields of config.json. Test: tests/recipe/recipe_test.cpp.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "corpus/prompt.h"
#include "recipe/choices.h"
#include "spec/config.h"

namespace minke {

struct Recipe {
  struct Tokenizer {
    std::string path;                         // an existing tokenizer folder
    TokenizerKind kind = TokenizerKind::bpe;  // trained on the data when path is empty
    int64_t vocab_size = 4096;
    TextSplit pretokenizer = TextSplit::automatic;
    std::vector<std::string> tags;  // more tokens that are never split, such as "<answer>"
  } tokenizer;
  struct Data {
    std::vector<std::string> train;  // files, folders, globs, or "builtin:", "builtin:KINDS" (corpus/corpus.h)
    std::vector<double> weights;  // one for each of train: their shares of the sequences; empty: all text once an epoch
    std::vector<std::string> text_keys{"text"};
    DocumentBounds documents = DocumentBounds::file;  // of plain text
    HeldOut held_out = HeldOut::documents;            // by their hash; tail: the last part of a single text
    double held_out_fraction = 0.01;
    int64_t builtin_bytes = 8'000'000;  // of "builtin:"
    bool mask_documents = false;        // no attention across documents
    double fim_rate = 0;
    DocumentPacking packing = DocumentPacking::concatenate;
    std::string cache;  // folder of token shards that runs share; empty: in the run's own
  } data;
  struct Train {
    int64_t steps = 0;   // 0: from minutes
    double minutes = 0;  // measured once at the start, then it is a number of steps
    int64_t sequence_length = 256, batch_size = 16, micro_batch_size = 0;
    FloatFormat precision = FloatFormat::bf16;
    uint64_t seed = 1;
    ScheduleKind schedule = ScheduleKind::cosine;  // V3; step: V1, V2
    std::vector<double> drops{0.8, 0.9};
    double drop_factor = 0.316;
    double lr = 1e-3, warmup = 0.02, decay_begin = 0.5, decay_end = 1.0, low_ratio = 0.1, last_begin = 1.0,
           last_ratio = 0.1;
    double beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weight_decay = 0.1, clip = 1.0;
    double dropout = 0;
    double initializer_range = 0.02;
    double mtp_weight = 0.3, mtp_weight_late = 0.1;
    bool dense = false;
    int64_t batch_start = 0;  // 0: no ramp
    double batch_ramp = 0.03;
    FloatFormat moments = FloatFormat::f32;
    double ema_decay = 0;
    std::vector<RecomputedPart> recompute;
    double spike_jump = 2;
    int64_t max_rollbacks = 3;
  } train;
  // [[long_context]]: phases after [train], as V3's two (§4.3).
  struct LongContext {
    int64_t steps = 0, sequence_length = 0, batch_size = 1, micro_batch_size = 0;
    double lr = 0, yarn_factor = 1;
  };
  std::vector<LongContext> long_context;
  // minke sft.
  struct Sft {
    double epochs = 2;  // with train.steps and train.minutes 0
    std::string chat_template = "model";
    double soft_targets = 0;  // share of the loss that is a teacher's distribution; 0: the targets alone
  } sft;
  // minke reward-model.
  struct RewardModel {
    double epochs = 1;  // with train.steps and train.minutes 0
    std::string chat_template = "model";
  } reward_model;
  // minke grpo.
  struct Grpo {
    // "countdown:3", "chains:2-3" (corpus/tasks.h), and files of problems; each of them is asked as often as the others.
    std::vector<std::string> tasks, jsonl;
    PromptFormat prompt = PromptFormat::brief;
    int64_t group = 16, max_new = 256, mini_batches = 1;
    LevelSampling levels = LevelSampling::even;
    int64_t dynamic = 1;
    double temperature = 1, clip_low = 0.2, clip_high = 0.2, beta = 0;
    int64_t reference_every = 0;
    RewardDeviation deviation = RewardDeviation::population;
    LossDivision division = LossDivision::tokens;
    double accuracy_reward = 1, format_reward = 0, language_reward = 0;
    TruncatedAnswers truncated = TruncatedAnswers::penalise;
    std::string judge;  // as Asked::judge
    bool exact = false, replay = true, shuffle_rewards = false;
    int64_t eval_problems = 64;
  } grpo;
  // minke ppo: the critic. What is asked, drawn and rewarded is as [grpo] says.
  struct Ppo {
    double gamma = 1, lambda = 1;
    double critic_lr = 0;  // 0: train.lr
    int64_t critic_warmup = 0;
    bool whiten = true;
  } ppo;
  // What a stage of minke pipeline asks a model, several times each, as minke eval tasks and minke sample do.
  struct Asked {
    std::vector<std::string> tasks, jsonl;  // "countdown:3" (corpus/tasks.h); files of problems
    int64_t problems = 0, samples = 1;      // of each level and file, 0: 100, and all of a file; answers to each
    PromptFormat prompt = PromptFormat::brief;
    int64_t max_new = 1024;
    double temperature = 0.6, top_p = 0.95;
    uint64_t seed = 0;
    std::string judge;  // folder of a reward model, for tasks that no rule grades
  };
  struct Eval : Asked {
    uint64_t test_seed = 1;
  } eval;
  struct Sample : Asked {  // rl/rejection.h
    Sample() { samples = 4; }
    uint64_t train_seed = 1;
    int64_t per_question = 0, longest = 0;
    AnswerOrder prefer = AnswerOrder::first;
    double language_share = 0.95;
    bool any_format = false, readable = false;
    int64_t top_logprobs = 0;  // tokens at each place of an answer, for a student's sft.soft_targets
  } sample;
  struct Balance {
    double bias_speed = 0.001;
    BalanceLoss loss = BalanceLoss::sequence;  // V3 eq. 17; batch: V3 §4.5.3; expert: V1, V2 §2.2.3
    double alpha = 1e-4, device_alpha = 0, comm_alpha = 0;
    int64_t devices = 1, top_devices = 1;
    double capacity = 0, protected_fraction = 0.1;
  } balance;
  struct Log {
    double eval_every = 0.1;  // of the run
    int64_t eval_tokens = 65536;
    int64_t sample_tokens = 100;
    std::vector<std::string> sample_prompts;
    std::string choices;                 // a file of questions (eval/choices.h)
    std::vector<double> needle_lengths;  // tokens
    double save_every = 0.25;
    int64_t keep = 2;
  } log;
  std::string model_json;  // [model] as config.json text
};

constexpr size_t kMaxSources = 512;  // with data.weights; what the loader can mix (data/loader.h)

// Overrides are "train.lr=3e-4" as in --set; `preset` (recipe/presets.h) replaces the preset that the recipe names. Errors
// are UserErrors with file, line, key, the nearest key and what is expected.
// SFT and reward models may leave their length to sft.epochs and reward_model.epochs.
enum class RecipeOf : uint8_t { pretraining, sft, reward_model, grpo, ppo, eval, sample };
template <> struct EnumNames<RecipeOf> {
  static constexpr EnumName<RecipeOf> all[] = {{RecipeOf::pretraining, "pretrain"},
                                               {RecipeOf::sft, "sft"},
                                               {RecipeOf::reward_model, "reward-model"},
                                               {RecipeOf::grpo, "grpo"},
                                               {RecipeOf::ppo, "ppo"},
                                               {RecipeOf::eval, "eval"},
                                               {RecipeOf::sample, "sample"}};
};
Recipe parse_recipe(std::string_view toml, std::string_view where, const std::vector<std::string>& overrides = {},
                    std::string preset = "", RecipeOf kind = RecipeOf::pretraining);
Recipe load_recipe(const std::filesystem::path& file, const std::vector<std::string>& overrides = {},
                   const std::string& preset = "", RecipeOf kind = RecipeOf::pretraining);
// The resolved recipe as text, from which parse_recipe reads an equal recipe.
std::string recipe_to_toml(const Recipe& recipe);
struct RecipeDifference {
  std::string key, a, b;  // "train.lr" and its values as TOML, empty where a recipe has none; "long_context" as a whole
};
std::vector<RecipeDifference> recipe_differences(const Recipe& a, const Recipe& b);
// Every key with default and meaning.
std::string recipe_help();

// UserError if [balance] does not fit the model: the devices must hold equal numbers of experts.
void check_balance(const Recipe& recipe, const Config& config);

}  // namespace minke
