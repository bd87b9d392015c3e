#include "run/reward_model_stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/clock.h"
#include "core/human_numbers.h"
#include "data/hash.h"
#include "data/packing.h"
#include "recipe/pipeline.h"
#include "report/text.h"
#include "run/chosen_template.h"
#include "run/settings.h"

namespace minke {
namespace {

constexpr size_t kShown = 4;  // pairs

void check_keys(const Recipe& r) {
  if (!r.long_context.empty())
    user_error("reward-model: [[long_context]] belongs to pre-training; set train.sequence_length");
  if (r.data.held_out != HeldOut::documents)
    user_error("reward-model: data.held_out = \"tail\" is for one long text; pairs are held out one by one");
  for (const auto& [key, sequences] :
       {std::pair{"train.batch_size", r.train.batch_size}, {"train.micro_batch_size", r.train.micro_batch_size}})
    if (sequences % 2 != 0)
      user_error("reward-model: {} = {} would cut a pair: it counts texts, two to a pair, and must be even", key,
                 sequences);
  constexpr std::string_view kUnread[] = {"tokenizer.",
                                          "model.",
                                          "sft.",
                                          "grpo.",
                                          "ppo.",
                                          "eval.",
                                          "sample.",
                                          "data.weights",
                                          "data.text_keys",
                                          "data.documents",
                                          "data.builtin_bytes",
                                          "data.mask_documents",
                                          "data.packing",
                                          "data.fim_rate",
                                          "data.cache",
                                          "train.initializer_range",
                                          "train.dense",
                                          "train.batch_start",
                                          "train.batch_ramp",
                                          "train.mtp_weight",
                                          "train.mtp_weight_late",
                                          "log.sample_tokens",
                                          "log.sample_prompts",
                                          "log.choices",
                                          "log.needle_lengths"};
  refuse_unread_keys(r, "reward-model", kUnread);
}

Recipe checked_recipe(const Recipe& recipe, const fs::path& folder) {
  const std::optional<Recipe> stored = stored_recipe(folder, RecipeOf::reward_model);
  if (!stored) {
    check_reward_model_recipe(recipe);
    return recipe;
  }
  check_keys(*stored);  // it may have been edited; the pairs are no longer needed
  return *stored;
}

}  // namespace

double score_midpoint(const fs::path& folder) {
  const fs::path file = folder / kRewardModelFile;
  if (!fs::exists(file)) return 0;
  const Json json = parse_json(read_file(file, size_t(1) << 16), file.string());
  const auto found = json.is_object() ? json.find("midpoint") : json.end();
  if (found == json.end() || !found->is_number() || !std::isfinite(found->get<double>()))
    user_error("{}: \"midpoint\" is missing or no number", file.string());
  return found->get<double>();
}

double preference_loss(double margin) { return std::max(-margin, 0.0) + std::log1p(std::exp(-std::abs(margin))); }

void check_reward_model_recipe(const Recipe& recipe) {
  if (recipe.data.train.empty())
    user_error(
        "reward-model: data.train names no pairs: give JSON Lines with \"prompt\", \"chosen\" and \"rejected\", or "
        "\"builtin:pairs\"");
  for (const std::string& source : recipe.data.train) check_pairs(source, "reward-model: data.train");
  check_keys(recipe);
}

bool train_reward_model(Recipe recipe, const fs::path& model, const fs::path& folder, bool resume,
                        const RunMachine& machine) {
  recipe = checked_recipe(std::move(recipe), folder);
  const RunFolder run_folder(folder, resume);
  Console console;
  machine.say(console);
  RewardModelStage stage(recipe, model, run_folder, console);
  return TrainingRun(recipe, run_folder, stage, machine, console).run();
}

RewardModelStage::RewardModelStage(Recipe& recipe, const fs::path& model, const RunFolder& folder, Console& console)
    : seed_(recipe.train.seed),
      base_(model, folder),
      config_(without_mtp(base_.config())),
      template_(template_of(
          folder.has_begun() ? read_file(base_.files() / kTemplateFile)
                             : chosen_template("reward_model.chat_template", recipe.reward_model.chat_template, model),
          tokenizer())),
      step_tokens_(double(recipe.train.batch_size * recipe.train.sequence_length)) {
  if (config().max_position_embeddings < recipe.train.sequence_length)
    user_error(
        "reward-model: train.sequence_length {} is more than the model's {} positions: set train.sequence_length={}",
        recipe.train.sequence_length, config().max_position_embeddings, config().max_position_embeddings);
  const fs::path data = folder.path() / "data";
  const uint64_t tokenizer_hash = hash64(tokenizer().json_text());
  if (!folder.has_begun()) {
    const ConversationEncoder encoder(tokenizer(), template_);
    const PairCounts c = tokenize_pairs(
        {.sources = recipe.data.train,
         .builtin_seed = seed_,
         .held_out = held_out_options(recipe),
         .sequence_length = recipe.train.sequence_length,
         .tokenizer_hash = tokenizer_hash,
         .vocab_size = int32_t(config().vocab_size)},
        encoder, data, [&](const PairCounts& now) {
          if (now.pairs % 1000 == 0)
            console.progress(fmt::format("tokenising  {} pairs, {} tokens", now.pairs, human_count(double(now.tokens))),
                             int64_t(now.pairs), 0);
        });
    console.print(fmt::format("data        {} pairs, {} held out; {} tokens, {} in the longest text", c.pairs,
                              c.held_out, human_count(double(c.tokens)), c.most));
    if (c.too_long > 0)
      console.print(fmt::format("            {} have a text of more than train.sequence_length {} and are left out",
                                c.too_long, recipe.train.sequence_length));
    if (c.same > 0) console.print(fmt::format("            {} have the same answer twice and are left out", c.same));
    base_.keep([&](const fs::path& to) { save_template(template_, to); });
  }
  data_ = open_pairs(data);
  if (data_.train.texts.tokenizer_hash() != tokenizer_hash)
    user_error("{}: the tokenizer has changed since the pairs were tokenised", (folder.path() / "base").string());
  const PreferencePair first = data_.train.pair(0);
  const auto shown = [&](const std::vector<int32_t>& text) {
    return printable(valid_utf8(tokenizer().decode(text, false)));
  };
  console.print(
      fmt::format("sample      chosen: {}\n            rejected: {}", shown(first.chosen), shown(first.rejected)));
  if (recipe.train.steps > 0 || recipe.train.minutes > 0) return;
  const double pairs = double(data_.train.size());
  recipe.train.steps = std::max<int64_t>(
      1, std::llround(std::ceil(pairs * recipe.reward_model.epochs / (double(recipe.train.batch_size) / 2))));
  console.print(fmt::format("steps       {}: {:g} epochs of {:.0f} pairs", recipe.train.steps,
                            recipe.reward_model.epochs, pairs));
}

void RewardModelStage::save_files(const fs::path& folder) const {
  tokenizer().save(folder);
  save_template(template_, folder);
  write_file_atomic(folder / kRewardModelFile, small_state().dump(2) + "\n");
}

void RewardModelStage::restore(const Json& saved) {
  if (!saved.is_object() || !saved.contains("midpoint") || !saved.at("midpoint").is_number())
    user_error("the checkpoint lacks the midpoint of the reward model's scores");
  midpoint_ = saved.at("midpoint").get<double>();
}

void RewardModelStage::enter_phase(const Phase& phase) {
  micro_batch_size_ = phase.micro_batch_size;
  sequence_length_ = phase.sequence_length;
}

StageMemory RewardModelStage::memory() const {
  // Of a step: the pairs as they are read, losses and values of all positions; rivals.
  return {.head = Head::value, .trains_mtp = false, .asks_token_losses = true, .host_bytes = 20 * step_tokens_};
}

PreferencePair RewardModelStage::next(LoaderPosition& position) const {
  const Permutation order(RngKey{seed_}.at("pairs").at(position.epoch), data_.train.size());
  PreferencePair pair = data_.train.pair(order(position.sequence_index));
  position = after(position, 2);
  return pair;
}

LoaderPosition RewardModelStage::after(LoaderPosition position, int64_t size) const {
  position.sequence_index += uint64_t(size / 2);
  position.epoch += position.sequence_index / data_.train.size();
  position.sequence_index %= data_.train.size();
  return position;
}

double RewardModelStage::epochs(LoaderPosition position) const {
  return double(position.epoch) + double(position.sequence_index) / double(data_.train.size());
}

std::vector<TokenBatch> RewardModelStage::batches(const Context&, Trainer&, LoaderPosition position, int64_t size) {
  std::vector<PreferencePair> pairs;
  for (int64_t i = 0; i < size / 2; ++i) pairs.push_back(next(position));
  std::vector<TokenBatch> all;
  last_.clear();
  int64_t begin = 0;
  for (TextBatch& made :
       pair_batches(std::move(pairs), micro_batch_size_, sequence_length_, std::max(tokenizer().eos_id(), 0))) {
    for (int64_t place : made.last) last_.push_back(begin + place);
    begin += int64_t(made.batch.tokens.size());
    all.push_back(std::move(made.batch));
  }
  return all;
}

std::vector<TokenBatch> RewardModelStage::largest_batch(const Context&, Trainer&, int64_t size) {
  const std::vector<int32_t> longest(size_t(sequence_length_), 0);
  std::vector<TokenBatch> all;
  for (TextBatch& made : pair_batches(std::vector<PreferencePair>(size_t(size / 2), {longest, longest}),
                                      micro_batch_size_, sequence_length_, 0))
    all.push_back(std::move(made.batch));
  return all;
}

std::string RewardModelStage::after_step(const StepReport&, const TokenLosses& tokens, Json& record) {
  double wins = 0, margins = 0, scores = 0;
  for (size_t i = 0; i < last_.size(); i += 2) {
    const double chosen = tokens.value[size_t(last_[i])], rejected = tokens.value[size_t(last_[i + 1])];
    wins += won(chosen - rejected), margins += chosen - rejected, scores += chosen + rejected;
  }
  constexpr double kRecent = 0.1;  // of a step in the moving average
  midpoint_ += kRecent * (scores / double(last_.size()) - midpoint_);
  const double pairs = double(last_.size()) / 2;
  record["pair_accuracy"] = wins / pairs, record["pair_margin"] = margins / pairs;
  record["score_midpoint"] = midpoint_;
  return fmt::format("right {:.0f} %", 100 * wins / pairs);
}

bool RewardModelStage::evaluate(const RunView& run, bool last) {
  Json record{{"step", run.step()}, {"train_seconds", run.train_seconds}, {"unix_time", unix_time()}, {"final", last}};
  std::vector<Judged> judged;
  double wins = 0, nats = 0;
  int64_t seen = 0;
  TokenLosses tokens;
  const PairSet& set = data_.held_out;
  for (uint64_t i = 0; i < set.size() && (last || seen < run.recipe.log.eval_tokens);) {
    if (last && run.stop()) return false;
    std::vector<PreferencePair> pairs;
    const uint64_t first = i;
    for (; i < set.size() && int64_t(pairs.size()) < micro_batch_size_ / 2; ++i) pairs.push_back(set.pair(i));
    const TextBatch made = pair_batch(pairs, sequence_length_, std::max(tokenizer().eos_id(), 0));
    run.trainer.token_losses(run.ctx, made.batch, tokens);
    for (size_t k = 0; k < pairs.size(); ++k) {
      const auto score = [&](size_t text) { return double(tokens.value[size_t(made.last[text])]); };
      judged.push_back({first + k, score(2 * k), score(2 * k + 1)});
      wins += won(judged.back().margin()), nats += preference_loss(judged.back().margin());
      seen += int64_t(pairs[k].chosen.size() + pairs[k].rejected.size());
    }
  }
  if (!judged.empty()) {
    const double n = double(judged.size());
    run.console.print(
        fmt::format("{} step {}: {:.1f} % of {} held-out pairs right, {:.4f} nats per pair ({} of training)",
                    last ? "final      " : "evaluation ", run.step(), 100 * wins / n, judged.size(), nats / n,
                    human_time(run.train_seconds)));
    record["eval_pair_accuracy"] = wins / n, record["eval_nats_per_pair"] = nats / n;
    record["eval_pairs"] = judged.size();
  }
  if (!judged.empty() || last) run.log.write(record);
  judged_ = last ? std::move(judged) : std::vector<Judged>();
  return true;
}

void RewardModelStage::show_samples(const RunView& run) {
  const size_t shown = std::min(kShown, judged_.size());
  std::stable_sort(judged_.begin(), judged_.end(),
                   [](const Judged& a, const Judged& b) { return a.margin() < b.margin(); });
  const auto text = [&](const std::vector<int32_t>& all, size_t begin) {
    return printable(valid_utf8(tokenizer().decode(std::span(all).subspan(begin), false)));
  };
  for (size_t i = 0; i < shown; ++i) {
    const Judged& j = judged_[i];
    const PreferencePair pair = data_.held_out.pair(j.pair);
    const size_t common =
        size_t(std::mismatch(pair.chosen.begin(), pair.chosen.end(), pair.rejected.begin(), pair.rejected.end()).first -
               pair.chosen.begin());
    std::vector<int32_t> prompt(pair.chosen.begin(), pair.chosen.begin() + std::ptrdiff_t(common));
    run.console.print(fmt::format("{}{}\n            chosen   {:8.3f}  ⟦{}⟧\n            rejected {:8.3f}  ⟦{}⟧",
                                  i == 0 ? "worst pairs " : "            ", text(prompt, 0), j.chosen,
                                  text(pair.chosen, common), j.rejected, text(pair.rejected, common)));
  }
}

}  // namespace minke
