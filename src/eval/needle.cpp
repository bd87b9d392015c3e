#include "eval/needle.h"

#include <algorithm>

#include "core/error.h"
#include "corpus/needle.h"

namespace minke {
namespace {

// The longest text of this task that fits into `length` tokens: bytes are tried from a guess downwards.
Continuation fitted(const Tokenizer& tokenizer, uint64_t seed, uint64_t index, int64_t length, double depth) {
  for (double bytes = double(length) * 6; bytes >= 1;) {
    const NeedleTask task = make_needle(seed, index, size_t(bytes), depth);
    Continuation c{tokenizer.encode(task.prompt, {.parse_special = false, .add_bos = tokenizer.begins_with_bos()}),
                   tokenizer.encode(task.answer, {.parse_special = false})};
    const auto tokens = int64_t(c.prompt.size() + c.text.size());
    if (tokens <= length) return c;
    bytes *= std::min(0.97, double(length) / double(tokens));
  }
  user_error("a text of {} tokens is too short for a needle and its question; use longer texts", length);
}

uint64_t text_index(const NeedleOptions& o, int64_t length, int64_t depth, int64_t trial) {
  return uint64_t((length * o.depths + depth) * o.trials + trial);
}
double share_of(const NeedleOptions& o, int64_t depth) { return double(depth) / double(o.depths - 1); }

}  // namespace

void check_needles(const Tokenizer& tokenizer, const NeedleOptions& o) {
  for (int64_t length : o.lengths)
    for (int64_t d = 0; d < o.depths; ++d)
      for (int64_t t = 0; t < o.trials; ++t)
        fitted(tokenizer, o.seed, text_index(o, length, d, t), length, share_of(o, d));
}

std::vector<NeedleCell> find_needles(const Context& ctx, Likelihood& likelihood, const Tokenizer& tokenizer,
                                     const NeedleOptions& o, const std::function<void(const NeedleCell&)>& progress) {
  check(o.depths >= 2 && o.trials >= 1, "find_needles: depths and trials");
  std::vector<NeedleCell> cells;
  for (int64_t length : o.lengths)
    for (int64_t d = 0; d < o.depths; ++d) {
      NeedleCell cell{.length = length, .depth = share_of(o, d), .trials = o.trials};
      std::vector<Continuation> all;
      for (int64_t t = 0; t < o.trials; ++t)
        all.push_back(fitted(tokenizer, o.seed, text_index(o, length, d, t), length, cell.depth));
      for (const LogLikelihood& l : likelihood(ctx, all)) cell.found += l.greedy;
      cells.push_back(cell);
      if (progress) progress(cell);
    }
  return cells;
}

}  // namespace minke
