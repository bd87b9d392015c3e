#include "recipe/recipe_check.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>

#include "core/error.h"

namespace minke {

std::string Places::of(std::initializer_list<std::string_view> keys) const {
  Place last{0, recipe_};
  for (std::string_view key : keys)
    if (const auto at = set_.find(key); at != set_.end() && at->second.order > last.order) last = at->second;
  return last.text;
}

std::string phase_name(size_t index) { return fmt::format("[[long_context]] phase {}", index + 1); }

namespace {

// A whole number of [model], if it is there and one; parse_config says what else is wrong.
std::optional<int64_t> model_integer(const Recipe& r, const char* key) {
  const Json model = parse_json(r.model_json, "[model]");
  const auto at = model.find(key);
  return at != model.end() && at->is_number_integer() ? std::optional(at->get<int64_t>()) : std::nullopt;
}

void check_tokenizer(const Recipe& r, const Places& places) {
  if (!r.tokenizer.path.empty()) return;  // what it has is known when it is read
  if (r.tokenizer.kind == TokenizerKind::characters && r.data.fim_rate > 0)
    user_error(
        "{}: data.fim_rate {} needs special tokens, which tokenizer.kind = \"characters\" does not have: use \"bpe\"",
        places.of({"data.fim_rate", "tokenizer.kind"}), r.data.fim_rate);
  const bool characters = r.tokenizer.kind == TokenizerKind::characters;
  if (characters && (r.tokenizer.pretokenizer != TextSplit::automatic || !r.tokenizer.tags.empty()))
    user_error("{}: tokenizer.pretokenizer and tokenizer.tags are for tokenizer.kind = \"bpe\", not \"characters\"",
               places.of({"tokenizer.pretokenizer", "tokenizer.tags", "tokenizer.kind"}));
  const auto vocab_size = model_integer(r, "vocab_size");
  if (r.tokenizer.kind == TokenizerKind::bpe && vocab_size && *vocab_size < r.tokenizer.vocab_size)
    user_error(
        "{}: model.vocab_size {} is less than tokenizer.vocab_size {}: leave it out, then the model uses that of the "
        "tokenizer",
        places.of({"model.vocab_size", "tokenizer.vocab_size"}), *vocab_size, r.tokenizer.vocab_size);
}

void check_data(const Recipe& r, const Places& places) {
  const auto& d = r.data;
  if (d.text_keys.empty())
    user_error("{}: data.text_keys is empty: name the key that holds the text, as in [\"text\"]",
               places.of({"data.text_keys"}));
  if (!d.weights.empty() && d.weights.size() != d.train.size())
    user_error("{}: data.weights has {} numbers for the {} sources of data.train: give one number for each source",
               places.of({"data.weights", "data.train"}), d.weights.size(), d.train.size());
  for (double weight : d.weights)
    if (!(weight > 0))
      user_error("{}: data.weights has {}: each weight must be above 0", places.of({"data.weights"}), weight);
  if (!std::isfinite(std::accumulate(d.weights.begin(), d.weights.end(), 0.0)))
    user_error("{}: data.weights add up to more than any number: make them smaller", places.of({"data.weights"}));
  if (d.weights.size() > kMaxSources)
    user_error("{}: data.weights has {} numbers, but at most {} sources can be mixed: use folders or globs",
               places.of({"data.weights"}), d.weights.size(), kMaxSources);
}

// `section`: "train" or "long_context", with the number of the phase before it in `phase`.
void check_tokens(const std::string& place, const std::string& phase, const char* section, int64_t length,
                  int64_t batch, int64_t micro) {
  constexpr int64_t kMaxTokens = 1 << 24;  // far beyond any memory, and products with sizes of a model fit 64 bits
  const int64_t sequences = micro > 0 ? micro : batch;
  if (sequences * length > kMaxTokens)
    user_error("{}: {}{}.sequence_length {} × {} sequences processed at once are more than {} tokens: lower {}.{}",
               place, phase, section, length, sequences, kMaxTokens, section,
               micro > 0 ? "micro_batch_size" : "batch_size");
}

void check_train(const Recipe& r, const Places& places) {
  const auto& t = r.train;
  if (t.batch_start > t.batch_size)
    user_error("{}: train.batch_start {} is more than train.batch_size {}",
               places.of({"train.batch_start", "train.batch_size"}), t.batch_start, t.batch_size);
  if (t.micro_batch_size > 0 && t.batch_size % t.micro_batch_size != 0)
    user_error("{}: train.batch_size {} is not a multiple of train.micro_batch_size {}",
               places.of({"train.batch_size", "train.micro_batch_size"}), t.batch_size, t.micro_batch_size);
  check_tokens(places.of({"train.sequence_length", "train.batch_size", "train.micro_batch_size"}), "", "train",
               t.sequence_length, t.batch_size, t.micro_batch_size);
  if (t.decay_end < t.decay_begin)
    user_error("{}: train.decay_end {} is before train.decay_begin {}",
               places.of({"train.decay_end", "train.decay_begin"}), t.decay_end, t.decay_begin);
  const std::string drops = places.of({"train.drops", "train.schedule"});
  if (t.schedule == ScheduleKind::step && t.drops.empty())
    user_error("{}: train.schedule = \"step\" needs train.drops, such as [0.8, 0.9]", drops);
  double before = 0;
  for (double at : t.drops) {
    if (!(at > before && at <= 1))
      user_error("{}: train.drops has {}: they are shares of the run, which rise and lie above 0 and at most at 1",
                 drops, at);
    before = at;
  }
}

void check_long_context(const Recipe& r, const Places& places) {
  int64_t length = r.train.sequence_length;
  for (size_t i = 0; i < r.long_context.size(); ++i) {
    const Recipe::LongContext& p = r.long_context[i];
    const std::string name = phase_name(i);
    if (p.sequence_length < length)
      user_error("{}: {}: sequence_length {} is less than the {} of the previous phase",
                 places.of({name, "train.sequence_length"}), name, p.sequence_length, length);
    if (p.micro_batch_size > 0 && p.batch_size % p.micro_batch_size != 0)
      user_error("{}: {}: batch_size {} is not a multiple of its micro_batch_size {}", places.of({name}), name,
                 p.batch_size, p.micro_batch_size);
    check_tokens(places.of({name}), name + ": ", "long_context", p.sequence_length, p.batch_size, p.micro_batch_size);
    length = p.sequence_length;
  }
}

// A length that no phase takes would never be looked at: a run's model has as many positions as its sequences are long.
void check_needles(const Recipe& r, const Places& places) {
  const int64_t longest = r.long_context.empty() ? r.train.sequence_length : r.long_context.back().sequence_length;
  std::set<double> seen;
  for (double length : r.log.needle_lengths) {
    const std::string place = places.of({"log.needle_lengths"});
    if (!(length >= 16 && length <= 1e7) || length != std::floor(length))
      user_error("{}: log.needle_lengths has {}: each must be a whole number of tokens from 16 to 10000000", place,
                 length);
    if (!seen.insert(length).second) user_error("{}: log.needle_lengths has {} twice", place, length);
    if (length > double(longest))
      user_error(
          "{}: log.needle_lengths has {}, but the longest sequences have {} tokens: lower it, or raise sequence_length "
          "in the last phase",
          place, length, longest);
  }
}

void check_losses(const Recipe& r, const Places& places) {
  const auto& b = r.balance;
  if (b.loss != BalanceLoss::expert && (b.device_alpha > 0 || b.comm_alpha > 0))
    user_error("{}: balance.device_alpha {} and balance.comm_alpha {} need balance.loss = \"expert\", not \"{}\"",
               places.of({"balance.loss", "balance.device_alpha", "balance.comm_alpha"}), b.device_alpha, b.comm_alpha,
               name_of(b.loss));
  if (b.top_devices > b.devices)
    user_error("{}: balance.top_devices {} is more than balance.devices {}",
               places.of({"balance.top_devices", "balance.devices"}), b.top_devices, b.devices);
}

void check_grpo(const Recipe& r, const Places& places) {
  const auto& g = r.grpo;
  if (r.train.steps % g.mini_batches != 0)
    user_error("{}: train.steps {} is no multiple of grpo.mini_batches {}: the last answers would not all be used",
               places.of({"grpo.mini_batches", "train.steps"}), r.train.steps, g.mini_batches);
  if (g.reference_every > 0 && g.beta == 0)
    user_error("{}: grpo.reference_every {} has no effect without grpo.beta: set both or none",
               places.of({"grpo.reference_every", "grpo.beta"}), g.reference_every);
  if (g.reference_every % g.mini_batches != 0)
    user_error(
        "{}: grpo.reference_every {} is no multiple of grpo.mini_batches {}: the reference would change between "
        "the updates with the same answers",
        places.of({"grpo.reference_every", "grpo.mini_batches"}), g.reference_every, g.mini_batches);
}

}  // namespace

void check_recipe(const Recipe& r, const Places& places) {
  check_tokenizer(r, places);
  check_data(r, places);
  check_train(r, places);
  check_long_context(r, places);
  check_needles(r, places);
  check_losses(r, places);
  check_grpo(r, places);
}

void check_balance(const Recipe& r, const Config& c) {
  if (c.n_routed_experts % r.balance.devices != 0)
    user_error("recipe: balance.devices {} does not divide n_routed_experts {}; use a divisor of {}", r.balance.devices,
               c.n_routed_experts, c.n_routed_experts);
}

}  // namespace minke
