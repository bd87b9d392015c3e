#include "rl/reward_model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/error.h"
#include "eval/likelihood.h"
#include "report/text.h"
#include "run/pair_batches.h"
#include "run/reward_model_stage.h"
#include "run/settings.h"

namespace minke {
namespace {

constexpr int64_t kMostPositions = 8192;

ChatTemplate template_in(const fs::path& folder) {
  std::optional<ChatTemplate> own = ChatTemplate::load(folder);
  if (!own)
    user_error("{} has no chat template, which a reward model reads texts by: put back its chat_template.jinja",
               folder.string());
  return std::move(*own);
}

int64_t longest_of(const RewardModelSettings& s, const Config& config) {
  const int64_t positions = config.max_position_embeddings;
  return s.longest > 0 ? std::min(s.longest, positions) : std::min(positions, kMostPositions);
}

Json messages_of(const ScoredText& text) {
  return Json::array({{{"role", "user"}, {"content", valid_utf8(text.user)}},
                      {{"role", "assistant"}, {"content", valid_utf8(text.response)}}});
}

}  // namespace

// What the folder holds but for the weights' bytes.
struct RewardModel::Source {
  CheckpointFiles files;
  Tokenizer tokenizer;
  ChatTemplate chat_template;
  double midpoint;
  explicit Source(const fs::path& folder)
      : files(open_checkpoint(folder, 0, Head::value)),
        tokenizer(Tokenizer::load(folder)),
        chat_template(template_in(folder)),
        midpoint(score_midpoint(folder)) {
    if (tokenizer.vocab_size() > files.config.vocab_size)
      user_error("the tokenizer of {} has {} tokens, the model only {}: they do not belong together", folder.string(),
                 tokenizer.vocab_size(), files.config.vocab_size);
    // The template and the end of an answer are as they have to be.
    ConversationEncoder(tokenizer, chat_template).answer(messages_of({"?", "."}));
  }
};

void RewardModel::check(const fs::path& folder) { Source{folder}; }

RewardModel::RewardModel(const Context& ctx, const fs::path& folder, const RewardModelSettings& settings)
    : RewardModel(ctx, settings, Source(folder), false) {}

RewardModel::RewardModel(const Context& ctx, const RewardModelSettings& settings, Source&& source, bool is_dry)
    : tokenizer_(std::move(source.tokenizer)),
      template_(std::move(source.chat_template)),
      encoder_(tokenizer_, template_),
      midpoint_(source.midpoint),
      longest_(longest_of(settings, source.files.config)),
      // Whole texts of the longest: so that a batch of shorter ones has no more tokens, and takes no more scratch.
      at_once_(std::max(settings.at_once, longest_) / longest_ * longest_),
      model_(ctx, source.files.config, precision(settings.dtype).for_inference(), longest_, nullptr, Head::value) {
  if (is_dry) load_nothing(ctx, model_);
  else load_weights(ctx, model_, source.files.weights);
  model_.set_recompute({.attention = true, .ffn = true});  // nothing is kept of a layer that is done
  const std::vector<int64_t> tokens{at_once_};
  arena_.emplace(ctx.backend->memory(), model_.saved_bytes(tokens, false));
  buffers_.emplace(ctx, at_once_, 0);
  values_ = Tensor(ctx.backend->memory(), model_.precision().high, {at_once_});
}

std::shared_ptr<RewardModel> RewardModel::dry(const Context& dry, const fs::path& folder,
                                              const RewardModelSettings& settings) {
  std::shared_ptr<RewardModel> made(new RewardModel(dry, settings, Source(folder), true));
  const std::vector<int32_t> longest(size_t(made->longest_), 0);
  const std::vector<const std::vector<int32_t>*> texts(size_t(made->at_once_ / made->longest_), &longest);
  std::vector<float> out;
  made->score(dry, texts, out);
  return made;
}

std::vector<int32_t> RewardModel::encode(const Json& messages) const { return encoder_.answer(messages).tokens; }

std::vector<int32_t> RewardModel::encode(const ScoredText& text) const { return encode(messages_of(text)); }

std::vector<float> RewardModel::scores(const Context& ctx, std::span<const ScoredText> texts) {
  std::vector<std::vector<int32_t>> ids;
  for (const ScoredText& text : texts) ids.push_back(encode(text));
  return scores(ctx, std::span<const std::vector<int32_t>>(ids));
}

// Texts of similar length come together, so that there is little padding.
std::vector<float> RewardModel::scores(const Context& ctx, std::span<const std::vector<int32_t>> texts) {
  std::vector<float> all(texts.size(), std::numeric_limits<float>::quiet_NaN());
  std::vector<size_t> order;
  for (size_t i = 0; i < texts.size(); ++i)
    if (int64_t(texts[i].size()) <= longest_) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return texts[a].size() > texts[b].size(); });
  std::vector<float> out;
  for (size_t begin = 0; begin < order.size();) {
    const int64_t length = text_length(int64_t(texts[order[begin]].size()), longest_);
    const size_t end = std::min(order.size(), begin + size_t(at_once_ / length));
    std::vector<const std::vector<int32_t>*> batch;
    for (size_t i = begin; i < end; ++i) batch.push_back(&texts[order[i]]);
    score(ctx, batch, out);
    for (size_t i = begin; i < end; ++i) {
      check_finite(double(out[i - begin]));
      all[order[i]] = out[i - begin];
    }
    begin = end;
  }
  return all;
}

void RewardModel::score(const Context& ctx, std::span<const std::vector<int32_t>* const> texts,
                        std::vector<float>& out) {
  const TextBatch made = text_batch(texts, longest_, std::max(tokenizer_.eos_id(), 0));
  const int64_t n = int64_t(made.batch.tokens.size());
  buffers_->fill(ctx, made.batch);
  Batch& batch = buffers_->batches().front();
  batch.value = values_.operand().slice(0, 0, n);
  const ArenaScope scope(*arena_);
  const ModelSaved saved = model_.lay_out_saved(*arena_, std::vector<int64_t>{n}, false);
  model_.forward(ctx, buffers_->batches(), saved);
  model_.loss(ctx, buffers_->batches(), saved);
  std::vector<float> values(size_t(n), 0);
  ctx.backend->download(ctx, {.device = batch.value, .host = values.data()});
  out.clear();
  for (int64_t place : made.last) out.push_back(values[size_t(place)]);
}

}  // namespace minke
