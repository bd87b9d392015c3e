#include "train/recipe_check.h"

#include "core/error.h"

namespace minke {

void check_recipe(const Recipe& r, std::string_view where) {
  const auto one_of = [&](const char* key, const std::string& value, std::initializer_list<const char*> allowed) {
    std::string list;
    for (const char* a : allowed) {
      if (value == a) return;
      list += list.empty() ? fmt::format("\"{}\"", a) : fmt::format(" or \"{}\"", a);
    }
    user_error("{}: {} = \"{}\" is unknown: it must be {}", where, key, value, list);
  };
  one_of("tokenizer.kind", r.tokenizer.kind, {"bpe", "characters"});
  one_of("data.documents", r.data.documents, {"file", "blank-lines"});
  one_of("data.held_out", r.data.held_out, {"documents", "tail"});
  one_of("train.precision", r.train.precision, {"bf16", "f32"});
  one_of("train.moments", r.train.moments, {"f32", "bf16"});
  for (const std::string& part : r.train.recompute) one_of("train.recompute", part, {"attention", "ffn"});
  if (r.train.batch_start > r.train.batch_size)
    user_error("{}: train.batch_start {} is more than train.batch_size {}", where, r.train.batch_start,
               r.train.batch_size);
  int64_t length = r.train.sequence_length;
  for (const Recipe::LongContext& p : r.long_context) {
    if (p.sequence_length < length)
      user_error("{}: long_context.sequence_length {} is less than the {} of the phase before", where,
                 p.sequence_length, length);
    length = p.sequence_length;
  }
  one_of("balance.loss", r.balance.loss, {"sequence", "batch", "expert", "none"});
  const auto& b = r.balance;
  if (b.loss != "expert" && (b.device_alpha > 0 || b.comm_alpha > 0))
    user_error("{}: balance.device_alpha {} and balance.comm_alpha {} go with balance.loss = \"expert\", not \"{}\"",
               where, b.device_alpha, b.comm_alpha, b.loss);
  if (b.top_devices > b.devices)
    user_error("{}: balance.top_devices {} is more than balance.devices {}", where, b.top_devices, b.devices);
  one_of("data.packing", r.data.packing, {"concatenate", "best-fit"});
  if (!r.data.weights.empty() && r.data.weights.size() != r.data.train.size())
    user_error("{}: data.weights has {} numbers for the {} sources of data.train: give one for each", where,
               r.data.weights.size(), r.data.train.size());
  for (double weight : r.data.weights)
    if (!(weight > 0)) user_error("{}: data.weights has {}: each weight must be above 0", where, weight);
  if (r.train.micro_batch_size > 0 && r.train.batch_size % r.train.micro_batch_size != 0)
    user_error("{}: train.batch_size {} is no multiple of train.micro_batch_size {}", where, r.train.batch_size,
               r.train.micro_batch_size);
  constexpr int64_t kMaxTokens = 1 << 24;  // far beyond any memory, and products with sizes of a model fit 64 bits
  const int64_t micro = r.train.micro_batch_size > 0 ? r.train.micro_batch_size : r.train.batch_size;
  if (micro * r.train.sequence_length > kMaxTokens)
    user_error("{}: train.sequence_length {} × {} sequences at once are more than {} tokens: lower {}", where,
               r.train.sequence_length, micro, kMaxTokens,
               r.train.micro_batch_size > 0 ? "train.micro_batch_size" : "train.batch_size");
  if (r.train.decay_end < r.train.decay_begin)
    user_error("{}: train.decay_end {} lies before train.decay_begin {}", where, r.train.decay_end,
               r.train.decay_begin);
}

Recompute recompute(const Recipe& r) {
  Recompute what;
  for (const std::string& part : r.train.recompute) (part == "attention" ? what.attention : what.ffn) = true;
  return what;
}

void check_balance(const Recipe& r, const Config& c) {
  if (c.n_routed_experts % r.balance.devices != 0)
    user_error("recipe: balance.devices {} cannot share out n_routed_experts {} evenly; use a divisor of {}",
               r.balance.devices, c.n_routed_experts, c.n_routed_experts);
}

}  // namespace minke
