#include "run/sft_stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/clock.h"
#include "core/human_numbers.h"
#include "data/hash.h"
#include "recipe/pipeline.h"
#include "report/text.h"
#include "run/chosen_template.h"
#include "run/samples.h"
#include "run/settings.h"
#include "spec/config.h"
#include "train/micro_batches.h"

namespace minke {
static_assert(kMostTopLogProbabilities <= kMaxSoftTargets);  // what a teacher may write can be learned
namespace {

void check_keys(const Recipe& recipe) {
  if (!recipe.long_context.empty())
    user_error("sft: [[long_context]] belongs to pre-training; set train.sequence_length");
  if (recipe.data.held_out != HeldOut::documents)
    user_error("sft: data.held_out = \"tail\" is for one long text; conversations are held out one by one");
  constexpr std::string_view kUnread[] = {"tokenizer.",
                                          "model.",
                                          "reward_model.",
                                          "grpo.",
                                          "ppo.",
                                          "eval.",
                                          "sample.",
                                          "data.weights",
                                          "data.text_keys",
                                          "data.documents",
                                          "data.builtin_bytes",
                                          "data.fim_rate",
                                          "data.cache",
                                          "train.initializer_range",
                                          "train.dense",
                                          "log.choices",
                                          "log.needle_lengths"};
  refuse_unread_keys(recipe, "sft", kUnread);
}

Recipe checked_recipe(const Recipe& recipe, const fs::path& folder) {
  const std::optional<Recipe> stored = stored_recipe(folder, RecipeOf::sft);
  if (!stored) {
    check_sft_recipe(recipe);
    return recipe;
  }
  check_keys(*stored);  // it may have been edited; the conversations are no longer needed
  return *stored;
}

}  // namespace

// A recipe for SFT describes no model and no tokenizer: both are the given model's.
void check_sft_recipe(const Recipe& recipe) {
  if (recipe.data.train.empty())
    user_error("sft: data.train names no conversations: give JSON Lines with \"messages\", or \"builtin:chats\"");
  for (const std::string& source : recipe.data.train)
    if (!source.starts_with(kStageSource))
      check_conversations(source, "sft: data.train", recipe.sft.soft_targets > 0);  // which is still to be made
  check_keys(recipe);
}

bool sft(Recipe recipe, const fs::path& model, const fs::path& folder, bool resume, const RunMachine& machine) {
  recipe = checked_recipe(std::move(recipe), folder);
  const RunFolder run_folder(folder, resume);
  Console console;
  machine.say(console);
  SftStage stage(recipe, model, run_folder, console);
  return TrainingRun(recipe, run_folder, stage, machine, console).run();
}

SftStage::SftStage(Recipe& recipe, const fs::path& model, const RunFolder& folder, Console& console)
    : seed_(recipe.train.seed),
      base_(model, folder),
      template_(template_of(folder.has_begun() ? read_file(base_.files() / kTemplateFile)
                                               : chosen_template("sft.chat_template", recipe.sft.chat_template, model),
                            tokenizer())),
      soft_share_(recipe.sft.soft_targets),
      step_tokens_(double(recipe.train.batch_size * recipe.train.sequence_length)) {
  if (config().max_position_embeddings < recipe.train.sequence_length)
    user_error("sft: train.sequence_length {} is more than the model's {} positions: set train.sequence_length={}",
               recipe.train.sequence_length, config().max_position_embeddings, config().max_position_embeddings);
  const fs::path data = folder.path() / "data";
  const uint64_t tokenizer_hash = hash64(tokenizer().json_text());
  if (!folder.has_begun()) {
    const ConversationEncoder encoder(tokenizer(), template_);
    const ConversationCounts c =
        tokenize_conversations({.sources = recipe.data.train,
                                .builtin_seed = seed_,
                                .held_out = held_out_options(recipe),
                                .sequence_length = recipe.train.sequence_length,
                                .tokenizer_hash = tokenizer_hash,
                                .vocab_size = int32_t(config().vocab_size),
                                .soft_targets = soft_share_ > 0},
                               encoder, data, [&](const ConversationCounts& now) {
                                 if (now.conversations % 1000 == 0)
                                   console.progress(fmt::format("tokenising  {} conversations, {} tokens",
                                                                now.conversations, human_count(double(now.tokens))),
                                                    int64_t(now.conversations), 0);
                               });
    console.print(fmt::format("data        {} conversations, {} held out; {} sequences, {} tokens, {} of them targets",
                              c.conversations, c.held_out, c.sequences, human_count(double(c.tokens)),
                              human_count(double(c.targets))));
    if (c.too_long > 0)
      console.print(fmt::format("            {} are longer than train.sequence_length {} and are left out", c.too_long,
                                recipe.train.sequence_length));
    if (soft_share_ > 0)
      console.print(
          fmt::format("teacher     {} of the targets have its distribution, {:g} of their loss; {} answers are not all "
                      "of its tokens",
                      human_count(double(c.soft_targets)), soft_share_, c.otherwise));
    base_.keep([&](const fs::path& to) { save_template(template_, to); });
  }
  data_ = open_conversations(data);
  if (data_.train.tokens.tokenizer_hash() != tokenizer_hash)
    user_error("{}: the tokenizer has changed since the conversations were tokenised",
               (folder.path() / "base").string());
  if (soft_share_ > 0 && !data_.train.soft)
    user_error(
        "{}: the conversations were tokenised without a teacher's log-probabilities: begin a new run for "
        "sft.soft_targets {:g}",
        data.string(), soft_share_);
  if (soft_share_ > 0) num_soft_ = std::max(data_.train.soft.k(), data_.held_out.soft.k());
  console.print("sample      ⟦what is learned⟧: " +
                printable(valid_utf8(marked_text(tokenizer(), data_.train.conversation(0)))));
  if (recipe.train.steps > 0 || recipe.train.minutes > 0) return;
  const Packed once(data_.train, packing(recipe.train.sequence_length, true), std::max(tokenizer().eos_id(), 0), 0);
  const double sequences = double(once.tokens.sequences_in_epoch(0));
  recipe.train.steps =
      std::max<int64_t>(1, std::llround(std::ceil(sequences * recipe.sft.epochs / double(recipe.train.batch_size))));
  console.print(
      fmt::format("steps       {}: {:g} epochs of {:.0f} sequences", recipe.train.steps, recipe.sft.epochs, sequences));
}

void SftStage::save_files(const fs::path& folder) const {
  tokenizer().save(folder);
  save_template(template_, folder);
}

// Conversations stay whole, and each begins with a sequence of its own: its tokens see no other one.
PackingOptions SftStage::packing(int64_t sequence_length, bool shuffle) const {
  return {.sequence_length = sequence_length, .packing = PackingMode::best_fit, .shuffle = shuffle, .seed = seed_};
}

void SftStage::enter_phase(const Phase& phase) {
  const int32_t padding = std::max(tokenizer().eos_id(), 0);
  packed_.emplace(data_.train, packing(phase.sequence_length, true), padding, num_soft_);
  if (data_.held_out.tokens.num_tokens() > 0)
    held_out_.emplace(data_.held_out, packing(phase.sequence_length, false), padding, num_soft_);
  micro_batch_size_ = phase.micro_batch_size;
}

StageMemory SftStage::memory() const {
  StageMemory m{.objective = {.soft_share = soft_share_}, .num_soft = num_soft_};
  if (num_soft_ > 0) m.host_bytes = step_tokens_ * (8 * double(num_soft_) + 8);  // of a step's tokens, and which rows
  return m;
}

SftStage::Packed::Packed(const ConversationSet& set, const PackingOptions& options, int32_t padding, int64_t num_soft)
    : tokens({{&set.tokens}}, options, padding),
      is_target({{&set.is_target}}, options, 0),
      rows(set.soft),
      num_soft(num_soft) {
  if (num_soft > 0) soft.emplace(std::vector<LoaderSource>{{&set.soft.row_of_token()}}, options, 0);
}

std::vector<TokenBatch> SftStage::Packed::batches(LoaderPosition position, int64_t size,
                                                  int64_t micro_batch_size) const {
  const SequenceBatch ids = tokens.batch(position, size), marks = is_target.batch(position, size);
  std::vector<TokenBatch> all = micro_batches(ids, micro_batch_size, true);
  const int64_t t = ids.sequence_length;
  int64_t s = 0;
  for (TokenBatch& b : all)
    for (int64_t row = 0; row < b.num_sequences; ++row, ++s)
      for (int64_t i = 0; i < t; ++i)
        if (!marks.tokens[size_t(s * (t + 1) + i + 1)]) b.targets[size_t(row * t + i)] = -1;
  if (!soft) return all;
  const SequenceBatch row_of = soft->batch(position, size);
  s = 0;
  for (TokenBatch& b : all) {
    b.num_soft = num_soft;
    b.soft_token.assign(b.targets.size() * size_t(num_soft), -1);
    b.soft_probability.assign(b.soft_token.size(), 0);
    for (int64_t row = 0; row < b.num_sequences; ++row, ++s)
      for (int64_t i = 0; i < t; ++i) {
        const int32_t of_target = row_of.tokens[size_t(s * (t + 1) + i + 1)];
        const size_t at = size_t((row * t + i) * num_soft);
        if (of_target > 0) rows.copy(of_target, num_soft, &b.soft_token[at], &b.soft_probability[at]);
      }
  }
  return all;
}

std::vector<TokenBatch> SftStage::batches(const Context&, Trainer&, LoaderPosition position, int64_t size) {
  return packed_->batches(position, size, micro_batch_size_);
}

LoaderPosition SftStage::after(LoaderPosition position, int64_t size) const {
  return packed_->tokens.advance(position, uint64_t(size));
}

bool SftStage::has(LoaderPosition position) const {
  return position.sequence_index < packed_->tokens.sequences_in_epoch(position.epoch);
}

void SftStage::add_distance(const RunView& run, TokenBatch b, Distance& sum) const {
  double entropy = 0;  // of the teacher, over its tokens and all others as one
  for (size_t i = 0; i < b.targets.size(); ++i) {
    double mass = 0, of_row = 0;
    const auto add = [&](double p) { of_row -= p > 0 ? p * std::log(p) : 0; };
    bool any = false;
    for (size_t k = i * size_t(num_soft_); k < (i + 1) * size_t(num_soft_); ++k) {
      if (b.soft_token[k] < 0) continue;
      add(b.soft_probability[k]), mass += b.soft_probability[k], any = true;
    }
    add(1 - mass);
    if (!any) b.targets[i] = -1;
    if (b.targets[i] >= 0) entropy += of_row;
  }
  const LossSums& sums = run.trainer.losses(run.ctx, b, false, {.soft_share = 1});
  sum.nats += sums.nats[0] - entropy, sum.targets += sums.targets[0];
}

bool SftStage::evaluate(const RunView& run, bool last) {
  Json record{{"step", run.step()}, {"train_seconds", run.train_seconds}, {"unix_time", unix_time()}, {"final", last}};
  double nats = 0;
  int64_t targets = 0;
  Distance distance;
  const uint64_t sequences = held_out_ ? held_out_->tokens.sequences_in_epoch(0) : 0;
  for (uint64_t i = 0; i < sequences && (last || targets < run.recipe.log.eval_tokens);
       i += uint64_t(micro_batch_size_)) {
    if (last && run.stop()) return false;
    const int64_t size = std::min<int64_t>(micro_batch_size_, int64_t(sequences - i));
    for (const TokenBatch& b : held_out_->batches({0, i}, size, size)) {
      const LossSums& sums = run.trainer.losses(run.ctx, b, false);
      nats += sums.nats[0], targets += sums.targets[0];
      if (num_soft_ > 0) add_distance(run, b, distance);
    }
  }
  if (distance.targets > 0) record["eval_teacher_kl"] = distance.nats / double(distance.targets);
  if (targets > 0) {
    run.console.print(fmt::format("{} step {}: held-out {:.4f} nats per target{} ({} targets, {} of training)",
                                  last ? "final      " : "evaluation ", run.step(), nats / double(targets),
                                  distance.targets > 0 ? fmt::format(", {:.4f} from the teacher's distribution",
                                                                     distance.nats / double(distance.targets))
                                                       : "",
                                  targets, human_time(run.train_seconds)));
    record["eval_nats_per_token"] = nats / double(targets);
    record["eval_tokens"] = targets;
  }
  if (targets > 0 || last) run.log.write(record);
  return true;
}

// An answer to each of log.sample_prompts, as to a user's message; else to the beginning of a conversation that was held out.
void SftStage::show_samples(const RunView& run) {
  const auto& log = run.recipe.log;
  if (log.sample_tokens == 0) return;
  std::vector<std::vector<int32_t>> prompts;
  for (const std::string& text : log.sample_prompts) {
    ChatInputs inputs{.messages = Json::array({{{"role", "user"}, {"content", text}}}), .add_generation_prompt = true};
    prompts.push_back(tokenizer().encode(template_.render(inputs)));
  }
  const ConversationSet& set = data_.held_out.tokens.num_documents() > 0 ? data_.held_out : data_.train;
  if (prompts.empty()) {
    TrainedConversation c = set.conversation(0);
    c.tokens.resize(size_t(std::find(c.is_target.begin(), c.is_target.end(), 1) - c.is_target.begin()));
    prompts.push_back(std::move(c.tokens));
  }
  Engine engine(run.ctx, run.model, sample_settings(run.model));
  for (size_t i = 0; i < prompts.size(); ++i) {
    if (prompts[i].empty() || int64_t(prompts[i].size()) >= run.model.max_positions()) continue;
    write_sample(run, engine, tokenizer(), prompts[i], valid_utf8(tokenizer().decode(prompts[i])), seed_ + i);
  }
}

}  // namespace minke
