#include "infer/step_rows.h"

#include <algorithm>

#include "core/divided_up.h"
#include "kernels/backend.h"

namespace minke {
namespace {

Tensor indices(const Context& ctx, int64_t count) {
  return Tensor(ctx.backend->memory(), DType::i32, {std::max<int64_t>(count, 1)});
}

// The whole host array, in the memory of a tensor that is large enough.
Operand uploaded(const Context& ctx, const Tensor& memory, const std::vector<int32_t>& host,
                 std::initializer_list<int64_t> shape) {
  const Operand o = Operand::of(memory.operand().data, DType::i32, shape);
  check(o.size() <= memory.operand().size(), "StepRows: a step is larger than was said");
  if (o.size() > 0) ctx.backend->upload(ctx, {.host = host.data(), .device = o});
  return o;
}

int64_t most_wanted(const EngineSettings& s) { return s.max_sequences * (1 + s.most_drafts()); }

}  // namespace

StepRows::StepRows(const Context& ctx, const EngineSettings& s)
    : d_tokens_(indices(ctx, s.max_tokens)),
      d_positions_(indices(ctx, s.max_tokens)),
      d_slots_(indices(ctx, s.max_tokens)),
      d_key_slots_(indices(ctx, s.most_keys())),
      d_row_offsets_(indices(ctx, s.max_sequences + 1)),
      d_lengths_(indices(ctx, s.max_sequences)),
      d_table_(indices(ctx, s.max_sequences * divided_up(s.max_context + s.most_drafts(), s.page))),
      d_wanted_(indices(ctx, most_wanted(s))),
      d_previous_(indices(ctx, s.most_drafts() > 0 ? s.max_tokens : 0)) {
  step_.page = s.page;
  for (auto* rows : {&tokens_, &positions_, &slots_}) rows->reserve(size_t(s.max_tokens));
  if (s.most_drafts() > 0) previous_.reserve(size_t(s.max_tokens));
  key_slots_.reserve(size_t(s.most_keys()));
  table_.reserve(size_t(d_table_.operand().size()));
  wanted_.reserve(size_t(most_wanted(s)));
}

void StepRows::clear() {
  for (auto* v : {&tokens_, &positions_, &slots_, &key_slots_, &lengths_, &table_, &wanted_, &previous_}) v->clear();
  answering_.clear();
  row_offsets_.assign(1, 0);
  step_.query_offsets.assign(1, 0), step_.key_offsets.assign(1, 0);
  step_.max_length = step_.num_tokens = step_.num_prompt_tokens = 0;
}

void StepRows::add(const Sequence& s, int64_t first, int64_t count, int64_t ahead, bool as_prompt) {
  const int64_t page = step_.page, end = first + count;
  const auto slot = [&](int64_t t) { return int32_t(s.pages[size_t(t / page)] * page + t % page); };
  for (int64_t t = first; t < end; ++t) {
    tokens_.push_back(s.expected(t + ahead));
    positions_.push_back(int32_t(t));
    slots_.push_back(slot(t));
  }
  if (as_prompt) {
    check(answering_.empty(), "StepRows: prompts come first");
    for (int64_t t = 0; t < end; ++t) key_slots_.push_back(slot(t));
    step_.query_offsets.push_back(this->count());
    step_.key_offsets.push_back(num_keys());
    step_.num_prompt_tokens = this->count();
  } else {
    answering_.push_back(&s);
    row_offsets_.push_back(row_offsets_.back() + int32_t(count));
    lengths_.push_back(int32_t(end));
    step_.max_length = std::max(step_.max_length, end);
  }
}

void StepRows::want_last(int64_t count) {
  for (int64_t row = this->count() - count; row < this->count(); ++row) wanted_.push_back(int32_t(row));
}

void StepRows::add_previous(int64_t first, int64_t count) {
  for (int64_t row = first; row < first + count; ++row) previous_.push_back(int32_t(row));
}

Step& StepRows::upload(const Context& ctx) {
  const int64_t n = step_.num_tokens = count(), sequences = int64_t(answering_.size()),
                pages = divided_up(step_.max_length, step_.page);
  for (const Sequence* s : answering_) {
    table_.insert(table_.end(), s->pages.begin(), s->pages.begin() + std::min(pages, int64_t(s->pages.size())));
    table_.resize(size_t(divided_up(int64_t(table_.size()), std::max<int64_t>(pages, 1)) * pages), 0);
  }
  step_.tokens = uploaded(ctx, d_tokens_, tokens_, {n});
  step_.positions = uploaded(ctx, d_positions_, positions_, {n});
  step_.slots = uploaded(ctx, d_slots_, slots_, {n});
  step_.key_slots = uploaded(ctx, d_key_slots_, key_slots_, {num_keys()});
  step_.row_offsets = uploaded(ctx, d_row_offsets_, row_offsets_, {sequences + 1});
  step_.length = uploaded(ctx, d_lengths_, lengths_, {sequences});
  step_.block_table = uploaded(ctx, d_table_, table_, {sequences, pages});
  step_.sampled = uploaded(ctx, d_wanted_, wanted_, {num_wanted()});
  step_.previous_row = uploaded(ctx, d_previous_, previous_, {int64_t(previous_.size())});
  step_.experts = {};
  return step_;
}

}  // namespace minke
