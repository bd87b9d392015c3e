#include "run/pair_batches.h"

#include <algorithm>

#include "core/error.h"

namespace minke {
namespace {

constexpr int64_t kLengthUnit = 16;

size_t longer(const PreferencePair& p) { return std::max(p.chosen.size(), p.rejected.size()); }

}  // namespace

int64_t text_length(int64_t tokens, int64_t most) {
  check(tokens <= most, "text_length: a text fits into a sequence");
  return std::min(most, (tokens + kLengthUnit - 1) / kLengthUnit * kLengthUnit);
}

TextBatch text_batch(std::span<const std::vector<int32_t>* const> texts, int64_t most, int32_t padding) {
  int64_t length = 0;
  for (const auto* text : texts) length = std::max(length, int64_t(text->size()));
  length = text_length(length, most);
  TextBatch all{{.num_sequences = int64_t(texts.size()), .sequence_length = length}, {}};
  TokenBatch& b = all.batch;
  b.tokens.assign(texts.size() * size_t(length), padding), b.targets.assign(b.tokens.size(), -1);
  for (size_t row = 0; row < texts.size(); ++row) {
    check(!texts[row]->empty(), "text_batch: a text has tokens");
    std::copy(texts[row]->begin(), texts[row]->end(), b.tokens.begin() + std::ptrdiff_t(row) * length);
    b.num_valid.push_back(int32_t(texts[row]->size()));
    all.last.push_back(int64_t(row) * length + int64_t(texts[row]->size()) - 1);
  }
  return all;
}

TextBatch pair_batch(std::span<const PreferencePair> pairs, int64_t most, int32_t padding) {
  std::vector<const std::vector<int32_t>*> texts;
  for (const PreferencePair& p : pairs) texts.push_back(&p.chosen), texts.push_back(&p.rejected);
  TextBatch all = text_batch(texts, most, padding);
  TokenBatch& b = all.batch;
  b.rival.assign(b.tokens.size(), -1);
  for (size_t i = 0; i < all.last.size(); i += 2) {
    const size_t chosen = size_t(all.last[i]), rejected = size_t(all.last[i + 1]);
    b.targets[chosen] = b.tokens[chosen];  // any: that there is one says which is preferred
    b.rival[chosen] = int32_t(rejected), b.rival[rejected] = int32_t(chosen);
  }
  return all;
}

std::vector<TextBatch> pair_batches(std::vector<PreferencePair> pairs, int64_t sequences, int64_t most,
                                    int32_t padding) {
  check(sequences >= 2 && sequences % 2 == 0, "pair_batches: a micro-batch is of whole pairs");
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const PreferencePair& a, const PreferencePair& b) { return longer(a) > longer(b); });
  std::vector<TextBatch> all;
  const size_t at_once = size_t(sequences / 2);
  for (size_t i = 0; i < pairs.size(); i += at_once)
    all.push_back(pair_batch(std::span(pairs).subspan(i, std::min(at_once, pairs.size() - i)), most, padding));
  return all;
}

}  // namespace minke
